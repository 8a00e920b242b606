//! What instructions have behind their names: one form of operands each, as the manual writes them.

/// The number of a general or floating-point register, 0 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reg(u8);

impl Reg {
    #[inline(always)]
    pub(crate) fn new(number: u8) -> Self {
        Self(number & 31)
    }

    /// The mask repeats what `new` did, to let the compiler see that an index into 32 registers is in bounds.
    #[inline(always)]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0 & 31)
    }
}

/// No operands, or none that matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain;

/// `rD,rA,SIMM` and `rD,d(rA)`. The immediate is extended, and shifted where the instruction shifts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Immediate {
    pub(crate) d: Reg,
    pub(crate) a: Reg,
    pub(crate) imm: i32,
}

/// `rD,rA,rB`; for loads and stores `rD,rA,rB` with the address in A and B.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Triple {
    pub(crate) d: Reg,
    pub(crate) a: Reg,
    pub(crate) b: Reg,
    pub(crate) rc: bool,
}

/// `rA,rS,UIMM`; zero-extended, and shifted where the instruction shifts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogicalImmediate {
    pub(crate) a: Reg,
    pub(crate) s: Reg,
    pub(crate) imm: u32,
}

/// `rA,rS,rB`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logical {
    pub(crate) a: Reg,
    pub(crate) s: Reg,
    pub(crate) b: Reg,
    pub(crate) rc: bool,
}

/// `rA,rS,SH`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShiftImmediate {
    pub(crate) a: Reg,
    pub(crate) s: Reg,
    pub(crate) sh: u8,
    pub(crate) rc: bool,
}

/// `rA,rS,SH,MB,ME`, with the mask made of MB and ME.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rotate {
    pub(crate) a: Reg,
    pub(crate) s: Reg,
    pub(crate) sh: u8,
    pub(crate) rc: bool,
    pub(crate) mask: u32,
}

/// `rA,rS,rB,MB,ME`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RotateBy {
    pub(crate) a: Reg,
    pub(crate) s: Reg,
    pub(crate) b: Reg,
    pub(crate) rc: bool,
    pub(crate) mask: u32,
}

/// `rA,rS,SH,MB` and `rA,rS,SH,ME` of the 64-bit rotates: the first and the last bit of the mask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rotate64 {
    pub(crate) a: Reg,
    pub(crate) s: Reg,
    pub(crate) sh: u8,
    pub(crate) mb: u8,
    pub(crate) me: u8,
    pub(crate) rc: bool,
}

/// `rA,rS,rB,MB` and `rA,rS,rB,ME`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RotateBy64 {
    pub(crate) a: Reg,
    pub(crate) s: Reg,
    pub(crate) b: Reg,
    pub(crate) mb: u8,
    pub(crate) me: u8,
    pub(crate) rc: bool,
}

/// `crfD,rA,rB`. `field` is the shift that brings a four-bit result to its place in CR: 28 for cr0, 0 for cr7.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compare {
    pub(crate) field: u8,
    pub(crate) a: Reg,
    pub(crate) b: Reg,
}

/// `crfD,rA,IMM`; the immediate is extended as the comparison wants it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompareImmediate {
    pub(crate) field: u8,
    pub(crate) a: Reg,
    pub(crate) imm: i32,
}

/// `TO,rA,rB`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trap {
    pub(crate) to: u8,
    pub(crate) a: Reg,
    pub(crate) b: Reg,
}

/// `TO,rA,SIMM`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrapImmediate {
    pub(crate) to: u8,
    pub(crate) a: Reg,
    pub(crate) imm: i32,
}

/// A jump to an address known when it was decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jump {
    pub(crate) target: u32,
}

/// A jump taken on one bit of CR. `mask` is the bit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JumpOnBit {
    pub(crate) mask: u32,
    pub(crate) target: u32,
}

/// `BO,BI` in full, for the forms that have no operation of their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    pub(crate) bo: u8,
    pub(crate) bi: u8,
    pub(crate) link: bool,
}

/// `BO,BI,target`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConditionalJump {
    pub(crate) condition: Condition,
    pub(crate) target: u32,
}

/// `crbD,crbA,crbB` as shifts from bit 0: 31 for bit 0 of the manual.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CrBits {
    pub(crate) d: u8,
    pub(crate) a: u8,
    pub(crate) b: u8,
}

/// `crfD,crfS` as shifts, see [`Compare`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct CrFields {
    pub(crate) d: u8,
    pub(crate) s: u8,
}

/// A general register and the bits of a special one that take part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) r: Reg,
    pub(crate) mask: u32,
}

/// `rD,rA,NB` of the string instructions; NB is 1 to 32.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StringImmediate {
    pub(crate) d: Reg,
    pub(crate) a: Reg,
    pub(crate) bytes: u8,
}

/// `frD,frA,frB,frC`; what an instruction does not use is 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Float {
    pub(crate) d: Reg,
    pub(crate) a: Reg,
    pub(crate) b: Reg,
    pub(crate) c: Reg,
    pub(crate) rc: bool,
}

/// `FM,frB`: the bits of FPSCR that change, and where they come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FpscrFields {
    pub(crate) b: Reg,
    pub(crate) rc: bool,
    pub(crate) mask: u32,
}

/// `mtfsfi`, `mtfsb0`, `mtfsb1`: one field of FPSCR, as the shift to its place, which of its bits change, and to what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FpscrImmediate {
    pub(crate) field: u8,
    pub(crate) mask: u8,
    pub(crate) value: u8,
    pub(crate) rc: bool,
}
