//! Eight-bit YUV to BGRx, exact to a level: `videoconvert` in its fast ways is up to two levels dark.

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use gstreamer_video::{VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrameRef, VideoInfo};
use yuv::{YuvBiPlanarImage, YuvConversionMode, YuvError, YuvPackedImage, YuvPlanarImage, YuvRange, YuvStandardMatrix};

/// The formats that are converted here, as caps name them.
pub const FORMATS: [&str; 5] = ["I420", "NV12", "Y42B", "Y444", "YUY2"];

/// How the colours of a picture are coded.
#[derive(Debug, Clone, Copy)]
pub struct Coding {
    range: YuvRange,
    matrix: YuvStandardMatrix,
}

impl Coding {
    /// `None` for pictures that are not converted here.
    pub fn of(info: &VideoInfo) -> Option<Self> {
        // Rows of interlaced pictures share chroma with others.
        let is_progressive = info.interlace_mode() == gst_video::VideoInterlaceMode::Progressive;
        if !is_progressive || !FORMATS.contains(&info.format().to_str().as_str()) {
            return None;
        }
        let colours = info.colorimetry();
        let matrix = match colours.matrix() {
            VideoColorMatrix::Bt601 => YuvStandardMatrix::Bt601,
            VideoColorMatrix::Bt709 => YuvStandardMatrix::Bt709,
            VideoColorMatrix::Bt2020 => YuvStandardMatrix::Bt2020,
            VideoColorMatrix::Fcc => YuvStandardMatrix::Fcc,
            VideoColorMatrix::Smpte240m => YuvStandardMatrix::Smpte240,
            _ => return None,
        };
        let full = colours.range() == VideoColorRange::Range0_255;
        Some(Self { range: if full { YuvRange::Full } else { YuvRange::Limited }, matrix })
    }

    /// Converts a picture.
    pub fn convert(
        self,
        picture: &VideoFrameRef<&gst::BufferRef>,
        plain: &mut VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<(), gst::FlowError> {
        let stride = plain.plane_stride()[0] as u32;
        let plain = plain.plane_data_mut(0).map_err(|_| gst::FlowError::Error)?;
        self.convert_planes(picture, plain, stride).map_err(|_| gst::FlowError::Error)
    }

    fn convert_planes(
        self,
        picture: &VideoFrameRef<&gst::BufferRef>,
        plain: &mut [u8],
        plain_stride: u32,
    ) -> Result<(), YuvError> {
        let Self { range, matrix } = self;
        let (width, height) = (picture.width(), picture.height());
        let plane = |number: u32| picture.plane_data(number).unwrap_or_default();
        let stride = |number: usize| picture.plane_stride()[number] as u32;
        match picture.format() {
            VideoFormat::Nv12 => {
                let (y_plane, y_stride, uv_plane, uv_stride) = (plane(0), stride(0), plane(1), stride(1));
                let picture = YuvBiPlanarImage { y_plane, y_stride, uv_plane, uv_stride, width, height };
                yuv::yuv_nv12_to_bgra(&picture, plain, plain_stride, range, matrix, YuvConversionMode::Balanced)
            }
            VideoFormat::Yuy2 => {
                let picture = YuvPackedImage { yuy: plane(0), yuy_stride: stride(0), width, height };
                yuv::yuyv422_to_bgra(&picture, plain, plain_stride, range, matrix)
            }
            format => {
                let (y_plane, u_plane, v_plane) = (plane(0), plane(1), plane(2));
                let (y_stride, u_stride, v_stride) = (stride(0), stride(1), stride(2));
                let picture = YuvPlanarImage { y_plane, y_stride, u_plane, u_stride, v_plane, v_stride, width, height };
                let convert = match format {
                    VideoFormat::Y444 => yuv::yuv444_to_bgra,
                    VideoFormat::Y42b => yuv::yuv422_to_bgra,
                    _ => yuv::yuv420_to_bgra,
                };
                convert(&picture, plain, plain_stride, range, matrix)
            }
        }
    }
}
