//! What a mask takes for a picture of 1280x720 on one thread: all in, and in parts. Needs `./dev setup --mask`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use impasto::style::Size;
use impasto::style::mask::blur::Blur;
use impasto::style::mask::guided::Guided;
use impasto::style::mask::{Mask, MaskAmounts, MaskFinder, Unpainted, mask_network};
use impasto::style::onnx::{Device, Session, SessionOptions};
use impasto::style::tensor::cover::{Beside, Cover, cells, luminance, shrink};
use impasto::style::tensor::{Finish, Masked, PixelOrder, Pixels, PixelsMut, finish_pixels};

const SIZE: Size = Size::new(1280, 720);
const ORDER: PixelOrder = PixelOrder::Bgrx;

/// A picture with some structure.
fn picture() -> Vec<u8> {
    (0..SIZE.width * SIZE.height * ORDER.bytes()).map(|i| ((i * 31) >> 3) as u8).collect()
}

fn pixels(data: &[u8]) -> Pixels<'_> {
    Pixels::packed(data, SIZE.width, SIZE.height, ORDER).unwrap()
}

/// Lays what is painted over the source.
fn compose(source: &Pixels, painted: &mut [u8], mask: Masked) {
    let mut finish = Finish { source, strength: 1.0, colours: 0.0, under: None, filter: None, mask: Some(mask) };
    let mut painted = PixelsMut::packed(painted, SIZE.width, SIZE.height, ORDER).unwrap();
    finish_pixels(&mut finish, black_box(&mut painted));
}

/// In every frame, and in those where nobody is looked for.
fn whole(criterion: &mut Criterion) {
    let Ok(mut finder) = MaskFinder::open(&SessionOptions::default()) else {
        return eprintln!("mask: left out, there is no network that finds people");
    };
    let mut group = criterion.benchmark_group("mask");
    group.throughput(Throughput::Elements((SIZE.width * SIZE.height) as u64));
    let (data, mut painted) = (picture(), picture());
    let source = pixels(&data);
    for (name, unpainted) in
        [("source", Unpainted::Source), ("colour", Unpainted::Colour([0, 255, 0])), ("blur", Unpainted::Blur)]
    {
        let amounts = MaskAmounts::new(Mask::Person, false, 0.0, unpainted);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mask = finder.find(black_box(&source), &amounts, None).expect("a mask");
                compose(&source, &mut painted, mask);
            });
        });
    }
}

fn parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mask-parts");
    let [wide, high] = cells(SIZE);
    let plane = || vec![0.5; wide * high];
    let (data, mut painted) = (picture(), picture());
    let source = pixels(&data);
    let (mut small, mut guide) = (vec![0; wide * high * ORDER.bytes()], plane());
    let mut sums = vec![0; SIZE.width * ORDER.bytes()];
    group.bench_function("shrink", |bencher| {
        bencher.iter(|| {
            shrink(black_box(&source), &mut sums, &mut small);
            luminance(&small, ORDER, black_box(&mut guide));
        });
    });
    let options = SessionOptions { device: Device::Cpu, threads: Some(1), spin: false, ..SessionOptions::default() };
    if let Ok(Some(manifest)) = mask_network(&options.mask) {
        let [width, height] = manifest.input.size.fixed.expect("a size");
        let mut session = Session::open(&manifest, &options).expect("a network");
        session.prepare(Size::new(width, height), 0).expect("a size");
        group.bench_function("network", |bencher| bencher.iter(|| session.run().expect("a mask")));
    }
    let (mut guided, mut cover) = (Guided::new(wide, high), Cover::new(SIZE));
    let mask: Vec<f32> = (0..wide * high).map(|place| f32::from(u8::from(place % wide > wide / 2))).collect();
    for (name, feather) in [("refine", 0.0), ("refine-soft", 1.0)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| guided.refine(black_box(&mask), &guide, feather, &mut cover.slope, &mut cover.base));
        });
    }
    cover.show(1.0, 0.0, 0.0);
    let mut blur = Blur::new(wide, high);
    group.bench_function("blur", |bencher| {
        bencher.iter(|| {
            cover.besides(&guide, blur.shares());
            blur.apply::<4>(black_box(&mut small));
        });
    });
    group.bench_function("compose", |bencher| {
        bencher.iter(|| compose(&source, &mut painted, Masked { cover: &mut cover, beside: Beside::Source }));
    });
}

criterion_group!(mask, whole, parts);
criterion_main!(mask);
