//! Which backend paints: those that can run a network do so a few times at the size of the stream, and the fastest is
//! taken and remembered.

use std::time::Duration;

use super::inspect::manifest_mismatch;
use super::library;
use super::local::LocalSession;
use super::provider::{Backend, Precision};
use super::timings::{self, Key, Measured};
use crate::error::{Error, Result};
use crate::style::geometry::Size;
use crate::style::tensor::{PixelOrder, Pixels, TensorSpec, pixels_to_tensor};
use crate::style::test_picture::test_picture;

/// Runs that are timed, after one that warms up.
const RUNS: usize = 8;

/// No backend is timed longer than this, but each at least twice.
const LONGEST: Duration = Duration::from_millis(400);

/// A network that is so fast on the CPU gains nothing from being measured.
const FAST_ENOUGH: Duration = Duration::from_millis(1);

/// A backend that takes so many times as long as the fastest so far in one run is not run again.
const HOPELESS: f64 = 1.5;

/// Painted in bf16, a picture must be so near to the one in f32: differences of less than one level of 255 on average.
const LEAST_PSNR_DB: f64 = 40.0;

impl LocalSession {
    /// Allocates the tensors of `size` (one that the network takes), in which the picture lies `border` pixels from
    /// the left and the top, and tries the network once, which finds its real output size and warms it up. The first
    /// time, what can run it is measured at this size, and the fastest taken.
    ///
    /// # Errors
    /// The network does not run at this size, or its output is not what the manifest says.
    pub fn prepare(&mut self, size: Size, border: usize) -> Result<()> {
        self.release();
        let loaded = self.loaded().clone();
        let backend = loaded.settle(|| fastest(self, size, border));
        let prepared = backend.and_then(|backend| match self.prepared_for() {
            Some(_) => Ok(()),
            None => self.prepare_on(backend, size, border).map_err(|what| (backend, what)),
        });
        prepared.map_err(|(backend, what)| match backend {
            Backend::CPU => manifest_mismatch(self.loaded().manifest(), &what),
            backend => Error::model(format!(
                "{} does not run on {backend}: {what}; choose another with --device (auto takes the fastest that runs)",
                self.loaded().manifest().file
            )),
        })
    }
}

/// Finds the fastest backend for `session`'s network at `size`. Where there was a choice, `session` is prepared for it
/// afterwards.
///
/// # Errors
/// None runs: why the last one does not.
fn fastest(session: &mut LocalSession, size: Size, border: usize) -> Result<Measured, (Backend, String)> {
    let options = session.loaded().0.options.clone();
    let on_cpu = |reason| (Backend::CPU, reason);
    let backends = options.device.backends(options.precision).map_err(on_cpu)?;
    if let [only] = backends[..] {
        return Ok(Measured { backend: only, reasons: Vec::new() });
    }
    let (_, path) = library::load(options.library.as_deref()).map_err(|error| on_cpu(error.to_string()))?;
    let key = Key::new(session.loaded().manifest(), size, &options, path);
    if let Some(measured) = timings::recall(&key).filter(|measured| backends.contains(&measured.backend)) {
        // What ran yesterday may be gone today; then all are measured again.
        if session.prepare_on(measured.backend, size, border).is_ok() {
            return Ok(measured);
        }
    }
    let (measured, time) = compare(session, &backends, size, border)?;
    if time >= FAST_ENOUGH {
        timings::remember(&key, &measured);
    }
    Ok(measured)
}

/// One backend that ran.
struct Candidate {
    backend: Backend,
    time: Duration,
    painted: Vec<f32>,
}

/// Times all `backends`, and leaves `session` prepared for the fastest; also its time.
fn compare(
    session: &mut LocalSession,
    backends: &[Backend],
    size: Size,
    border: usize,
) -> Result<(Measured, Duration), (Backend, String)> {
    let mut ran: Vec<Candidate> = Vec::new();
    let mut failed = Vec::new();
    for &backend in backends {
        let fastest = ran.iter().map(|candidate| candidate.time).min();
        match time(session, backend, size, border, fastest) {
            Ok((time, painted)) => ran.push(Candidate { backend, time, painted }),
            Err(reason) => failed.push((backend, reason)),
        }
        if backend == Backend::CPU && ran.first().is_some_and(|cpu| cpu.time < FAST_ENOUGH) {
            break;
        }
    }
    let exact = ran.iter().find(|candidate| candidate.backend.precision == Precision::F32);
    // Those of the colours lie close together.
    let range = session.loaded().manifest().output.ranges()[0];
    let coarse = |candidate: &Candidate| {
        let psnr = psnr_db(&exact?.painted, &candidate.painted, range);
        (candidate.backend.precision == Precision::Bf16 && psnr < LEAST_PSNR_DB).then_some(psnr)
    };
    // Where bf16 alone was asked for, there is nothing to compare it with, and it is taken.
    let best = ran.iter().filter(|candidate| coarse(candidate).is_none()).min_by_key(|candidate| candidate.time);
    let Some(best) = best else {
        return Err(failed.swap_remove(0));
    };
    let mut reasons = vec![format!("{} a picture", shown(best.time))];
    for other in ran.iter().filter(|candidate| candidate.backend != best.backend) {
        let accuracy = coarse(other).map(|psnr| format!(", {psnr:.0} dB from f32")).unwrap_or_default();
        reasons.push(format!("not {}: {}{accuracy}", other.backend, shown(other.time)));
    }
    reasons.extend(failed.iter().map(|(backend, reason)| format!("not {backend}: {reason}")));
    let (backend, time) = (best.backend, best.time);
    if session.prepared_for() != Some(backend) {
        session.prepare_on(backend, size, border).map_err(|what| (backend, what))?;
    }
    Ok((Measured { backend, reasons }, time))
}

/// The least time of a few runs on a test picture, and what came out.
fn time(
    session: &mut LocalSession,
    backend: Backend,
    size: Size,
    border: usize,
    fastest: Option<Duration>,
) -> Result<(Duration, Vec<f32>), String> {
    session.prepare_on(backend, size, border)?;
    let (spec, tensor) = session.input();
    let pixels = test_picture(size);
    let picture = Pixels::packed(&pixels, size.width, size.height, PixelOrder::Rgb);
    let picture = picture.ok_or("the test picture has no pixels")?;
    pixels_to_tensor(&picture, &TensorSpec { border: 0, ..*spec }, tensor);
    let run = |session: &mut LocalSession| session.try_run().map_err(|error| error.to_string());
    let mut least = run(session)?;
    let hopeless = |least: Duration| fastest.is_some_and(|fastest| least > fastest.mul_f64(HOPELESS));
    let mut spent = Duration::ZERO;
    for number in 0..RUNS {
        let took = run(session)?;
        (least, spent) = (least.min(took), spent + took);
        if number > 0 && (spent > LONGEST || hopeless(least)) {
            break;
        }
    }
    Ok((least, session.output().1.to_vec()))
}

/// Peak signal to noise ratio of two painted tensors; values that pixels cannot have are clamped, as they are when shown.
fn psnr_db(exact: &[f32], other: &[f32], [low, high]: [f32; 2]) -> f64 {
    let (least, most) = (low.min(high), low.max(high));
    let squared = |(exact, other): (&f32, &f32)| {
        let apart = (exact.clamp(least, most) - other.clamp(least, most)) / (most - least);
        f64::from(apart * apart)
    };
    // A value that is no number has no place in a picture.
    if exact.len() != other.len() || other.iter().any(|value| !value.is_finite()) {
        return f64::NEG_INFINITY;
    }
    let mean = exact.iter().zip(other).map(squared).sum::<f64>() / exact.len().max(1) as f64;
    -10.0 * mean.max(1e-12).log10()
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn psnr_tells_a_coarse_picture_from_a_fine_one() {
        let exact = [0.0, 0.5, 1.0, 1.0];
        let off = |by: f32| exact.map(|value| value + by);
        assert!(psnr_db(&exact, &exact, [0.0, 1.0]) > 100.0);
        assert!(psnr_db(&exact, &off(0.001), [0.0, 1.0]) > 60.0);
        assert!(psnr_db(&exact, &off(0.1), [0.0, 1.0]) < 25.0);
        assert!(psnr_db(&exact, &[0.0, 0.5, 1.0, f32::NAN], [0.0, 1.0]) < 0.0);
        // 255 levels, and what lies outside them is not seen.
        assert!(psnr_db(&[300.0, -20.0], &[255.0, 0.0], [0.0, 255.0]) > 100.0);
    }
}
