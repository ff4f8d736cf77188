//! Pictures of a photograph that moves on, each with its number in it as black and white blocks.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;

/// The side of a block, in pixels, and how many bits a number has.
pub const BLOCK: usize = 16;
pub const BITS: usize = 12;

/// The format of the pictures.
pub fn info((width, height): (usize, usize), fps: u32) -> gst_video::VideoInfo {
    gst_video::VideoInfo::builder(gst_video::VideoFormat::Bgrx, width as u32, height as u32)
        .fps(gst::Fraction::new(fps as i32, 1))
        .build()
        .expect("a picture")
}

/// Draws them.
pub struct Pictures {
    size: (usize, usize),
    photograph: Vec<u8>,
    pool: gst_video::VideoBufferPool,
}

impl Pictures {
    pub fn new(info: &gst_video::VideoInfo) -> Self {
        let pool = gst_video::VideoBufferPool::new();
        let mut config = pool.config();
        config.set_params(Some(&info.to_caps().expect("caps")), info.size() as u32, 4, 0);
        pool.set_config(config).expect("a pool");
        pool.set_active(true).expect("a pool");
        let size = (info.width() as usize, info.height() as usize);
        Self { size, photograph: photograph(size.0, size.1), pool }
    }

    pub fn draw(&mut self, number: u32) -> gst::Buffer {
        let mut buffer = self.pool.acquire_buffer(None).expect("a buffer");
        let written = buffer.get_mut().expect("ours");
        draw(&mut written.map_writable().expect("writable"), &self.photograph, self.size, number);
        buffer
    }
}

/// A photograph as packed BGRx, twice as wide as the picture, so that it can pass by.
fn photograph(width: usize, height: usize) -> Vec<u8> {
    let coffee = image::load_from_memory(include_bytes!("../../models/showcase/coffee.jpg")).expect("a photograph");
    let (wide, height) = (2 * width as u32, height as u32);
    let coffee = coffee.resize_exact(wide, height, image::imageops::FilterType::Triangle).to_rgb8();
    coffee.pixels().flat_map(|pixel| [pixel[2], pixel[1], pixel[0], 255]).collect()
}

/// The photograph moved on by two pixels a picture, and `number` as blocks in the first rows.
fn draw(out: &mut [u8], photograph: &[u8], (width, height): (usize, usize), number: u32) {
    let shift = (2 * number as usize % width) * 4;
    for row in 0..height {
        let from = row * width * 8 + shift;
        out[row * width * 4..][..width * 4].copy_from_slice(&photograph[from..][..width * 4]);
    }
    for row in 0..BLOCK {
        for bit in 0..BITS {
            let value = if number >> bit & 1 == 1 { 255 } else { 0 };
            out[(row * width + bit * BLOCK) * 4..][..BLOCK * 4].fill(value);
        }
    }
}
