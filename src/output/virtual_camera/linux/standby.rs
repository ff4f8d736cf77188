//! The standby picture that a virtual camera shows until a painted picture is there.

use gstreamer as gst;
use gstreamer_video as gst_video;

/// A dark canvas, and three dabs of paint on it: centre and radius in parts of the picture's height, colour as BGR.
const GROUND: [f32; 3] = [38.0, 32.0, 28.0];
const DABS: &[(f32, f32, f32, [f32; 3])] = &[
    (-0.17, 0.06, 0.17, [66.0, 84.0, 214.0]),
    (0.17, 0.06, 0.17, [196.0, 148.0, 58.0]),
    (0.0, -0.14, 0.17, [78.0, 184.0, 236.0]),
];

/// Draws the standby picture in the layout of `info` (BGRx).
pub fn draw(info: &gst_video::VideoInfo) -> gst::Buffer {
    let (width, height) = (info.width() as usize, info.height() as usize);
    let stride = info.stride()[0] as usize;
    let mut bytes = vec![0; info.size()];
    for (y, row) in bytes.chunks_mut(stride).take(height).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(4).take(width).enumerate() {
            pixel.copy_from_slice(&colour_at(x, y, width, height));
        }
    }
    gst::Buffer::from_slice(bytes)
}

fn colour_at(x: usize, y: usize, width: usize, height: usize) -> [u8; 4] {
    let unit = height as f32;
    let (x, y) = ((x as f32 - width as f32 / 2.0) / unit, (y as f32 - unit / 2.0) / unit);
    let mut colour = GROUND;
    for (dab_x, dab_y, radius, paint) in DABS {
        let distance = (x - dab_x).hypot(y - dab_y);
        // Soft over two rows, so that the edge is smooth at every size.
        let cover = ((radius - distance) * unit / 2.0 + 0.5).clamp(0.0, 1.0) * 0.8;
        colour = std::array::from_fn(|i| colour[i] + (paint[i] - colour[i]) * cover);
    }
    let [b, g, r] = colour.map(|value| value as u8);
    [b, g, r, 255]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_gets_a_card_with_paint_on_it() {
        crate::gst::init().unwrap();
        for (width, height) in [(2, 2), (320, 180), (639, 357)] {
            let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Bgrx, width, height).build().unwrap();
            let standby = draw(&info);
            assert_eq!(standby.size(), info.size());
        }
        assert_eq!(colour_at(0, 0, 320, 180), [38, 32, 28, 255]);
        assert!(colour_at(160, 65, 320, 180)[2] > 150, "a dab above the middle");
    }
}
