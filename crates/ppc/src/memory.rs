//! The guest's 32-bit address space.
//!
//! Guest threads race, as threads on real hardware do. Every access therefore goes through a relaxed atomic, so that
//! a race is a guest's bug and never undefined behaviour of the host. The unit is the aligned word of 32 bits:
//!
//! | access | how | atomic |
//! | --- | --- | --- |
//! | aligned word | one load or store | yes |
//! | byte, aligned halfword | load and shift; compare-and-swap loop on the word | yes |
//! | aligned doubleword | two words, the high one first | each half |
//! | anything unaligned | byte by byte, low address first | each byte |

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use once_cell::race::OnceBox;
use zerocopy::FromZeros;

/// Bytes in a page, the unit of [`Memory::map`].
pub const PAGE_SIZE: u32 = 1 << PAGE_SHIFT;

const PAGE_SHIFT: u32 = 16;
const PAGES: usize = 1 << (32 - PAGE_SHIFT);
const WORDS: usize = PAGE_SIZE as usize / 4;
/// Pages of [`Memory::new`]: 512 MiB, the memory of the console.
const DEFAULT_PAGE_LIMIT: u32 = 512 << (20 - PAGE_SHIFT);

/// The words of one page, in the guest's order; each word holds the guest's value, so it needs no byte swap.
type Page = [AtomicU32; WORDS];

/// Guest memory: 4 GiB of addresses, big-endian, of which pages of 64 KiB are mapped on demand.
///
/// Shared by reference between the host threads that run guest code. Addresses wrap at 4 GiB.
pub struct Memory {
    pages: Box<[OnceBox<Page>; PAGES]>,
    page_limit: u32,
    /// Pages mapped so far. Written by `map`, on any thread; a count only, it orders nothing.
    mapped: AtomicU32,
    /// Held for the length of one doubleword compare-and-swap, which two words cannot do alone.
    doubleword: Mutex<()>,
}

/// What an access was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
}

/// An access to an address that is not mapped. It changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{access} of {size} bytes at 0x{address:08x}, where nothing is mapped")]
pub struct MemoryFault {
    /// First byte of the access.
    pub address: u32,
    /// Load or store.
    pub access: Access,
    /// Bytes of the access; for a range of bytes, 1: the first byte that is not mapped is at `address`.
    pub size: u8,
}

/// Why [`Memory::map`] refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// The range runs past the last address.
    #[error("0x{len:x} bytes from 0x{start:08x} run past the end of the 32-bit address space")]
    OutOfRange {
        /// First address asked for.
        start: u32,
        /// Bytes asked for.
        len: u32,
    },
    /// The guest asks for more than a guest may have.
    #[error("mapping 0x{len:x} bytes at 0x{start:08x} would exceed the limit of {limit} MiB of guest memory")]
    Limit {
        /// First address asked for.
        start: u32,
        /// Bytes asked for.
        len: u32,
        /// The limit in MiB.
        limit: u32,
    },
    /// The host has no memory left.
    #[error("the host has no memory left for the guest's page at 0x{address:08x}")]
    HostMemory {
        /// First address of the page.
        address: u32,
    },
}

impl Memory {
    /// An empty address space that can grow to 512 MiB, the memory of the console.
    pub fn new() -> Self {
        Self::with_page_limit(DEFAULT_PAGE_LIMIT)
    }

    /// An empty address space that can grow to `page_limit` pages of [`PAGE_SIZE`] bytes.
    pub fn with_page_limit(page_limit: u32) -> Self {
        let pages: Vec<OnceBox<Page>> = (0..PAGES).map(|_| OnceBox::new()).collect();
        let Ok(pages) = pages.into_boxed_slice().try_into() else {
            unreachable!("the vector has PAGES elements")
        };
        Self { pages, page_limit, mapped: AtomicU32::new(0), doubleword: Mutex::new(()) }
    }

    /// Maps all pages that `start .. start + len` touches. New pages read as zero; mapped ones stay as they are.
    ///
    /// # Errors
    ///
    /// [`MapError`] when the range leaves the address space, the limit is reached or the host is out of memory; the
    /// pages before the failing one stay mapped.
    pub fn map(&self, start: u32, len: u32) -> Result<(), MapError> {
        if len == 0 {
            return Ok(());
        }
        let last = start.checked_add(len - 1).ok_or(MapError::OutOfRange { start, len })?;
        for number in start >> PAGE_SHIFT..=last >> PAGE_SHIFT {
            let slot = &self.pages[number as usize];
            if slot.get().is_some() {
                continue;
            }
            // Count first, so that racing calls cannot pass the limit together.
            if self.mapped.fetch_add(1, Relaxed) >= self.page_limit {
                self.mapped.fetch_sub(1, Relaxed);
                return Err(MapError::Limit { start, len, limit: self.page_limit >> (20 - PAGE_SHIFT) });
            }
            let page = Page::new_box_zeroed().map_err(|_| {
                self.mapped.fetch_sub(1, Relaxed);
                MapError::HostMemory { address: number << PAGE_SHIFT }
            })?;
            if slot.set(page).is_err() {
                self.mapped.fetch_sub(1, Relaxed);
            }
        }
        Ok(())
    }

    /// Whether every byte of `address .. address + len` is mapped. A range past the last address is not.
    pub fn is_mapped(&self, address: u32, len: u32) -> bool {
        let Some(last) = address.checked_add(len.saturating_sub(1)) else {
            return false;
        };
        (address >> PAGE_SHIFT..=last >> PAGE_SHIFT).all(|number| self.pages[number as usize].get().is_some())
    }

    /// Bytes mapped so far, a multiple of [`PAGE_SIZE`].
    pub fn mapped_bytes(&self) -> u64 {
        u64::from(self.mapped.load(Relaxed)) << PAGE_SHIFT
    }

    /// The aligned word that holds `address`.
    #[inline(always)]
    fn word(&self, address: u32) -> Option<&AtomicU32> {
        let page = self.pages[(address >> PAGE_SHIFT) as usize].get()?;
        Some(&page[(address as usize & (PAGE_SIZE as usize - 1)) / 4])
    }

    /// Reads a byte.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] when the byte is not mapped.
    #[inline(always)]
    pub fn read_u8(&self, address: u32) -> Result<u8, MemoryFault> {
        let word = self.word(address).ok_or_else(|| read_fault(address, 1))?;
        Ok((word.load(Relaxed) >> lane(address, 1)) as u8)
    }

    /// Reads a halfword, at any alignment.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] when a byte of it is not mapped.
    #[inline(always)]
    pub fn read_u16(&self, address: u32) -> Result<u16, MemoryFault> {
        if address & 1 != 0 {
            return Ok(u16::from_be_bytes(self.read_unaligned(address)?));
        }
        let word = self.word(address).ok_or_else(|| read_fault(address, 2))?;
        Ok((word.load(Relaxed) >> lane(address, 2)) as u16)
    }

    /// Reads a word, at any alignment.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] when a byte of it is not mapped.
    #[inline(always)]
    pub fn read_u32(&self, address: u32) -> Result<u32, MemoryFault> {
        if address & 3 != 0 {
            return Ok(u32::from_be_bytes(self.read_unaligned(address)?));
        }
        let word = self.word(address).ok_or_else(|| read_fault(address, 4))?;
        Ok(word.load(Relaxed))
    }

    /// Reads a doubleword, at any alignment. A racing store may be seen in one half only.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] when a byte of it is not mapped.
    #[inline(always)]
    pub fn read_u64(&self, address: u32) -> Result<u64, MemoryFault> {
        if address & 3 != 0 {
            return Ok(u64::from_be_bytes(self.read_unaligned(address)?));
        }
        let high = self.word(address).ok_or_else(|| read_fault(address, 8))?;
        let low = self.word(address.wrapping_add(4)).ok_or_else(|| read_fault(address, 8))?;
        Ok(u64::from(high.load(Relaxed)) << 32 | u64::from(low.load(Relaxed)))
    }

    /// Writes a byte. Racing stores to other bytes of the same word are kept.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] when the byte is not mapped.
    #[inline(always)]
    pub fn write_u8(&self, address: u32, value: u8) -> Result<(), MemoryFault> {
        let word = self.word(address).ok_or_else(|| write_fault(address, 1))?;
        store_lane(word, 0xFF << lane(address, 1), u32::from(value) << lane(address, 1));
        Ok(())
    }

    /// Writes a halfword, at any alignment.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] when a byte of it is not mapped; nothing was written then.
    #[inline(always)]
    pub fn write_u16(&self, address: u32, value: u16) -> Result<(), MemoryFault> {
        if address & 1 != 0 {
            return self.write_unaligned(address, value.to_be_bytes());
        }
        let word = self.word(address).ok_or_else(|| write_fault(address, 2))?;
        store_lane(word, 0xFFFF << lane(address, 2), u32::from(value) << lane(address, 2));
        Ok(())
    }

    /// Writes a word, at any alignment.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] when a byte of it is not mapped; nothing was written then.
    #[inline(always)]
    pub fn write_u32(&self, address: u32, value: u32) -> Result<(), MemoryFault> {
        if address & 3 != 0 {
            return self.write_unaligned(address, value.to_be_bytes());
        }
        let word = self.word(address).ok_or_else(|| write_fault(address, 4))?;
        word.store(value, Relaxed);
        Ok(())
    }

    /// Writes a doubleword, at any alignment. A racing load may see one half only.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] when a byte of it is not mapped; nothing was written then.
    #[inline(always)]
    pub fn write_u64(&self, address: u32, value: u64) -> Result<(), MemoryFault> {
        if address & 3 != 0 {
            return self.write_unaligned(address, value.to_be_bytes());
        }
        let high = self.word(address).ok_or_else(|| write_fault(address, 8))?;
        let low = self.word(address.wrapping_add(4)).ok_or_else(|| write_fault(address, 8))?;
        high.store((value >> 32) as u32, Relaxed);
        low.store(value as u32, Relaxed);
        Ok(())
    }

    /// Replaces the word at `address` by `new` if it is `current`. `Ok(Ok(old))` when it was, `Ok(Err(found))` when
    /// not. The low two bits of `address` are ignored. The swap is sequentially consistent.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] when the word is not mapped.
    pub fn compare_exchange_u32(
        &self,
        address: u32,
        current: u32,
        new: u32,
    ) -> Result<Result<u32, u32>, MemoryFault> {
        use std::sync::atomic::Ordering::SeqCst;
        let word = self.word(address).ok_or_else(|| write_fault(address, 4))?;
        Ok(word.compare_exchange(current, new, SeqCst, SeqCst))
    }

    /// The same for a doubleword; the low three bits of `address` are ignored.
    ///
    /// Exclusive against other doubleword swaps. A racing plain store to one half is never overwritten, but may make
    /// the other half of this swap visible and then undone.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] when the doubleword is not mapped.
    pub fn compare_exchange_u64(
        &self,
        address: u32,
        current: u64,
        new: u64,
    ) -> Result<Result<u64, u64>, MemoryFault> {
        let address = address & !7;
        let halves = |value: u64| ((value >> 32) as u32, value as u32);
        let (current_high, current_low) = halves(current);
        let (new_high, new_low) = halves(new);
        // The mutex guards no data, so a poisoned one is as good as new.
        let _exclusive = self.doubleword.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.compare_exchange_u32(address, current_high, new_high)?.is_err() {
            return Ok(Err(self.read_u64(address)?));
        }
        if self.compare_exchange_u32(address.wrapping_add(4), current_low, new_low)?.is_err() {
            // Either the old high half comes back, or a newer store has replaced ours and stays.
            let _ = self.compare_exchange_u32(address, new_high, current_high)?;
            return Ok(Err(self.read_u64(address)?));
        }
        Ok(Ok(current))
    }

    /// Fills `bytes` from `address` on. Addresses wrap at 4 GiB.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] naming the first byte that is not mapped; `bytes` is then filled up to there.
    pub fn read_bytes(&self, address: u32, bytes: &mut [u8]) -> Result<(), MemoryFault> {
        for (offset, byte) in (0u32..).zip(bytes) {
            *byte = self.read_u8(address.wrapping_add(offset))?;
        }
        Ok(())
    }

    /// Writes `bytes` from `address` on. Addresses wrap at 4 GiB. Whole aligned words are written as words.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] naming the first byte that is not mapped; the bytes before it are written.
    pub fn write_bytes(&self, address: u32, bytes: &[u8]) -> Result<(), MemoryFault> {
        let (mut address, mut rest) = (address, bytes);
        while let Some((&first, after)) = rest.split_first() {
            if let (0, Some((word, after))) = (address & 3, rest.split_first_chunk::<4>()) {
                self.write_u32(address, u32::from_be_bytes(*word))
                    .map_err(|fault| write_fault(fault.address, 1))?;
                (address, rest) = (address.wrapping_add(4), after);
            } else {
                self.write_u8(address, first)?;
                (address, rest) = (address.wrapping_add(1), after);
            }
        }
        Ok(())
    }

    /// The bytes from `address` up to, not including, the first zero byte, and at most `max` of them.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`] when a byte before the end is not mapped.
    pub fn read_c_string(&self, address: u32, max: usize) -> Result<Vec<u8>, MemoryFault> {
        let mut text = Vec::new();
        while text.len() < max {
            match self.read_u8(address.wrapping_add(text.len() as u32))? {
                0 => break,
                byte => text.push(byte),
            }
        }
        Ok(text)
    }

    #[cold]
    fn read_unaligned<const N: usize>(&self, address: u32) -> Result<[u8; N], MemoryFault> {
        let mut bytes = [0; N];
        self.read_bytes(address, &mut bytes).map_err(|_| read_fault(address, N as u8))?;
        Ok(bytes)
    }

    #[cold]
    fn write_unaligned<const N: usize>(&self, address: u32, bytes: [u8; N]) -> Result<(), MemoryFault> {
        // A store that faults must not have stored its first half.
        if self.word(address).is_none() || self.word(address.wrapping_add(N as u32 - 1)).is_none() {
            return Err(write_fault(address, N as u8));
        }
        for (offset, byte) in (0u32..).zip(bytes) {
            self.write_u8(address.wrapping_add(offset), byte)?;
        }
        Ok(())
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("mapped_bytes", &self.mapped_bytes()).finish_non_exhaustive()
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// The shift that brings the `size` bytes at `address` down to bit 0 of their word.
#[inline(always)]
fn lane(address: u32, size: u32) -> u32 {
    8 * (4 - size - (address & (4 - size)))
}

/// Replaces the bits of `mask`. A loop, because a racing store to the rest of the word must not be lost.
#[inline(always)]
fn store_lane(word: &AtomicU32, mask: u32, value: u32) {
    let mut old = word.load(Relaxed);
    while let Err(found) = word.compare_exchange_weak(old, old & !mask | value, Relaxed, Relaxed) {
        old = found;
    }
}

#[cold]
fn read_fault(address: u32, size: u8) -> MemoryFault {
    MemoryFault { address, access: Access::Read, size }
}

#[cold]
fn write_fault(address: u32, size: u8) -> MemoryFault {
    MemoryFault { address, access: Access::Write, size }
}
