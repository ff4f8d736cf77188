//! Runs a pass with the vector instructions of the CPU at hand.

/// A loop over a picture. `run` and all that it calls in its loop must be `#[inline(always)]`, so that it is
/// compiled with the instructions of its caller.
pub trait Pass {
    fn run(self);
}

/// Runs `pass`, with AVX2 where the CPU has it: builds for x86-64 assume only SSE2. NEON is always there on aarch64.
pub fn run(pass: impl Pass) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has AVX2.
        return unsafe { run_with_avx2(pass) };
    }
    pass.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_with_avx2(pass: impl Pass) {
    pass.run();
}
