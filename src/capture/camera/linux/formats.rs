//! The formats of a camera, with sizes and rates, as its driver tells them.

use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture as _;
use v4l::{FourCC, Fraction};

use crate::capture::camera::modes::{FormatDescription, READABLE, SizeDescription};

/// Sizes and rates to offer where a driver takes any within a range.
const COMMON_SIZES: &[(u32, u32)] = &[
    (320, 180),
    (320, 240),
    (640, 360),
    (640, 480),
    (800, 600),
    (960, 540),
    (1024, 576),
    (1280, 720),
    (1280, 960),
    (1920, 1080),
    (2560, 1440),
    (3840, 2160),
];
const COMMON_RATES: &[u32] = &[5, 10, 15, 20, 24, 25, 30, 50, 60];

/// All formats of a camera; sizes of those only that Impasto reads.
pub fn formats(device: &v4l::Device) -> Vec<FormatDescription> {
    let describe = |description: v4l::format::Description| {
        let fourcc = description.fourcc;
        let readable = READABLE.iter().any(|readable| *readable.fourcc == fourcc.repr);
        FormatDescription {
            format: String::from_utf8_lossy(&fourcc.repr).trim().to_string(),
            readable,
            sizes: if readable { sizes(device, fourcc) } else { Vec::new() },
        }
    };
    device.enum_formats().unwrap_or_default().into_iter().map(describe).collect()
}

fn sizes(device: &v4l::Device, fourcc: FourCC) -> Vec<SizeDescription> {
    let mut sizes: Vec<(u32, u32)> = Vec::new();
    for size in device.enum_framesizes(fourcc).unwrap_or_default() {
        match size.size {
            FrameSizeEnum::Discrete(one) => sizes.push((one.width, one.height)),
            FrameSizeEnum::Stepwise(range) => {
                let on_step = |value: u32, min: u32, max: u32, step: u32| {
                    (min..=max).contains(&value) && (value - min).is_multiple_of(step.max(1))
                };
                let fits = |(width, height): &&(u32, u32)| {
                    on_step(*width, range.min_width, range.max_width, range.step_width)
                        && on_step(*height, range.min_height, range.max_height, range.step_height)
                };
                sizes.extend(COMMON_SIZES.iter().filter(fits));
            }
        }
    }
    sizes.sort_unstable();
    sizes.dedup();
    let described = sizes.into_iter().map(|(width, height)| SizeDescription {
        width,
        height,
        rates: rates(device, fourcc, width, height),
    });
    described.collect()
}

fn rates(device: &v4l::Device, fourcc: FourCC, width: u32, height: u32) -> Vec<f64> {
    let rate = |interval: &Fraction| f64::from(interval.denominator) / f64::from(interval.numerator.max(1));
    let mut rates = Vec::new();
    for interval in device.enum_frameintervals(fourcc, width, height).unwrap_or_default() {
        match interval.interval {
            FrameIntervalEnum::Discrete(interval) => rates.push(rate(&interval)),
            FrameIntervalEnum::Stepwise(range) => {
                let possible = rate(&range.max)..=rate(&range.min);
                rates.extend(COMMON_RATES.iter().map(|fps| f64::from(*fps)).filter(|fps| possible.contains(fps)));
            }
        }
    }
    rates.sort_by(|a, b| b.total_cmp(a));
    rates.dedup();
    rates
}
