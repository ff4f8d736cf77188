//! Scaling of pictures whose rows lie one behind the other: 4-byte pixels in GStreamer, or our own buffers.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, ResizeOptions, Resizer};

use super::tensor::{PixelOrder, Pixels, PixelsMut};
use crate::error::{Error, Result};

/// Scales `from` into `to`, of the same pixel order.
///
/// # Errors
/// One of them has padding between its rows.
pub fn scale((resizer, options): (&mut Resizer, &ResizeOptions), from: &Pixels, to: &mut PixelsMut) -> Result<()> {
    let (order, sides) = (from.order(), |width: usize, height: usize| (width as u32, height as u32));
    let bytes = |width: usize, height: usize, stride: usize| {
        let row = width * order.bytes();
        (stride == row).then_some(row * height).ok_or_else(|| failed("its rows are padded"))
    };
    let from_bytes = bytes(from.width(), from.height(), from.stride())?;
    let to_bytes = bytes(to.width(), to.height(), to.stride())?;
    let (width, height) = sides(from.width(), from.height());
    let from = ImageRef::new(width, height, &from.data()[..from_bytes], pixel_type(order)).map_err(failed)?;
    let (width, height) = sides(to.width(), to.height());
    let data = &mut to.data_mut()[..to_bytes];
    let mut to = Image::from_slice_u8(width, height, data, pixel_type(order)).map_err(failed)?;
    resizer.resize(&from, &mut to, options).map_err(failed)
}

fn pixel_type(order: PixelOrder) -> PixelType {
    match order.bytes() {
        3 => PixelType::U8x3,
        _ => PixelType::U8x4,
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::model(format!("a picture cannot be scaled: {error}"))
}
