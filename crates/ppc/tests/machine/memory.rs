//! The address space.

use std::thread;

use ppc::{Access, MapError, Memory, MemoryFault, PAGE_SIZE};

const BASE: u32 = 0x1000_0000;

fn mapped() -> Memory {
    let memory = Memory::new();
    memory.map(BASE, 2 * PAGE_SIZE).unwrap();
    memory
}

#[test]
fn new_pages_are_zero_and_mapping_again_keeps_them() {
    let memory = mapped();
    assert_eq!(memory.read_u64(BASE), Ok(0));
    memory.write_u32(BASE, 7).unwrap();
    memory.map(BASE + 8, 4).unwrap();
    assert_eq!(memory.read_u32(BASE), Ok(7));
    assert_eq!(memory.mapped_bytes(), 2 * u64::from(PAGE_SIZE));
}

#[test]
fn bytes_lie_in_the_order_of_the_guest() {
    let memory = mapped();
    memory.write_u64(BASE, 0x0102_0304_0506_0708).unwrap();
    for i in 0..8 {
        assert_eq!(memory.read_u8(BASE + i), Ok(i as u8 + 1));
    }
    assert_eq!(memory.read_u16(BASE + 2), Ok(0x0304));
    memory.write_u8(BASE + 5, 0xFF).unwrap();
    memory.write_u16(BASE, 0xABCD).unwrap();
    assert_eq!(memory.read_u64(BASE), Ok(0xABCD_0304_05FF_0708));
}

#[test]
fn unaligned_accesses_see_the_same_bytes() {
    let memory = mapped();
    let bytes: Vec<u8> = (1..=24).collect();
    memory.write_bytes(BASE + 1, &bytes).unwrap();
    for at in 0..16u32 {
        let of = |len: usize| &bytes[at as usize..at as usize + len];
        assert_eq!(memory.read_u16(BASE + 1 + at).unwrap().to_be_bytes(), of(2));
        assert_eq!(memory.read_u32(BASE + 1 + at).unwrap().to_be_bytes(), of(4));
        assert_eq!(memory.read_u64(BASE + 1 + at).unwrap().to_be_bytes(), of(8));
    }
    memory.write_u64(BASE + 3, 0x1112_1314_1516_1718).unwrap();
    let mut around = [0; 10];
    memory.read_bytes(BASE + 2, &mut around).unwrap();
    assert_eq!(around, [2, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 11]);
}

#[test]
fn an_access_crosses_into_the_next_page() {
    let memory = mapped();
    for address in BASE + PAGE_SIZE - 7..BASE + PAGE_SIZE {
        memory.write_u64(address, 0x0123_4567_89AB_CDEF).unwrap();
        assert_eq!(memory.read_u64(address), Ok(0x0123_4567_89AB_CDEF), "0x{address:x}");
    }
}

#[test]
fn an_access_that_leaves_the_mapping_faults_and_writes_nothing() {
    let memory = mapped();
    let end = BASE + 2 * PAGE_SIZE;
    for (address, size) in [(end - 1, 2), (end - 3, 4), (end - 4, 8), (end - 5, 8), (BASE - 1, 2), (end, 1)] {
        let fault = |access| MemoryFault { address, access, size };
        let (read, write) = match size {
            1 => (memory.read_u8(address).map(drop), memory.write_u8(address, !0)),
            2 => (memory.read_u16(address).map(drop), memory.write_u16(address, !0)),
            4 => (memory.read_u32(address).map(drop), memory.write_u32(address, !0)),
            _ => (memory.read_u64(address).map(drop), memory.write_u64(address, !0)),
        };
        assert_eq!((read, write), (Err(fault(Access::Read)), Err(fault(Access::Write))));
    }
    assert_eq!((memory.read_u64(end - 8), memory.read_u8(BASE)), (Ok(0), Ok(0)));
}

#[test]
fn addresses_wrap_at_4_gib() {
    let memory = Memory::new();
    memory.map(0xFFFF_0000, PAGE_SIZE).unwrap();
    memory.map(0, 1).unwrap();
    memory.write_u32(0xFFFF_FFFE, 0x1122_3344).unwrap();
    assert_eq!((memory.read_u16(0xFFFF_FFFE), memory.read_u16(0)), (Ok(0x1122), Ok(0x3344)));
    memory.write_u64(0xFFFF_FFFC, 5).unwrap();
    assert_eq!((memory.read_u32(0), memory.read_u64(0xFFFF_FFFC)), (Ok(5), Ok(5)));
}

#[test]
fn mapping_has_limits() {
    let memory = Memory::with_page_limit(2);
    assert_eq!(memory.map(0xFFFF_FFFF, 2), Err(MapError::OutOfRange { start: 0xFFFF_FFFF, len: 2 }));
    assert_eq!(memory.map(BASE, 0), Ok(()));
    assert!(!memory.is_mapped(BASE, 1));
    memory.map(BASE + PAGE_SIZE - 1, 2).unwrap();
    assert!(memory.is_mapped(BASE, 2 * PAGE_SIZE));
    assert!(!memory.is_mapped(BASE, 2 * PAGE_SIZE + 1));
    assert!(matches!(memory.map(0, 1), Err(MapError::Limit { .. })));
    assert_eq!(memory.map(BASE, 1), Ok(()), "it is mapped already");
}

#[test]
fn strings_end_at_zero_or_at_the_limit() {
    let memory = mapped();
    memory.write_bytes(BASE, b"boot\0rest").unwrap();
    assert_eq!(memory.read_c_string(BASE, 100), Ok(b"boot".to_vec()));
    assert_eq!(memory.read_c_string(BASE, 2), Ok(b"bo".to_vec()));
    assert!(memory.read_c_string(BASE - 1, 100).is_err());
}

#[test]
fn a_range_of_bytes_faults_at_its_first_unmapped_byte() {
    let memory = mapped();
    let end = BASE + 2 * PAGE_SIZE;
    let fault = MemoryFault { address: end, access: Access::Write, size: 1 };
    assert_eq!(memory.write_bytes(end - 6, &[1; 12]), Err(fault));
    assert_eq!(memory.read_bytes(end - 2, &mut [0; 3]).unwrap_err().address, end);
}

#[test]
fn racing_stores_to_the_bytes_of_one_word_lose_none() {
    let memory = mapped();
    thread::scope(|scope| {
        for byte in 0..4 {
            let memory = &memory;
            scope.spawn(move || {
                for value in 0..=u8::MAX {
                    memory.write_u8(BASE + byte, value).unwrap();
                    assert_eq!(memory.read_u8(BASE + byte), Ok(value), "no other thread writes this byte");
                }
            });
        }
    });
    assert_eq!(memory.read_u32(BASE), Ok(0xFFFF_FFFF));
}

#[test]
fn racing_swaps_count_every_increment() {
    const EACH: u32 = 2000;
    let memory = mapped();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..EACH {
                    while memory
                        .read_u32(BASE)
                        .and_then(|old| memory.compare_exchange_u32(BASE, old, old + 1))
                        .unwrap()
                        .is_err()
                    {}
                    while memory
                        .read_u64(BASE + 8)
                        .and_then(|old| memory.compare_exchange_u64(BASE + 8, old, old + 0x1_0000_0001))
                        .unwrap()
                        .is_err()
                    {}
                }
            });
        }
    });
    assert_eq!(memory.read_u32(BASE), Ok(4 * EACH));
    assert_eq!(memory.read_u64(BASE + 8), Ok(u64::from(4 * EACH) * 0x1_0000_0001));
}
