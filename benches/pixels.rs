//! The pixel passes at 1280x720 on one thread, against plain scalar code.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use impasto::style::flow::FlowFilter;
use impasto::style::tensor::{
    Channels, Finish, Held, Layout, PixelOrder, Pixels, PixelsMut, TemporalFilter, TensorSpec, finish_pixels,
    pixels_to_tensor, tensor_to_pixels, tensor_to_pixels_finished,
};

const WIDTH: usize = 1280;
const HEIGHT: usize = 720;
const ORDERS: [PixelOrder; 2] = [PixelOrder::Bgrx, PixelOrder::Rgb];
const LAYOUTS: [Layout; 2] = [Layout::Nchw, Layout::Nhwc];

fn spec(layout: Layout) -> TensorSpec {
    TensorSpec {
        layout,
        channels: Channels::Rgb,
        ranges: [[0.0, 1.0]; 4],
        width: WIDTH,
        height: HEIGHT,
        border: 0,
        cells: 1,
    }
}

fn picture(order: PixelOrder) -> Vec<u8> {
    (0..WIDTH * HEIGHT * order.bytes()).map(|i| ((i * 31) >> 3) as u8).collect()
}

fn pixels(data: &[u8], order: PixelOrder) -> Pixels<'_> {
    Pixels::packed(data, WIDTH, HEIGHT, order).unwrap()
}

fn pixels_mut(data: &mut [u8], order: PixelOrder) -> PixelsMut<'_> {
    PixelsMut::packed(data, WIDTH, HEIGHT, order).unwrap()
}

fn to_tensor(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("to_tensor");
    group.throughput(Throughput::Elements((WIDTH * HEIGHT) as u64));
    for layout in LAYOUTS {
        for order in ORDERS {
            let data = picture(order);
            let mut tensor = vec![0.0; spec(layout).len()];
            group.bench_function(BenchmarkId::from_parameter(format_args!("{order:?}-{layout:?}")), |bencher| {
                let src = pixels(&data, order);
                bencher.iter(|| pixels_to_tensor(black_box(&src), &spec(layout), black_box(&mut tensor)));
            });
        }
    }
    let data = picture(PixelOrder::Bgrx);
    let mut tensor = vec![0.0; spec(Layout::Nchw).len()];
    group.bench_function("Bgrx-Nchw-scalar", |bencher| {
        bencher.iter(|| scalar_to_tensor(black_box(&data), black_box(&mut tensor)));
    });
}

fn to_pixels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("to_pixels");
    group.throughput(Throughput::Elements((WIDTH * HEIGHT) as u64));
    for layout in LAYOUTS {
        let tensor = painted(layout);
        for order in ORDERS {
            let source = picture(order);
            let mut data = vec![0; source.len()];
            let name = format!("{order:?}-{layout:?}");
            group.bench_function(&name, |bencher| {
                let mut dst = pixels_mut(&mut data, order);
                bencher.iter(|| tensor_to_pixels(black_box(&tensor), &spec(layout), black_box(&mut dst)));
            });
        }
    }
    let tensor = painted(Layout::Nchw);
    let mut data = picture(PixelOrder::Bgrx);
    for cells in [2, 4] {
        let spec = TensorSpec { cells, ..spec(Layout::Nchw) };
        group.bench_function(format!("Bgrx-cells-{cells}"), |bencher| {
            let mut dst = pixels_mut(&mut data, PixelOrder::Bgrx);
            bencher.iter(|| tensor_to_pixels(black_box(&tensor), &spec, black_box(&mut dst)));
        });
    }
    group.bench_function("Bgrx-Nchw-scalar", |bencher| {
        bencher.iter(|| scalar_to_pixels(black_box(&tensor), black_box(&mut data)));
    });
}

/// What strength, colours and steadiness add to `to_pixels`, each alone and all together.
fn finish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("finish");
    group.throughput(Throughput::Elements((WIDTH * HEIGHT) as u64));
    let (order, layout) = (PixelOrder::Bgrx, Layout::Nchw);
    let (tensor, source) = (painted(layout), picture(order));
    let source = pixels(&source, order);
    let mut data = vec![0; WIDTH * HEIGHT * order.bytes()];
    let looks = [
        ("plain", 1.0, 0.0, 0.0),
        ("strength", 0.7, 0.0, 0.0),
        ("colours", 1.0, 1.0, 0.0),
        ("steadiness", 1.0, 0.0, 0.5),
        ("all", 0.7, 1.0, 0.5),
    ];
    for (name, strength, colours, steadiness) in looks {
        let mut filter = TemporalFilter::default();
        group.bench_function(name, |bencher| {
            let mut dst = pixels_mut(&mut data, order);
            bencher.iter(|| {
                let source = black_box(&source);
                let filter = (steadiness > 0.0).then(|| Held::Still(filter.watch(source, steadiness)));
                let mut finish = Finish { source, strength, colours, under: None, filter, mask: None };
                tensor_to_pixels_finished(black_box(&tensor), &spec(layout), &mut finish, black_box(&mut dst));
            });
        });
    }
    let mut filter = TemporalFilter::default();
    group.bench_function("watch-alone", |bencher| {
        bencher.iter(|| {
            filter.watch(black_box(&source), 0.5);
        });
    });
}

/// What `--steadiness flow` takes for a picture of a pan: finding the motion, and moving and mixing the painting.
fn flow(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flow");
    group.throughput(Throughput::Elements((WIDTH * HEIGHT) as u64));
    let order = PixelOrder::Bgrx;
    let wave = |place: usize, length: f32| (place as f32 / length).sin() * 30.0;
    let grey = |x: usize, y: usize| (128.0 + wave(x, 23.0) + wave(y, 31.0) + wave(x + 2 * y, 9.0)) as u8;
    let pan = [0, 5].map(|shift| -> Vec<u8> {
        let places = (0..WIDTH * HEIGHT).map(|place| (place % WIDTH + shift, place / WIDTH));
        places.flat_map(|(x, y)| [grey(x, y), grey(x, y), grey(x, y), 255]).collect()
    });
    let mut filter = FlowFilter::default();
    let mut pictures = pan.iter().map(|picture| pixels(picture, order)).cycle();
    group.bench_function("watch", |bencher| {
        bencher.iter(|| {
            filter.watch(black_box(&pictures.next().expect("a cycle")), true);
        });
    });
    let (source, mut painted) = (pixels(&pan[0], order), pan[1].clone());
    group.bench_function("hold", |bencher| {
        bencher.iter(|| {
            let filter = Some(Held::Moving(&mut filter));
            let mut finish = Finish { source: &source, strength: 1.0, colours: 0.0, under: None, filter, mask: None };
            finish_pixels(&mut finish, black_box(&mut pixels_mut(&mut painted, order)));
        });
    });
}

/// A tensor with some values out of range, as networks give them.
fn painted(layout: Layout) -> Vec<f32> {
    (0..spec(layout).len()).map(|i| (i * 31 % 1000) as f32 / 900.0 - 0.05).collect()
}

/// What one would write first: pixel by pixel, Bgrx to NCHW RGB in 0..1.
fn scalar_to_tensor(src: &[u8], tensor: &mut [f32]) {
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            for channel in 0..3 {
                let byte = src[(y * WIDTH + x) * 4 + 2 - channel];
                tensor[(channel * HEIGHT + y) * WIDTH + x] = f32::from(byte) / 255.0;
            }
        }
    }
}

/// What one would write first: pixel by pixel, NCHW RGB in 0..1 to Bgrx.
fn scalar_to_pixels(tensor: &[f32], dst: &mut [u8]) {
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let pixel = (y * WIDTH + x) * 4;
            for channel in 0..3 {
                let value = tensor[(channel * HEIGHT + y) * WIDTH + x];
                dst[pixel + 2 - channel] = (value * 255.0).round().clamp(0.0, 255.0) as u8;
            }
            dst[pixel + 3] = 255;
        }
    }
}

criterion_group!(passes, to_tensor, to_pixels, finish, flow);
criterion_main!(passes);
