//! Painting a file: every frame, in order, by several frame painters side by side.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use gstreamer as gst;

use super::FramePainter;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::frame::ring::Consumer;
use crate::metrics::Counters;
use crate::sync::Locked;

/// One frame painter and the ring that feeds it.
pub struct Worker {
    pub ring: Consumer<Frame>,
    pub frame_painter: FramePainter,
}

/// Paints until every ring is closed and empty. `publish` gets the painted frames in the source's order,
/// one at a time; its blocking is the back-pressure that keeps queues short. After an error `abandon` is called:
/// it must close the capture's end of the rings, so that the other workers end too.
///
/// # Errors
/// The first error of a frame painter or of `publish`.
pub fn stylise_in_order(
    workers: Vec<Worker>,
    counters: &Counters,
    publish: &(impl Fn(gst::Buffer, &Frame) -> Result<()> + Sync),
    abandon: &(impl Fn() + Sync),
) -> Result<()> {
    let turnstile = Turnstile::default();
    let first_error = Mutex::new(None);
    let give_up = |error: Error| {
        first_error.locked().get_or_insert(error);
        turnstile.close();
        abandon();
    };
    std::thread::scope(|scope| {
        for (number, worker) in workers.into_iter().enumerate() {
            let (turnstile, give_up) = (&turnstile, &give_up);
            let work = move || {
                if let Err(error) = run_worker(worker, turnstile, counters, publish) {
                    give_up(error);
                }
            };
            let thread = std::thread::Builder::new().name(format!("stylise-{number}"));
            if let Err(error) = thread.spawn_scoped(scope, work) {
                give_up(Error::model(format!("a stylise thread does not start: {error}")));
            }
        }
    });
    first_error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn run_worker(
    mut worker: Worker,
    turnstile: &Turnstile,
    counters: &Counters,
    publish: &(impl Fn(gst::Buffer, &Frame) -> Result<()> + Sync),
) -> Result<()> {
    while let Some(mut slot) = worker.ring.take_next() {
        let (buffer, times) = worker.frame_painter.paint(&slot)?;
        counters.note_painted(times);
        if !turnstile.wait_for(slot.sequence) {
            break;
        }
        publish(buffer, &slot)?;
        turnstile.pass(slot.sequence);
        slot.clear();
        worker.ring.give_back(slot);
    }
    Ok(())
}

/// Lets frames through one by one in the order of their sequence numbers.
#[derive(Default)]
struct Turnstile {
    next: Mutex<u64>,
    changed: Condvar,
    closed: AtomicBool,
}

impl Turnstile {
    /// Waits until it is the turn of `sequence`; false if that turn will never come.
    fn wait_for(&self, sequence: u64) -> bool {
        let next = self.next.locked();
        let waiting = |next: &mut u64| *next != sequence && !self.closed.load(Ordering::Acquire);
        drop(self.changed.wait_while(next, waiting).unwrap_or_else(PoisonError::into_inner));
        !self.closed.load(Ordering::Acquire)
    }

    fn pass(&self, sequence: u64) {
        *self.next.locked() = sequence + 1;
        self.changed.notify_all();
    }

    fn close(&self) {
        // Under the lock, so that no waiter misses the change between its check and its sleep.
        let _next = self.next.locked();
        self.closed.store(true, Ordering::Release);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_pass_in_order_whoever_comes_first() {
        let turnstile = Turnstile::default();
        let passed = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for sequence in (0..32).rev() {
                let (turnstile, passed) = (&turnstile, &passed);
                scope.spawn(move || {
                    assert!(turnstile.wait_for(sequence));
                    passed.lock().unwrap().push(sequence);
                    turnstile.pass(sequence);
                });
            }
        });
        assert_eq!(passed.into_inner().unwrap(), (0..32).collect::<Vec<_>>());
    }

    #[test]
    fn closing_frees_those_who_wait() {
        let turnstile = Turnstile::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| turnstile.wait_for(7));
            turnstile.close();
            assert!(!waiting.join().unwrap());
        });
    }
}
