//! Two lock-free rings, "full" and "free", between which preallocated slots circulate.
//!
//! The producer takes a slot from the free ring, fills it and puts it on the full ring; the consumer takes it,
//! uses it and gives it back. Live consumers take the newest slot and return the stale ones; file consumers
//! take every slot in order while the producer waits for a free one. Nothing is allocated after [`ring`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::sync::{Parker, Unparker};
use ringbuf::traits::{Consumer as _, Observer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// Makes a ring with the slots it will ever have. One slot is being filled, one waits, one is in use:
/// three are enough for newest-wins, more let a file's decoder run ahead.
pub fn ring<T: Send>(slots: impl IntoIterator<Item = T>) -> (Producer<T>, Consumer<T>) {
    let slots: Vec<T> = slots.into_iter().collect();
    let (full_in, full_out) = HeapRb::new(slots.len()).split();
    let (mut free_in, free_out) = HeapRb::new(slots.len()).split();
    for slot in slots {
        push(&mut free_in, slot);
    }
    let (producer_parker, consumer_parker) = (Parker::new(), Parker::new());
    let closed = Arc::new(AtomicBool::new(false));
    let producer = Producer {
        free: free_out,
        full: full_in,
        wake_consumer: consumer_parker.unparker().clone(),
        parker: producer_parker,
        closed: Arc::clone(&closed),
    };
    let consumer = Consumer {
        full: full_out,
        free: free_in,
        wake_producer: producer.parker.unparker().clone(),
        parker: consumer_parker,
        closed,
    };
    (producer, consumer)
}

/// The capture side: fills slots.
pub struct Producer<T> {
    free: HeapCons<T>,
    full: HeapProd<T>,
    parker: Parker,
    wake_consumer: Unparker,
    closed: Arc<AtomicBool>,
}

/// The stylise side: uses slots and gives them back.
pub struct Consumer<T> {
    full: HeapCons<T>,
    free: HeapProd<T>,
    parker: Parker,
    wake_producer: Unparker,
    closed: Arc<AtomicBool>,
}

/// What [`Consumer::take_newest`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// The newest slot, and how many older ones went back unused.
    Slot { slot: T, stale: usize },
    /// Nothing came within the time.
    TimedOut,
    /// The producer is gone and every slot has been taken.
    Closed,
}

impl<T> Producer<T> {
    /// A free slot, or `None` at once if the consumer holds them all: a live source then drops its frame.
    pub fn try_acquire(&mut self) -> Option<T> {
        self.free.try_pop()
    }

    /// A free slot as soon as there is one (back-pressure for files); `None` once the consumer is gone.
    pub fn acquire(&mut self) -> Option<T> {
        loop {
            if self.is_closed() {
                return None;
            }
            if let Some(slot) = self.free.try_pop() {
                return Some(slot);
            }
            self.parker.park();
        }
    }

    /// Hands a filled slot to the consumer.
    pub fn submit(&mut self, slot: T) {
        push(&mut self.full, slot);
        self.wake_consumer.unpark();
    }

    /// True once the consumer is gone or a [`Closer`] was used: there is nobody to fill slots for.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// A handle that closes the ring from any thread, even while this producer waits for a slot.
    pub fn closer(&self) -> Closer {
        let wake = [self.parker.unparker().clone(), self.wake_consumer.clone()];
        Closer { closed: Arc::clone(&self.closed), wake }
    }
}

/// Closes a ring as if its producer were gone: the producer gets no more slots, the consumer takes what waits.
pub struct Closer {
    closed: Arc<AtomicBool>,
    wake: [Unparker; 2],
}

impl Closer {
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake.iter().for_each(Unparker::unpark);
    }
}

impl<T> Consumer<T> {
    /// The next slot in order, waiting for it; `None` once the producer is gone and all slots were taken.
    pub fn take_next(&mut self) -> Option<T> {
        loop {
            // Read before the pop: what was submitted before closing must still be found.
            let closed = self.closed.load(Ordering::Acquire);
            if let Some(slot) = self.full.try_pop() {
                return Some(slot);
            }
            if closed {
                return None;
            }
            self.parker.park();
        }
    }

    /// The newest slot, waiting at most `patience`; older ones are passed to `discard` and given back.
    pub fn take_newest(&mut self, patience: Duration, mut discard: impl FnMut(&mut T)) -> Taken<T> {
        let deadline = Instant::now() + patience;
        loop {
            let closed = self.closed.load(Ordering::Acquire);
            if let Some(mut slot) = self.full.try_pop() {
                let mut stale = 0;
                while let Some(newer) = self.full.try_pop() {
                    discard(&mut slot);
                    self.give_back(std::mem::replace(&mut slot, newer));
                    stale += 1;
                }
                return Taken::Slot { slot, stale };
            }
            if closed {
                return Taken::Closed;
            }
            if Instant::now() >= deadline {
                return Taken::TimedOut;
            }
            self.parker.park_deadline(deadline);
        }
    }

    /// Returns a used slot to the producer.
    pub fn give_back(&mut self, slot: T) {
        push(&mut self.free, slot);
        self.wake_producer.unpark();
    }

    /// How many slots wait to be taken.
    pub fn waiting(&self) -> usize {
        self.full.occupied_len()
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        self.wake_consumer.unpark();
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        self.wake_producer.unpark();
    }
}

/// Each ring has room for every slot there is, so a push cannot fail.
fn push<T>(ring: &mut HeapProd<T>, slot: T) {
    if ring.try_push(slot).is_err() {
        unreachable!("a ring holds more slots than were made");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_file_consumer_gets_every_slot_in_order() {
        let (mut producer, mut consumer) = ring([0u32; 3]);
        let filler = std::thread::spawn(move || {
            for number in 0..10_000 {
                producer.acquire().expect("the consumer is there");
                producer.submit(number);
            }
        });
        for number in 0..10_000 {
            let slot = consumer.take_next().expect("the producer is there");
            assert_eq!(slot, number);
            consumer.give_back(slot);
        }
        filler.join().unwrap();
        assert_eq!(consumer.take_next(), None);
    }

    #[test]
    fn a_live_consumer_gets_the_newest_and_returns_the_stale() {
        let (mut producer, mut consumer) = ring([0u32; 3]);
        for number in 1..=3 {
            producer.try_acquire().expect("three slots are free");
            producer.submit(number);
        }
        assert_eq!(producer.try_acquire(), None, "no fourth slot: the frame is dropped, never queued");
        let mut discarded = Vec::new();
        let taken = consumer.take_newest(Duration::ZERO, |slot| discarded.push(*slot));
        assert_eq!(taken, Taken::Slot { slot: 3, stale: 2 });
        assert_eq!(discarded, [1, 2]);
        assert!(producer.try_acquire().is_some() && producer.try_acquire().is_some());
        assert_eq!(consumer.take_newest(Duration::from_millis(1), |_| ()), Taken::TimedOut);
    }

    #[test]
    fn each_side_ends_when_the_other_is_gone() {
        let (mut producer, consumer) = ring([0u8; 1]);
        producer.try_acquire();
        let waiting = std::thread::spawn(move || producer.acquire());
        drop(consumer);
        assert_eq!(waiting.join().unwrap(), None);

        let (producer, mut consumer) = ring([0u8; 1]);
        drop(producer);
        assert_eq!(consumer.take_newest(Duration::from_secs(60), |_| ()), Taken::Closed);
    }

    #[test]
    fn closing_frees_a_waiting_producer_and_keeps_what_waits_for_the_consumer() {
        let (mut producer, mut consumer) = ring([0u8; 1]);
        let closer = producer.closer();
        producer.try_acquire();
        producer.submit(7);
        let waiting = std::thread::spawn(move || producer.acquire());
        closer.close();
        assert_eq!(waiting.join().unwrap(), None);
        assert_eq!((consumer.take_next(), consumer.take_next()), (Some(7), None));
    }

    proptest! {
        /// Whatever the order of fills and takes, no slot is lost, doubled or reordered.
        #[test]
        fn slots_are_conserved(slots in 1usize..6, steps in proptest::collection::vec(0u8..3, 0..200)) {
            let (mut producer, mut consumer) = ring(0..slots as u64);
            let (mut next, mut last_seen, mut held) = (1000u64, 0u64, Vec::new());
            for step in steps {
                match step {
                    0 => if producer.try_acquire().is_some() {
                        producer.submit(next);
                        next += 1;
                    },
                    1 => if let Taken::Slot { slot, .. } = consumer.take_newest(Duration::ZERO, |_| ()) {
                        prop_assert!(slot > last_seen);
                        prop_assert_eq!(slot, next - 1, "the newest wins");
                        last_seen = slot;
                        held.push(slot);
                    },
                    _ => if let Some(slot) = held.pop() { consumer.give_back(slot) },
                }
            }
            let waiting = consumer.waiting();
            let free = std::iter::from_fn(|| producer.try_acquire()).count();
            prop_assert_eq!(free + waiting + held.len(), slots);
        }
    }
}
