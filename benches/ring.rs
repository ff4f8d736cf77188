//! What a hand-over through the ring costs: on one thread, and between two.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use impasto::frame::ring::{Taken, ring};

/// As many words as a mapped picture with its times takes.
type Slot = [u64; 96];

const SLOTS: usize = 3;

/// Filled, taken and given back by the same thread: the rings alone.
fn one_thread(criterion: &mut Criterion) {
    let (mut producer, mut consumer) = ring([[0; 96]; SLOTS]);
    criterion.bench_function("ring/one thread", |bencher| {
        bencher.iter(|| {
            let mut slot: Slot = producer.try_acquire().expect("a slot is free");
            slot[0] += 1;
            producer.submit(black_box(slot));
            match consumer.take_newest(Duration::ZERO, |_| {}) {
                Taken::Slot { slot, .. } => consumer.give_back(slot),
                other => panic!("{other:?}"),
            }
        });
    });
}

/// Each slot is awaited by a consumer on its own thread before the next one is filled: waking included.
fn there_and_back(criterion: &mut Criterion) {
    criterion.bench_function("ring/two threads, there and back", |bencher| {
        bencher.iter_custom(|rounds| {
            let (mut producer, mut consumer) = ring([[0; 96]; 1]);
            let worker = std::thread::spawn(move || {
                while let Some(slot) = consumer.take_next() {
                    consumer.give_back(black_box(slot));
                }
            });
            let begun = Instant::now();
            for _ in 0..rounds {
                let slot: Slot = producer.acquire().expect("the consumer lives");
                producer.submit(slot);
            }
            let last = producer.acquire();
            let elapsed = begun.elapsed();
            assert!(last.is_some());
            drop(producer);
            worker.join().expect("the consumer ends");
            elapsed
        });
    });
}

/// The producer fills slots as fast as it gets them back: lossless, as for files.
fn streaming(criterion: &mut Criterion) {
    criterion.bench_function("ring/two threads, streaming", |bencher| {
        bencher.iter_custom(|slots| {
            let (mut producer, mut consumer) = ring([[0; 96]; 8]);
            let begun = Instant::now();
            let worker = std::thread::spawn(move || {
                let mut taken = 0;
                while let Some(slot) = consumer.take_next() {
                    consumer.give_back(black_box(slot));
                    taken += 1;
                }
                taken
            });
            for number in 0..slots {
                let mut slot: Slot = producer.acquire().expect("the consumer lives");
                slot[0] = number;
                producer.submit(slot);
            }
            drop(producer);
            assert_eq!(worker.join().expect("the consumer ends"), slots, "no slot is lost");
            begun.elapsed()
        });
    });
}

criterion_group!(hand_over, one_thread, there_and_back, streaming);
criterion_main!(hand_over);
