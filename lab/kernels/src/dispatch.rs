//! Compiles a kernel's body twice, for the baseline machine and for AVX2, and picks at run time. The arithmetic is the same
//! in both (no fused multiply-add), only the vectors are wider, so results are bit-identical.

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
