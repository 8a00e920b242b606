//! The dense form of an instruction: an operation and its operands, taken apart once.
//!
//! [`for_each_instruction`] is the one list of what the machine can do. From it come [`Op`], here, and the dispatch of
//! the interpreter, so an operation cannot be decoded and not executed.

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

/// The list of operations: what they are called here, their operands, and the function that executes them.
///
/// `registers` see the registers only and always go on, `traps` may stop, `memory` sees the guest's memory too, and
/// `branches` say where to go on.
macro_rules! for_each_instruction {
    ($with:ident $(, $argument:ident)*) => {
        $with! {
            ($($argument),*)
            registers {
                Addi(Immediate) => integer::addi,
                Addic(Immediate) => integer::addic::<false>,
                AddicRecord(Immediate) => integer::addic::<true>,
                Subfic(Immediate) => integer::subfic,
                Mulli(Immediate) => integer::mulli,
                Add(Triple) => integer::add::<false>,
                Addo(Triple) => integer::add::<true>,
                Addc(Triple) => integer::addc::<false>,
                Addco(Triple) => integer::addc::<true>,
                Adde(Triple) => integer::adde::<false>,
                Addeo(Triple) => integer::adde::<true>,
                Addme(Triple) => integer::addme::<false>,
                Addmeo(Triple) => integer::addme::<true>,
                Addze(Triple) => integer::addze::<false>,
                Addzeo(Triple) => integer::addze::<true>,
                Subf(Triple) => integer::subf::<false>,
                Subfo(Triple) => integer::subf::<true>,
                Subfc(Triple) => integer::subfc::<false>,
                Subfco(Triple) => integer::subfc::<true>,
                Subfe(Triple) => integer::subfe::<false>,
                Subfeo(Triple) => integer::subfe::<true>,
                Subfme(Triple) => integer::subfme::<false>,
                Subfmeo(Triple) => integer::subfme::<true>,
                Subfze(Triple) => integer::subfze::<false>,
                Subfzeo(Triple) => integer::subfze::<true>,
                Neg(Triple) => integer::neg::<false>,
                Nego(Triple) => integer::neg::<true>,
                Mullw(Triple) => integer::mullw::<false>,
                Mullwo(Triple) => integer::mullw::<true>,
                Mulhw(Triple) => integer::mulhw,
                Mulhwu(Triple) => integer::mulhwu,
                Divw(Triple) => integer::divw::<false>,
                Divwo(Triple) => integer::divw::<true>,
                Divwu(Triple) => integer::divwu::<false>,
                Divwuo(Triple) => integer::divwu::<true>,
                Mulld(Triple) => integer::mulld::<false>,
                Mulldo(Triple) => integer::mulld::<true>,
                Mulhd(Triple) => integer::mulhd,
                Mulhdu(Triple) => integer::mulhdu,
                Divd(Triple) => integer::divd::<false>,
                Divdo(Triple) => integer::divd::<true>,
                Divdu(Triple) => integer::divdu::<false>,
                Divduo(Triple) => integer::divdu::<true>,
                Cmpw(Compare) => integer::cmpw,
                Cmplw(Compare) => integer::cmplw,
                Cmpd(Compare) => integer::cmpd,
                Cmpld(Compare) => integer::cmpld,
                Cmpwi(CompareImmediate) => integer::cmpwi,
                Cmplwi(CompareImmediate) => integer::cmplwi,
                Cmpdi(CompareImmediate) => integer::cmpdi,
                Cmpldi(CompareImmediate) => integer::cmpldi,

                Ori(LogicalImmediate) => logical::ori,
                Xori(LogicalImmediate) => logical::xori,
                Andi(LogicalImmediate) => logical::andi,
                And(Logical) => logical::and,
                Andc(Logical) => logical::andc,
                Or(Logical) => logical::or,
                Orc(Logical) => logical::orc,
                Xor(Logical) => logical::xor,
                Eqv(Logical) => logical::eqv,
                Nand(Logical) => logical::nand,
                Nor(Logical) => logical::nor,
                Extsb(Logical) => logical::extsb,
                Extsh(Logical) => logical::extsh,
                Extsw(Logical) => logical::extsw,
                Cntlzw(Logical) => logical::cntlzw,
                Cntlzd(Logical) => logical::cntlzd,
                Slw(Logical) => logical::slw,
                Srw(Logical) => logical::srw,
                Sraw(Logical) => logical::sraw,
                Srawi(ShiftImmediate) => logical::srawi,
                Sld(Logical) => logical::sld,
                Srd(Logical) => logical::srd,
                Srad(Logical) => logical::srad,
                Sradi(ShiftImmediate) => logical::sradi,
                Rlwinm(Rotate) => logical::rlwinm::<false>,
                RlwinmWrapped(Rotate) => logical::rlwinm::<true>,
                Rlwimi(Rotate) => logical::rlwimi::<false>,
                RlwimiWrapped(Rotate) => logical::rlwimi::<true>,
                Rlwnm(RotateBy) => logical::rlwnm::<false>,
                RlwnmWrapped(RotateBy) => logical::rlwnm::<true>,
                Rldi(Rotate64) => logical::rldi,
                Rldimi(Rotate64) => logical::rldimi,
                Rldc(RotateBy64) => logical::rldc,

                Fadd(Float) => float::fadd::<false>,
                Fadds(Float) => float::fadd::<true>,
                Fsub(Float) => float::fsub::<false>,
                Fsubs(Float) => float::fsub::<true>,
                Fmul(Float) => float::fmul::<false>,
                Fmuls(Float) => float::fmul::<true>,
                Fdiv(Float) => float::fdiv::<false>,
                Fdivs(Float) => float::fdiv::<true>,
                Fsqrt(Float) => float::fsqrt::<false>,
                Fsqrts(Float) => float::fsqrt::<true>,
                Fres(Float) => float::fres,
                Frsqrte(Float) => float::frsqrte,
                Fmadd(Float) => float::fmadd::<false>,
                Fmadds(Float) => float::fmadd::<true>,
                Fmsub(Float) => float::fmsub::<false>,
                Fmsubs(Float) => float::fmsub::<true>,
                Fnmadd(Float) => float::fnmadd::<false>,
                Fnmadds(Float) => float::fnmadd::<true>,
                Fnmsub(Float) => float::fnmsub::<false>,
                Fnmsubs(Float) => float::fnmsub::<true>,
                Fmr(Float) => float_move::fmr,
                Fneg(Float) => float_move::fneg,
                Fabs(Float) => float_move::fabs,
                Fnabs(Float) => float_move::fnabs,
                Fsel(Float) => float_move::fsel,
                Frsp(Float) => float_move::frsp,
                Fctiw(Float) => float_move::fctiw,
                Fctiwz(Float) => float_move::fctiwz,
                Fctid(Float) => float_move::fctid,
                Fctidz(Float) => float_move::fctidz,
                Fcfid(Float) => float_move::fcfid,
                Fcmpu(Compare) => float_move::fcmpu,
                Fcmpo(Compare) => float_move::fcmpo,
                Mffs(Float) => fpscr::mffs,
                Mcrfs(CrFields) => fpscr::mcrfs,
                Mtfsf(FpscrFields) => fpscr::mtfsf,
                Mtfsfi(FpscrImmediate) => fpscr::mtfsfi,

                Crand(CrBits) => system::crand,
                Crandc(CrBits) => system::crandc,
                Creqv(CrBits) => system::creqv,
                Crnand(CrBits) => system::crnand,
                Crnor(CrBits) => system::crnor,
                Cror(CrBits) => system::cror,
                Crorc(CrBits) => system::crorc,
                Crxor(CrBits) => system::crxor,
                Mcrf(CrFields) => system::mcrf,
                Mcrxr(CrFields) => system::mcrxr,
                Mfcr(Move) => system::mfcr,
                Mtcrf(Move) => system::mtcrf,
                Mfxer(Move) => system::mfxer,
                Mtxer(Move) => system::mtxer,
                Mflr(Move) => system::mflr,
                Mtlr(Move) => system::mtlr,
                Mfctr(Move) => system::mfctr,
                Mtctr(Move) => system::mtctr,
                Mftb(Move) => system::mftb,
                Mftbu(Move) => system::mftbu,
                Sync(Plain) => system::sync,
                Lwsync(Plain) => system::lwsync,
                Isync(Plain) => system::isync,
                Hint(Plain) => system::hint,
            }
            traps {
                Tw(Trap) => system::tw,
                Twi(TrapImmediate) => system::twi,
                Td(Trap) => system::td,
                Tdi(TrapImmediate) => system::tdi,
                HostCall(Plain) => system::host_call,
                Privileged(Plain) => system::privileged,
                Illegal(Plain) => system::illegal,
            }
            memory {
                Lbz(Immediate) => load_store::lbz,
                Lbzx(Triple) => load_store::lbz,
                Lbzu(Immediate) => load_store::lbzu,
                Lbzux(Triple) => load_store::lbzu,
                Lhz(Immediate) => load_store::lhz,
                Lhzx(Triple) => load_store::lhz,
                Lhzu(Immediate) => load_store::lhzu,
                Lhzux(Triple) => load_store::lhzu,
                Lha(Immediate) => load_store::lha,
                Lhax(Triple) => load_store::lha,
                Lhau(Immediate) => load_store::lhau,
                Lhaux(Triple) => load_store::lhau,
                Lwz(Immediate) => load_store::lwz,
                Lwzx(Triple) => load_store::lwz,
                Lwzu(Immediate) => load_store::lwzu,
                Lwzux(Triple) => load_store::lwzu,
                Lwa(Immediate) => load_store::lwa,
                Lwax(Triple) => load_store::lwa,
                Lwaux(Triple) => load_store::lwaux,
                Ld(Immediate) => load_store::ld,
                Ldx(Triple) => load_store::ld,
                Ldu(Immediate) => load_store::ldu,
                Ldux(Triple) => load_store::ldu,
                Stb(Immediate) => load_store::stb,
                Stbx(Triple) => load_store::stb,
                Stbu(Immediate) => load_store::stbu,
                Stbux(Triple) => load_store::stbu,
                Sth(Immediate) => load_store::sth,
                Sthx(Triple) => load_store::sth,
                Sthu(Immediate) => load_store::sthu,
                Sthux(Triple) => load_store::sthu,
                Stw(Immediate) => load_store::stw,
                Stwx(Triple) => load_store::stw,
                Stwu(Immediate) => load_store::stwu,
                Stwux(Triple) => load_store::stwu,
                Std(Immediate) => load_store::std,
                Stdx(Triple) => load_store::std,
                Stdu(Immediate) => load_store::stdu,
                Stdux(Triple) => load_store::stdu,
                Lfs(Immediate) => load_store::lfs,
                Lfsx(Triple) => load_store::lfs,
                Lfsu(Immediate) => load_store::lfsu,
                Lfsux(Triple) => load_store::lfsu,
                Lfd(Immediate) => load_store::lfd,
                Lfdx(Triple) => load_store::lfd,
                Lfdu(Immediate) => load_store::lfdu,
                Lfdux(Triple) => load_store::lfdu,
                Stfs(Immediate) => load_store::stfs,
                Stfsx(Triple) => load_store::stfs,
                Stfsu(Immediate) => load_store::stfsu,
                Stfsux(Triple) => load_store::stfsu,
                Stfd(Immediate) => load_store::stfd,
                Stfdx(Triple) => load_store::stfd,
                Stfdu(Immediate) => load_store::stfdu,
                Stfdux(Triple) => load_store::stfdu,
                Stfiwx(Triple) => load_store::stfiwx,

                Lhbrx(Triple) => string::lhbrx,
                Lwbrx(Triple) => string::lwbrx,
                Ldbrx(Triple) => string::ldbrx,
                Sthbrx(Triple) => string::sthbrx,
                Stwbrx(Triple) => string::stwbrx,
                Stdbrx(Triple) => string::stdbrx,
                Lmw(Immediate) => string::lmw,
                Stmw(Immediate) => string::stmw,
                Lswi(StringImmediate) => string::lswi,
                Lswx(Triple) => string::lswx,
                Stswi(StringImmediate) => string::stswi,
                Stswx(Triple) => string::stswx,
                Dcbz(Triple) => string::dcbz::<32>,
                Dcbzl(Triple) => string::dcbz::<128>,
                Lwarx(Triple) => atomic::lwarx,
                Ldarx(Triple) => atomic::ldarx,
                Stwcx(Triple) => atomic::stwcx,
                Stdcx(Triple) => atomic::stdcx,
            }
            branches {
                B(Jump) => branch::b,
                Bl(Jump) => branch::bl,
                JumpIfSet(JumpOnBit) => branch::jump_if_set,
                JumpIfClear(JumpOnBit) => branch::jump_if_clear,
                Bdnz(Jump) => branch::bdnz,
                Bc(ConditionalJump) => branch::bc,
                Blr(Plain) => branch::blr,
                Bclr(Condition) => branch::bclr,
                Bctr(Plain) => branch::bctr,
                Bctrl(Plain) => branch::bctrl,
                Bcctr(Condition) => branch::bcctr,
            }
        }
    };
}
pub(crate) use for_each_instruction;

macro_rules! define_op {
    (() $($family:ident { $($name:ident($form:ty) => $function:path,)* })*) => {
        /// One decoded instruction.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum Op {
            $($(#[doc = concat!("See `", stringify!($function), "`.")] $name($form),)*)*
        }
    };
}
for_each_instruction!(define_op);

const _: () = assert!(size_of::<Op>() <= 12, "an operation is dense");
