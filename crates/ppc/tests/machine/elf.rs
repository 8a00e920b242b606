//! The loader: what it takes, and what it says when it does not.

use ppc::{Cpu, EXIT_SENTINEL, ElfError, Memory, SegmentProblem, Stop, Thunk, load, run};

use crate::common::TEXT;

const HEADER: usize = 52;
const PROGRAM_HEADER: usize = 32;

#[derive(Clone, Copy)]
struct Load {
    address: u32,
    words: &'static [u32],
    memory_size: u32,
    flags: u32,
}

const READ_EXECUTE: u32 = 5;
const READ_WRITE: u32 = 6;
const CODE: Load = Load {
    address: TEXT,
    // li r3, 42; blr; then a thunk
    words: &[0x3860_002A, 0x4E80_0020, 0x4400_0042, 0x4E80_0020, 0x0200_0010, 0x6000_0000],
    memory_size: 24,
    flags: READ_EXECUTE,
};
const DATA: Load = Load { address: 0x8201_0000, words: &[1, 2], memory_size: 0x100, flags: READ_WRITE };

/// An image of `segments`, entered at the first.
fn image(segments: &[Load]) -> Vec<u8> {
    let mut bytes = vec![0x7F, b'E', b'L', b'F', 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |bytes: &mut Vec<u8>, value: u16| bytes.extend(value.to_be_bytes());
    let word = |bytes: &mut Vec<u8>, value: u32| bytes.extend(value.to_be_bytes());
    half(&mut bytes, 2); // ET_EXEC
    half(&mut bytes, 20); // EM_PPC
    for value in [1, segments[0].address, HEADER as u32, 0, 0] {
        word(&mut bytes, value); // version, entry, program headers, sections, flags
    }
    for value in [HEADER as u16, PROGRAM_HEADER as u16, segments.len() as u16, 40, 0, 0] {
        half(&mut bytes, value);
    }
    let mut offset = HEADER + PROGRAM_HEADER * segments.len();
    for segment in segments {
        let size = 4 * segment.words.len();
        for value in [
            1,
            offset as u32,
            segment.address,
            segment.address,
            size as u32,
            segment.memory_size,
            segment.flags,
            16,
        ] {
            word(&mut bytes, value);
        }
        offset += size;
    }
    for &value in segments.iter().flat_map(|segment| segment.words) {
        word(&mut bytes, value);
    }
    bytes
}

fn refusal(bytes: &[u8]) -> String {
    load(bytes).expect_err("it must be refused").to_string()
}

fn problem_of(segments: &[Load]) -> (usize, SegmentProblem) {
    match load(&image(segments)) {
        Err(ElfError::Segment { index, problem, .. }) => (index, problem),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_image_is_mapped_and_runs() {
    let image = load(&image(&[CODE, DATA])).unwrap();
    assert_eq!((image.entry, image.segments.len()), (TEXT, 2));
    assert_eq!(image.thunks, [Thunk { address: TEXT + 8, module: 2, ordinal: 0x10 }]);
    let memory = Memory::new();
    let code = image.map_into(&memory).unwrap();
    assert_eq!((memory.read_u32(DATA.address + 4), memory.read_u32(DATA.address + 0xFC)), (Ok(2), Ok(0)));
    assert_eq!(memory.read_u32(TEXT), Ok(CODE.words[0]), "text can be read");
    let mut cpu = Cpu { pc: image.entry, lr: EXIT_SENTINEL, ..Cpu::default() };
    assert_eq!(run(&mut cpu, &code, &memory, 100), Stop::Returned);
    assert_eq!(cpu.gpr[3], 42);
}

#[test]
fn the_bytes_may_lie_at_any_address() {
    let bytes = image(&[CODE]);
    for shift in 0..8 {
        let shifted = [vec![0; shift], bytes.clone()].concat();
        assert!(load(&shifted[shift..]).is_ok());
    }
}

#[test]
fn what_is_no_elf_is_told_so() {
    assert_eq!(refusal(&[]), "the file is empty; expected an ELF32 executable, big-endian PowerPC");
    assert_eq!(
        refusal(b"MZ\x90\0\x03"),
        "not an ELF file: it begins with [4d, 5a, 90, 00], expected [7f, 45, 4c, 46]"
    );
}

#[test]
fn another_machines_elf_is_told_so() {
    let changed = |at: usize, value: u8| {
        let mut bytes = image(&[CODE]);
        bytes[at] = value;
        refusal(&bytes)
    };
    assert_eq!(changed(4, 2), "the class is 2 (64-bit), expected 1 (32-bit)");
    assert_eq!(changed(5, 1), "the byte order is 1 (little-endian), expected 2 (big-endian)");
    assert_eq!(changed(19, 8), "the machine is 8, expected 20 (PowerPC)");
    let executable = "expected 2 (ET_EXEC, linked to a fixed address)";
    assert_eq!(changed(17, 1), format!("the type is 1 (ET_REL, an object file), {executable}"));
    assert_eq!(changed(17, 3), format!("the type is 3 (ET_DYN, position-independent), {executable}"));
}

#[test]
fn every_truncation_is_refused_without_a_panic() {
    let bytes = image(&[CODE, DATA]);
    for len in 0..bytes.len() {
        assert!(load(&bytes[..len]).is_err(), "{len} bytes");
    }
    assert_eq!(refusal(&bytes[..40]), "truncated: the ELF header ends at byte 0x34, the file has 0x28 bytes");
    assert_eq!(
        refusal(&bytes[..100]),
        "truncated: the program header table ends at byte 0x74, the file has 0x64 bytes"
    );
    assert_eq!(refusal(&bytes[..120]), "truncated: a segment ends at byte 0x8c, the file has 0x78 bytes");
}

#[test]
fn the_stacks_own_their_addresses() {
    for address in [0x6FFF_FFF0, 0x7000_0000, 0x7FFF_FFFC] {
        assert_eq!(
            problem_of(&[CODE, Load { address, ..DATA }]),
            (1, SegmentProblem::OverStack),
            "0x{address:08x}"
        );
    }
    let around = Load { address: 0x6FFF_FFFC, memory_size: 0x1000_0008, ..DATA };
    assert!(load(&image(&[CODE, around])).is_err());
    assert!(load(&image(&[CODE, Load { address: 0x6FFF_FF00, ..DATA }])).is_ok(), "it ends below them");
    assert_eq!(
        refusal(&image(&[CODE, Load { address: 0x7000_0000, ..DATA }])),
        "segment 1 (0x70000000, 0x100 bytes) touches 0x70000000 to 0x7fffffff, which belongs to the stacks; link the \
         guest at 0x82000000"
    );
}

#[test]
fn segments_lie_apart_and_inside() {
    assert_eq!(
        problem_of(&[CODE, Load { address: TEXT + 20, ..DATA }]),
        (1, SegmentProblem::Overlap { other: 0 })
    );
    assert_eq!(problem_of(&[CODE, Load { address: 0xFFFF_FF80, ..DATA }]), (1, SegmentProblem::OutOfRange));
    assert_eq!(problem_of(&[Load { address: TEXT + 2, ..CODE }]), (0, SegmentProblem::Misaligned));
    assert_eq!(problem_of(&[CODE, Load { memory_size: 4, ..DATA }]), (1, SegmentProblem::FileSize));
    let huge = Load { memory_size: 0x1000_0001, ..DATA };
    assert!(matches!(load(&image(&[CODE, huge])), Err(ElfError::TooLarge { .. })));
    assert_eq!(load(&image(&[Load { memory_size: 0, ..CODE }])).unwrap_err(), ElfError::NoSegments);
}

#[test]
fn the_entry_is_code() {
    let entry = |address: u32| {
        let mut bytes = image(&[CODE, DATA]);
        bytes[24..28].copy_from_slice(&address.to_be_bytes());
        load(&bytes).map(|image| image.entry)
    };
    assert_eq!(entry(TEXT + 20), Ok(TEXT + 20));
    for address in [0, TEXT + 2, TEXT + 24, TEXT - 4, DATA.address] {
        assert_eq!(entry(address), Err(ElfError::Entry { entry: address }));
    }
}

#[test]
fn no_damage_to_one_byte_makes_the_loader_panic() {
    let whole = include_bytes!("../../../../guests/selftest/bin/powerpc-Os.elf");
    let image = load(whole).unwrap();
    assert_eq!(image.symbols.lookup(image.entry), Some(("main", 0)));
    let sections = u32::from_be_bytes(whole[32..36].try_into().unwrap()) as usize;
    for at in (0..HEADER + 3 * PROGRAM_HEADER).chain(sections..whole.len()) {
        for damage in [0x00, 0x01, 0x80, 0xFF] {
            let mut bytes = whole.to_vec();
            bytes[at] ^= damage;
            // Whether it is still a guest depends on the byte; that there is an answer does not.
            if let Ok(image) = load(&bytes) {
                assert!(
                    image.segments.iter().map(|segment| u64::from(segment.memory_size)).sum::<u64>()
                        <= ppc::MAX_IMAGE_BYTES
                );
            }
        }
    }
}
