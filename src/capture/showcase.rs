//! The source that needs no camera: a slow pan over four photographs that are built in.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::error::{Error, Result};
use crate::style::Size;

/// Eileen Collins (NASA, public domain), Chelsea the cat (CC0), a cup of coffee (CC0), a rocket (SpaceX, public domain).
const PHOTOGRAPHS: &[&[u8]] = &[
    include_bytes!("../../models/showcase/astronaut.jpg"),
    include_bytes!("../../models/showcase/chelsea.jpg"),
    include_bytes!("../../models/showcase/coffee.jpg"),
    include_bytes!("../../models/showcase/rocket.jpg"),
];

/// How long one photograph is shown, and how much of that it fades into the next.
const SECONDS_EACH: f64 = 8.0;
const FADE_SECONDS: f64 = 1.0;

/// The camera begins with this share of the photograph and closes in to the other one.
const ZOOM: [f64; 2] = [1.0, 0.8];

/// Makes the appsrc of `bin` deliver the pan as BGRx at `size` and `fps`.
pub fn draw_into(bin: &gst::Bin, size: Size, fps: u32) -> Result<()> {
    let source = bin
        .by_name("showcase")
        .and_then(|element| element.downcast::<gst_app::AppSrc>().ok())
        .unwrap_or_else(|| unreachable!("checked by build"));
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Bgrx, size.width as u32, size.height as u32)
        .fps(gst::Fraction::new(fps as i32, 1))
        .build()
        .map_err(|error| Error::usage(format!("showcase at {size}: {error}")))?;
    let caps = info.to_caps().map_err(|error| Error::usage(format!("showcase at {size}: {error}")))?;
    source.set_caps(Some(&caps));
    let pool = gst_video::VideoBufferPool::new();
    let mut config = pool.config();
    config.set_params(Some(&caps), info.size() as u32, 4, 0);
    let ready = pool.set_config(config).is_ok() && pool.set_active(true).is_ok();
    if !ready {
        return Err(Error::usage(format!("showcase at {size}: no buffers of that size")));
    }

    let mut pan = Pan::new(size);
    let frame_duration = gst::ClockTime::SECOND.nseconds() / u64::from(fps);
    let mut number = 0;
    let callbacks = gst_app::AppSrcCallbacks::builder().need_data(move |source, _| {
        let Ok(mut buffer) = pool.acquire_buffer(None) else {
            return;
        };
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(number * frame_duration));
            buffer.set_duration(gst::ClockTime::from_nseconds(frame_duration));
            if let Ok(mut map) = buffer.map_writable() {
                pan.draw(number as f64 / f64::from(fps), &mut map);
            }
        }
        number += 1;
        let _ = source.push_buffer(buffer);
    });
    source.set_callbacks(callbacks.build());
    Ok(())
}

/// Draws the pan at any moment.
struct Pan {
    photographs: Vec<Photograph>,
    resizer: Resizer,
    size: Size,
    /// The photograph that is faded out to.
    next: Vec<u8>,
}

/// A decoded photograph as packed BGRx.
struct Photograph {
    pixels: Vec<u8>,
    size: Size,
}

impl Pan {
    fn new(size: Size) -> Self {
        let decode = |bytes: &&[u8]| {
            let photograph = image::load_from_memory(bytes).unwrap_or_else(|_| unreachable!("built in and tested"));
            let photograph = photograph.to_rgb8();
            let size = Size::new(photograph.width() as usize, photograph.height() as usize);
            let pixels = photograph.pixels().flat_map(|pixel| [pixel[2], pixel[1], pixel[0], 255]).collect();
            Photograph { pixels, size }
        };
        Self {
            photographs: PHOTOGRAPHS.iter().map(decode).collect(),
            resizer: Resizer::new(),
            size,
            next: vec![0; size.width * size.height * 4],
        }
    }

    /// Draws the picture at `seconds` into packed BGRx.
    fn draw(&mut self, seconds: f64, out: &mut [u8]) {
        let index = (seconds / SECONDS_EACH) as usize % self.photographs.len();
        let within = seconds % SECONDS_EACH;
        self.draw_one(index, within, out);
        let left = SECONDS_EACH - within;
        if left < FADE_SECONDS {
            let mut next = std::mem::take(&mut self.next);
            self.draw_one((index + 1) % self.photographs.len(), 0.0, &mut next);
            let weight = ((1.0 - left / FADE_SECONDS) * 256.0) as u16;
            for (old, new) in out.iter_mut().zip(&next) {
                *old = ((u16::from(*old) * (256 - weight) + u16::from(*new) * weight) >> 8) as u8;
            }
            self.next = next;
        }
    }

    fn draw_one(&mut self, index: usize, within: f64, out: &mut [u8]) {
        let photograph = &self.photographs[index];
        let crop = crop_at(photograph.size, self.size, within / SECONDS_EACH, index % 2 == 1);
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom))
            .use_alpha(false)
            .crop(crop.left, crop.top, crop.width, crop.height);
        let (from, to) = (photograph.size, self.size);
        let from = ImageRef::new(from.width as u32, from.height as u32, &photograph.pixels, PixelType::U8x4);
        let to = Image::from_slice_u8(to.width as u32, to.height as u32, out, PixelType::U8x4);
        if let (Ok(from), Ok(mut to)) = (from, to) {
            let _ = self.resizer.resize(&from, &mut to, &options);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Crop {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

/// The part of the photograph in view at `progress` 0..1: it closes in while it moves, every second one backwards.
fn crop_at(photograph: Size, view: Size, progress: f64, backwards: bool) -> Crop {
    let progress = if backwards { 1.0 - progress } else { progress };
    let (width, height) = (photograph.width as f64, photograph.height as f64);
    let scale = (width / view.width as f64).min(height / view.height as f64);
    let zoom = ZOOM[0] + (ZOOM[1] - ZOOM[0]) * progress;
    let (crop_width, crop_height) = (view.width as f64 * scale * zoom, view.height as f64 * scale * zoom);
    Crop {
        left: (width - crop_width) * progress,
        top: (height - crop_height) * progress * 0.5,
        width: crop_width,
        height: crop_height,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pan_moves_slowly_and_never_leaves_the_photograph() {
        let (photograph, view) = (Size::new(600, 400), Size::new(640, 360));
        for backwards in [false, true] {
            let mut last = crop_at(photograph, view, 0.0, backwards);
            for step in 1..=240 {
                let crop = crop_at(photograph, view, f64::from(step) / 240.0, backwards);
                assert!(crop.left >= 0.0 && crop.left + crop.width <= 600.0 + 1e-9);
                assert!(crop.top >= 0.0 && crop.top + crop.height <= 400.0 + 1e-9);
                assert!((crop.left - last.left).abs() < 1.0, "less than a pixel a frame");
                last = crop;
            }
        }
    }

    #[test]
    fn every_photograph_is_drawn_and_fades_into_the_next() {
        let mut pan = Pan::new(Size::new(64, 36));
        let mut frame = |seconds: f64| {
            let mut out = vec![0; 64 * 36 * 4];
            pan.draw(seconds, &mut out);
            out
        };
        let difference =
            |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64;
        let (first, second) = (frame(1.0), frame(SECONDS_EACH + 1.0));
        assert!(difference(&first, &second) > 10.0, "another photograph");
        let (before, after) = (frame(SECONDS_EACH - 0.01), frame(SECONDS_EACH + 0.01));
        assert!(difference(&before, &after) < 4.0, "no jump at the change");
    }
}
