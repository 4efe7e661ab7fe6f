//! Compiles a kernel's body for several widths of vectors and picks at run time.
//!
//! [`wide`]: the same arithmetic everywhere (no fused multiply-add), only the vectors are wider, so results are bit-identical.
//! [`fused`]: with fused multiply-adds where the processor has them; the same bits on all processors that do.

/// A kernel's body with its arguments. `run` and all that it calls must be `#[inline(always)]`, or the wide copy calls narrow code.
pub(crate) trait Work {
    fn run(self);
}

/// Runs `work` compiled with the widest vectors that this machine has.
#[inline]
pub(crate) fn wide(work: impl Work) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as asked in the line above.
        return unsafe { avx2(work) };
    }
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(work: impl Work) {
    work.run();
}

/// As [`Work`], for a body that uses `Real`'s functions with `FMA`.
pub(crate) trait FusedWork {
    /// `FMA` is true only where the processor has fused multiply-adds.
    fn run<const FMA: bool>(self);
}

/// Runs `work` compiled with the widest vectors that this machine has, and with fused multiply-adds if it has them.
#[inline]
pub(crate) fn fused(work: impl FusedWork) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx512f") && has!("avx2") && has!("fma") {
            // SAFETY: the processor has them, as asked in the line above.
            return unsafe { fused512(work) };
        }
        if has!("avx2") && has!("fma") {
            // SAFETY: the same.
            return unsafe { fused256(work) };
        }
        work.run::<false>();
    }
    #[cfg(not(target_arch = "x86_64"))]
    if cfg!(target_arch = "aarch64") {
        work.run::<true>();
    } else {
        work.run::<false>();
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn fused512(work: impl FusedWork) {
    work.run::<true>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn fused256(work: impl FusedWork) {
    work.run::<true>();
}
