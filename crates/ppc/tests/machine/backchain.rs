//! The walk along stack frames.

use ppc::{EXIT_SENTINEL, Frame, FrameLayout, MAX_FRAMES, Memory, back_chain};

const STACK: std::ops::Range<u32> = 0x7000_0000..0x7001_0000;

/// A stack with frames at `frames`, each pointing to the next, and the return addresses saved in the SysV way.
fn stack(frames: &[(u32, u32)]) -> Memory {
    let memory = Memory::new();
    memory.map(STACK.start, STACK.end - STACK.start).unwrap();
    for pair in frames.windows(2) {
        let [(frame, _), (next, saved)] = pair else { unreachable!("windows of two") };
        memory.write_u32(*frame, *next).unwrap();
        memory.write_u32(next + 4, *saved).unwrap();
    }
    memory
}

fn walk(memory: &Memory, r1: u32, layout: FrameLayout) -> Vec<(u32, u32)> {
    back_chain(memory, r1, 0x8200_0000, STACK, layout).map(|Frame { frame, lr }| (frame, lr)).collect()
}

#[test]
fn frame_0_is_the_leaf_and_the_walk_ends_at_the_sentinel() {
    let frames = [
        (0x7000_1000, 0x8200_0000),
        (0x7000_1020, 0x8200_0100),
        (0x7000_1080, 0x8200_0200),
        (0x7000_1100, EXIT_SENTINEL),
    ];
    assert_eq!(walk(&stack(&frames), 0x7000_1000, FrameLayout::SysV), frames[..3]);
}

#[test]
fn the_console_saves_lr_below_the_frame() {
    let memory = stack(&[]);
    memory.write_u32(0x7000_1000, 0x7000_1080).unwrap();
    memory.write_u32(0x7000_1080 - 8, 0x8200_0300).unwrap();
    assert_eq!(
        walk(&memory, 0x7000_1000, FrameLayout::Console),
        [(0x7000_1000, 0x8200_0000), (0x7000_1080, 0x8200_0300)]
    );
}

#[test]
fn a_chain_that_does_not_rise_ends() {
    for next in [0, 0x7000_0800, 0x7000_1000] {
        let memory = stack(&[]);
        memory.write_u32(0x7000_1000, next).unwrap();
        assert_eq!(walk(&memory, 0x7000_1000, FrameLayout::SysV).len(), 1, "0x{next:08x}");
    }
}

#[test]
fn a_chain_that_leaves_the_stack_ends() {
    let memory = stack(&[]);
    memory.map(0x8000_0000, 16).unwrap();
    memory.write_u32(0x7000_1000, 0x8000_0000).unwrap();
    assert_eq!(walk(&memory, 0x7000_1000, FrameLayout::SysV).len(), 1);
    assert_eq!(walk(&memory, 0x8000_0000, FrameLayout::SysV).len(), 1, "r1 itself is elsewhere");
    memory.write_u32(0x7000_1000, STACK.end - 4).unwrap();
    assert_eq!(
        walk(&memory, 0x7000_1000, FrameLayout::SysV).len(),
        1,
        "the saved LR would lie behind the stack"
    );
}

#[test]
fn a_walk_has_at_most_32_frames() {
    let frames: Vec<(u32, u32)> = (0..100).map(|i| (0x7000_1000 + 16 * i, 0x8200_0000 + 4 * i)).collect();
    assert_eq!(walk(&stack(&frames), 0x7000_1000, FrameLayout::SysV), frames[..MAX_FRAMES]);
}
