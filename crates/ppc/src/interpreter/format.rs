//! The two floating-point formats as bits.

const SIGN: u64 = 1 << 63;
const EXPONENT: u64 = 0x7FF << 52;
const IMPLICIT: u64 = 1 << 52;
const FRACTION: u64 = IMPLICIT - 1;
const QUIET: u64 = 1 << 51;

/// The default NaN of this machine: positive, quiet.
pub(crate) const DEFAULT_NAN: u64 = EXPONENT | QUIET;

/// What `lfs` does: exact, and a signalling NaN stays signalling, unlike in a conversion of the host.
#[inline(always)]
pub(crate) fn single_to_double(single: u32) -> u64 {
    let value = f32::from_bits(single);
    if value.is_nan() {
        u64::from(single >> 31) << 63 | EXPONENT | u64::from(single & 0x007F_FFFF) << 29
    } else {
        f64::from(value).to_bits()
    }
}

/// What `stfs` does: takes bits out of the double and never rounds. A double too small for the single format becomes a
/// denormalised single, cut off; one that is smaller still, 0, which the manual leaves undefined.
#[inline(always)]
pub(crate) fn double_to_single(double: u64) -> u32 {
    let exponent = (double & EXPONENT) >> 52;
    if exponent > 896 {
        return (double >> 32) as u32 & 0xC000_0000 | (double >> 29) as u32 & 0x3FFF_FFFF;
    }
    let sign = (double >> 32) as u32 & 1 << 31;
    match exponent {
        874.. => sign | ((IMPLICIT | double & FRACTION) >> (926 - exponent)) as u32,
        _ => sign,
    }
}

/// The NaN made quiet; for a single result, cut to the precision of a single.
pub(crate) fn quieted<const SINGLE: bool>(nan: u64) -> u64 {
    let quiet = nan | QUIET;
    if SINGLE { quiet & !0x1FFF_FFFF } else { quiet }
}

/// Whether `double` is a NaN that raises an exception when it is used.
#[inline(always)]
pub(crate) fn is_signalling(double: u64) -> bool {
    f64::from_bits(double).is_nan() && double & QUIET == 0
}

/// The five bits of FPRF for a result: class, then less, greater, equal, unordered.
#[inline(always)]
pub(crate) fn class<const SINGLE: bool>(double: u64) -> u32 {
    let negative = double & SIGN != 0;
    let smallest_normal = if SINGLE { f64::from(f32::MIN_POSITIVE) } else { f64::MIN_POSITIVE };
    let magnitude = f64::from_bits(double & !SIGN);
    // NaN compares false with everything, so it is what is left.
    let (positive_class, negative_class) = if magnitude >= smallest_normal {
        if magnitude == f64::INFINITY { (0b00101, 0b01001) } else { (0b00100, 0b01000) }
    } else if magnitude > 0.0 {
        (0b10100, 0b11000)
    } else if magnitude == 0.0 {
        (0b00010, 0b10010)
    } else {
        (0b10001, 0b10001)
    };
    if negative { negative_class } else { positive_class }
}
