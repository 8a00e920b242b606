//! The registers of one guest thread.

/// The address that LR holds when a guest thread starts: returning to it ends the thread.
pub const EXIT_SENTINEL: u32 = 0xBCBC_BCBC;

/// The user-mode state of the processor, one per guest thread.
///
/// The machine runs with MSR\[SF\] = 0: the general registers are 64 bits wide, but effective addresses, LR, CTR, the
/// carry and the comparison of record forms are of 32 bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// General registers.
    pub gpr: [u64; 32],
    /// Floating-point registers, as the bits of a double.
    pub fpr: [u64; 32],
    /// Condition register; field 0 is the top four bits: less, greater, equal, summary overflow.
    pub cr: u32,
    /// Fixed-point exception register: SO, OV and CA in the top three bits, the string length in the low seven.
    pub xer: u32,
    /// Link register.
    pub lr: u32,
    /// Count register.
    pub ctr: u32,
    /// Address of the next instruction.
    pub pc: u32,
    /// Floating-point status and control register.
    pub fpscr: u32,
    /// What `mftb` reads, in cycles of 50 MHz. The interpreter never writes it: the host sets it before each slice.
    pub timebase: u64,
    /// What the last `lwarx` or `ldarx` loaded, until a `stwcx.` or `stdcx.` uses it up.
    pub reservation: Option<Reservation>,
    /// Instructions completed since the thread began, `sc` included and a faulting one not.
    pub retired: u64,
}

/// The pending half of a load-and-reserve, store-conditional pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The address that was loaded.
    pub address: u32,
    /// The value that was loaded; the store succeeds if memory still holds it.
    pub value: u64,
    /// Bytes: 4 or 8.
    pub size: u8,
}
