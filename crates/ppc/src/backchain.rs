//! Walks the chain of stack frames.

use std::ops::Range;

use crate::cpu::EXIT_SENTINEL;
use crate::memory::Memory;

/// The most frames that a walk gives, frame 0 included.
pub const MAX_FRAMES: usize = 32;

/// Where a function saves LR, relative to the frame of its caller. A property of the compiler, so of the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrameLayout {
    /// At +4: the System V ABI, GCC.
    #[default]
    SysV,
    /// At -8: the console's own compiler.
    Console,
}

/// One frame of a call stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Address of the frame.
    pub frame: u32,
    /// The return address that belongs to it.
    pub lr: u32,
}

/// The frames of a call stack, innermost first; see [`back_chain`].
#[derive(Clone, Debug)]
pub struct BackChain<'a> {
    memory: &'a Memory,
    stack: Range<u32>,
    layout: FrameLayout,
    next: Option<Frame>,
    left: usize,
}

/// Walks from a leaf, such as an import thunk, that runs with stack pointer `r1` and return address `lr`.
///
/// Frame 0 is `(r1, lr)` itself, whatever it holds. Each further one is found through the word at the frame before, and
/// its return address through `layout`. The walk ends when the chain does not rise, leaves `stack`, reaches the exit
/// sentinel or unmapped memory, or after [`MAX_FRAMES`]. It allocates nothing.
pub fn back_chain(
    memory: &Memory,
    r1: u32,
    lr: u32,
    stack: Range<u32>,
    layout: FrameLayout,
) -> BackChain<'_> {
    BackChain { memory, stack, layout, next: Some(Frame { frame: r1, lr }), left: MAX_FRAMES }
}

impl BackChain<'_> {
    fn caller(&self, of: Frame) -> Option<Frame> {
        if of.lr == EXIT_SENTINEL || !self.stack.contains(&of.frame) {
            return None;
        }
        let frame = self.memory.read_u32(of.frame).ok()?;
        if frame <= of.frame || !self.stack.contains(&frame) {
            return None;
        }
        let saved = match self.layout {
            FrameLayout::SysV => frame.wrapping_add(4),
            FrameLayout::Console => frame.wrapping_sub(8),
        };
        let lr = self.memory.read_u32(saved).ok()?;
        (lr != EXIT_SENTINEL).then_some(Frame { frame, lr })
    }
}

impl Iterator for BackChain<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let frame = self.next?;
        self.left -= 1;
        self.next = if self.left == 0 { None } else { self.caller(frame) };
        Some(frame)
    }
}
