//! How a picture lies in a frame of another shape.

use gstreamer as gst;
use gstreamer_video as gst_video;
use serde::{Deserialize, Serialize};

use crate::style::Size;

/// What is done where the shapes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// The whole picture is shown, with black around it.
    #[default]
    Contain,
    /// The whole frame is filled; what does not fit is cut off.
    Cover,
}

/// A part of a picture.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    x: i32,
    y: i32,
    width: i32,
    height: i32,
}

/// Scales pictures of `from` into frames of `to`, which have square pixels, and blackens what they leave free.
pub(super) fn converter(
    from: &gst_video::VideoInfo,
    to: &gst_video::VideoInfo,
    fit: Fit,
) -> Result<gst_video::VideoConverter, gst::glib::BoolError> {
    let (shown, whole) = (shown_size(from), Size::new(to.width() as usize, to.height() as usize));
    let mut config = gst_video::VideoConverterConfig::new();
    match fit {
        Fit::Contain => {
            let part = inner(shown, whole);
            config.set_dest_x(part.x);
            config.set_dest_y(part.y);
            config.set_dest_width(Some(part.width));
            config.set_dest_height(Some(part.height));
        }
        Fit::Cover => {
            let part = inner(whole, shown);
            // The picture's own pixels may not be square.
            let across = |x: i32| (x as usize * from.width() as usize / shown.width) as i32;
            config.set_src_x(across(part.x));
            config.set_src_y(part.y);
            config.set_src_width(Some(across(part.width).max(1)));
            config.set_src_height(Some(part.height));
        }
    }
    gst_video::VideoConverter::new(from, to, Some(config))
}

/// The size of the picture in square pixels.
pub(super) fn shown_size(info: &gst_video::VideoInfo) -> Size {
    let (n, d) = (info.par().numer().max(1) as usize, info.par().denom().max(1) as usize);
    Size::new(((info.width() as usize * n + d / 2) / d).max(1), info.height() as usize)
}

/// Where a picture of size `shown` lies in one of size `whole`: as large as its shape allows.
fn inner(shown: Size, whole: Size) -> Part {
    // One column less than the picture, because widths are even: nobody wants a scaled picture for that.
    if shown.height == whole.height && shown.width.abs_diff(whole.width) <= 1 {
        return Part { x: 0, y: 0, width: whole.width as i32, height: whole.height as i32 };
    }
    let by_width = whole.width * shown.height <= whole.height * shown.width;
    let (width, height) = if by_width {
        (whole.width, (whole.width * shown.height + shown.width / 2) / shown.width)
    } else {
        ((whole.height * shown.width + shown.height / 2) / shown.height, whole.height)
    };
    let (width, height) = ((width & !1).max(2), height.max(1));
    let x = (whole.width.saturating_sub(width) / 2) & !1;
    Part { x: x as i32, y: ((whole.height - height) / 2) as i32, width: width as i32, height: height as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_picture_lies_within_the_whole(w in 1usize..3000, h in 1usize..3000, ww in 1usize..1500, wh in 1usize..3000) {
            let whole = Size::new(ww * 2, wh);
            let Part { x, y, width, height } = inner(Size::new(w, h), whole);
            prop_assert!(x >= 0 && y >= 0 && width > 0 && height > 0);
            prop_assert!(x + width <= whole.width as i32 && y + height <= whole.height as i32);
            prop_assert!(x % 2 == 0 && width % 2 == 0);
        }
    }
}
