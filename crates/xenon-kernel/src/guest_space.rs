//! The guest memory that the kernel itself hands out: stacks, and a pool for threads' control blocks and headers.
//!
//! All of it lies in 0x70000000 to 0x7FFFFFFF, the one range in which an image may have no segment.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;

use ppc::{MapError, Memory, PAGE_SIZE};

use crate::sync::Lock;
use crate::thread::Places;

/// Stacks lie below, the pool above.
const POOL: Range<u32> = 0x7F00_0000..0x8000_0000;
const STACKS: Range<u32> = 0x7001_0000..POOL.start;

/// The most that one thread may ask for: the console has 512 MiB in all.
const MAX_STACK: u32 = 16 << 20;

/// A thread's block: its processor control region, and its KTHREAD behind it.
const THREAD_BLOCK: u32 = 0x1000;
const KTHREAD: u32 = 0x400;
/// A dispatcher header with the word behind it.
const HEADER_BLOCK: u32 = 0x20;

/// Offset of the KTHREAD pointer in the control region.
const CURRENT_KTHREAD: u32 = 0x100;
/// Offset of the hardware thread's number, a byte, in the control region.
pub(crate) const HARDWARE_THREAD: u32 = 0x10C;
/// Offset of the thread id in a KTHREAD.
const THREAD_ID: u32 = 0x14C;

/// Who has which part.
#[derive(Debug, Default)]
pub(crate) struct GuestSpace(Mutex<Parts>);

#[derive(Debug)]
struct Parts {
    next_stack: u32,
    next_block: u32,
    /// Freed pieces, by size.
    free_stacks: BTreeMap<u32, Vec<u32>>,
    free_blocks: BTreeMap<u32, Vec<u32>>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            next_stack: STACKS.start,
            next_block: POOL.start,
            free_stacks: BTreeMap::new(),
            free_blocks: BTreeMap::new(),
        }
    }
}

/// Guest memory is used up.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl From<MapError> for NoRoom {
    fn from(_: MapError) -> Self {
        Self
    }
}

impl GuestSpace {
    /// Memory for a thread with a stack of at least `stack_size` bytes, its control blocks filled in.
    pub(crate) fn place_thread(&self, memory: &Memory, tid: u32, stack_size: u32) -> Result<Places, NoRoom> {
        let size = stack_size.clamp(1, MAX_STACK).next_multiple_of(PAGE_SIZE);
        let (control, base) = {
            let mut parts = self.0.locked();
            let control = parts.take_block(THREAD_BLOCK)?;
            let base = parts.take_stack(size).inspect_err(|_| {
                parts.free_blocks.entry(THREAD_BLOCK).or_default().push(control);
            })?;
            (control, base)
        };
        let places = Places { control, kthread: control + KTHREAD, stack: base..base + size };
        let mapped = memory.map(base, size).and_then(|()| memory.map(control, THREAD_BLOCK));
        mapped.inspect_err(|_| self.free_thread(&places))?;
        memory
            .write_bytes(control, &[0; THREAD_BLOCK as usize])
            .and_then(|()| memory.write_u32(control + CURRENT_KTHREAD, places.kthread))
            .and_then(|()| memory.write_u32(places.kthread + THREAD_ID, tid))
            .map_err(|_| NoRoom)?;
        Ok(places)
    }

    /// Memory for a dispatcher header, mapped.
    pub(crate) fn place_header(&self, memory: &Memory) -> Result<u32, NoRoom> {
        let header = self.0.locked().take_block(HEADER_BLOCK)?;
        memory.map(header, HEADER_BLOCK)?;
        Ok(header)
    }

    /// Takes a stack back. Its thread has ended.
    pub(crate) fn free_stack(&self, stack: &Range<u32>) {
        self.0.locked().free_stacks.entry(stack.end - stack.start).or_default().push(stack.start);
    }

    /// Takes a control block back. Nobody names its thread any more.
    pub(crate) fn free_control(&self, control: u32) {
        self.0.locked().free_blocks.entry(THREAD_BLOCK).or_default().push(control);
    }

    /// Takes a header back, if it is one of the pool's.
    pub(crate) fn free_header(&self, header: u32) {
        if POOL.contains(&header) {
            self.0.locked().free_blocks.entry(HEADER_BLOCK).or_default().push(header);
        }
    }

    fn free_thread(&self, places: &Places) {
        self.free_stack(&places.stack);
        self.free_control(places.control);
    }
}

impl Parts {
    fn take_block(&mut self, size: u32) -> Result<u32, NoRoom> {
        if let Some(block) = self.free_blocks.get_mut(&size).and_then(Vec::pop) {
            return Ok(block);
        }
        if POOL.end - self.next_block < size {
            return Err(NoRoom);
        }
        self.next_block += size;
        Ok(self.next_block - size)
    }

    /// A page between two stacks stays unmapped, so that an overflow is a fault.
    fn take_stack(&mut self, size: u32) -> Result<u32, NoRoom> {
        if let Some(base) = self.free_stacks.get_mut(&size).and_then(Vec::pop) {
            return Ok(base);
        }
        if STACKS.end - self.next_stack < size + PAGE_SIZE {
            return Err(NoRoom);
        }
        self.next_stack += size + PAGE_SIZE;
        Ok(self.next_stack - size - PAGE_SIZE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_finds_itself_through_its_control_region() {
        let (space, memory) = (GuestSpace::default(), Memory::new());
        let places = space.place_thread(&memory, 7, 0x4000).expect("there is room");
        let kthread = memory.read_u32(places.control + 0x100).expect("it is mapped");
        assert_eq!(memory.read_u32(kthread + 0x14C), Ok(7));
        assert!(memory.is_mapped(places.stack.start, 0x4000) && !memory.is_mapped(places.stack.end, 1));
    }

    #[test]
    fn memory_is_used_again() {
        let (space, memory) = (GuestSpace::default(), Memory::new());
        for tid in 1..10_000 {
            let places = space.place_thread(&memory, tid, 0x4_0000).expect("the last one was freed");
            space.free_thread(&places);
        }
        assert!(memory.mapped_bytes() < 1 << 20);
    }

    #[test]
    fn memory_runs_out_with_an_error() {
        let (space, memory) = (GuestSpace::default(), Memory::new());
        let placed = (1..).map_while(|tid| space.place_thread(&memory, tid, u32::MAX).ok()).count();
        assert!((10..=32).contains(&placed), "{placed} stacks of 16 MiB");
    }
}
