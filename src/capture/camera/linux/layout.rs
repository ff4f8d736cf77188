//! How a camera's frames lie in memory and what their colours are, as its driver set them.

use gstreamer_video as gst_video;
use v4l::v4l_sys::{self, v4l2_pix_format};

use crate::capture::camera::frames::Layout;
use crate::capture::camera::modes::Mode;

/// Of what the driver made of the mode that was chosen.
pub fn layout(mode: &Mode, set: &v4l2_pix_format) -> Layout {
    let raw = mode.readable().raw.map(gst_video::VideoFormat::from_string);
    Layout {
        width: set.width,
        height: set.height,
        bytes: set.sizeimage,
        bytes_per_line: set.bytesperline,
        colours: raw.map(|format| colorimetry(set, format)),
    }
}

/// The colours as the driver describes them, with V4L2's defaults for what it leaves open.
fn colorimetry(set: &v4l2_pix_format, format: gst_video::VideoFormat) -> gst_video::VideoColorimetry {
    use gst_video::{VideoColorMatrix as Matrix, VideoColorRange as Range};
    // SAFETY: both members of the union are one plain number.
    let encoding = unsafe { set.__bindgen_anon_1.ycbcr_enc };
    let matrix = match (encoding, set.colorspace) {
        (v4l_sys::v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_DEFAULT, colours) => match colours {
            v4l_sys::v4l2_colorspace_V4L2_COLORSPACE_REC709 | v4l_sys::v4l2_colorspace_V4L2_COLORSPACE_DCI_P3 => {
                Matrix::Bt709
            }
            v4l_sys::v4l2_colorspace_V4L2_COLORSPACE_BT2020 => Matrix::Bt2020,
            v4l_sys::v4l2_colorspace_V4L2_COLORSPACE_SMPTE240M => Matrix::Smpte240m,
            _ => Matrix::Bt601,
        },
        (v4l_sys::v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_709 | v4l_sys::v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_XV709, _) => {
            Matrix::Bt709
        }
        (v4l_sys::v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_BT2020, _) => Matrix::Bt2020,
        (v4l_sys::v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_SMPTE240M, _) => Matrix::Smpte240m,
        _ => Matrix::Bt601,
    };
    let is_rgb = matches!(format, gst_video::VideoFormat::Rgb | gst_video::VideoFormat::Bgr);
    let full_by_default = is_rgb || set.colorspace == v4l_sys::v4l2_colorspace_V4L2_COLORSPACE_JPEG;
    let range = match set.quantization {
        v4l_sys::v4l2_quantization_V4L2_QUANTIZATION_FULL_RANGE => Range::Range0_255,
        v4l_sys::v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE => Range::Range16_235,
        _ if full_by_default => Range::Range0_255,
        _ => Range::Range16_235,
    };
    let matrix = if is_rgb { Matrix::Rgb } else { matrix };
    // Transfer and primaries are passed on untouched by all that follows.
    let (transfer, primaries) = (gst_video::VideoTransferFunction::Srgb, gst_video::VideoColorPrimaries::Bt709);
    gst_video::VideoColorimetry::new(range, matrix, transfer, primaries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_driver() {
        use gst_video::{VideoColorMatrix as Matrix, VideoColorRange as Range, VideoFormat};
        crate::gst::init().unwrap();
        let of = |colorspace, format| {
            let set = v4l2_pix_format { colorspace, ..crate::v4l2::format_of(64, 36, b"YUYV") };
            let colours = colorimetry(&set, format);
            (colours.range(), colours.matrix())
        };
        let srgb = v4l_sys::v4l2_colorspace_V4L2_COLORSPACE_SRGB;
        assert_eq!(of(srgb, VideoFormat::Yuy2), (Range::Range16_235, Matrix::Bt601), "a webcam's usual answer");
        assert_eq!(of(srgb, VideoFormat::Rgb), (Range::Range0_255, Matrix::Rgb));
        let jpeg = v4l_sys::v4l2_colorspace_V4L2_COLORSPACE_JPEG;
        assert_eq!(of(jpeg, VideoFormat::Nv12), (Range::Range0_255, Matrix::Bt601));
        let rec709 = v4l_sys::v4l2_colorspace_V4L2_COLORSPACE_REC709;
        assert_eq!(of(rec709, VideoFormat::Yuy2), (Range::Range16_235, Matrix::Bt709));
    }
}
