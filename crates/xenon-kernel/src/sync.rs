//! A lock that a panic elsewhere does not poison.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Locks without regard to poison: a panic in one host thread ends the run, and what the others then read is only
/// used to say where the guest was.
pub(crate) trait Lock<T> {
    fn locked(&self) -> MutexGuard<'_, T>;

    /// The same without waiting; nothing while somebody else holds it.
    fn try_locked(&self) -> Option<MutexGuard<'_, T>>;
}

impl<T> Lock<T> for Mutex<T> {
    #[inline]
    fn locked(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_locked(&self) -> Option<MutexGuard<'_, T>> {
        match self.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poison)) => Some(poison.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
