//! The photograph that a network is tried with whose manifest is to be found.

use image::imageops::FilterType;

use super::geometry::Size;
use crate::error::{Error, Result};

/// Eileen Collins (NASA, public domain): a face, flat colours and fine detail.
const PHOTO: &[u8] = include_bytes!("../../models/showcase/astronaut.jpg");

/// The photograph at this size, three bytes a pixel.
pub fn photo(size: Size) -> Result<Vec<u8>> {
    let photo =
        image::load_from_memory(PHOTO).map_err(|error| Error::model(format!("the test photograph: {error}")))?;
    Ok(photo.resize_exact(size.width as u32, size.height as u32, FilterType::Triangle).into_rgb8().into_raw())
}
