//! Pixels to tensors and back.
use serde::{Deserialize, Serialize};
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelOrder {
    Rgb,
    Bgr,
    Rgbx,
    Bgrx,
}
impl PixelOrder {
    pub fn bytes(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            _ => 4,
        }
    }
    fn rgb(self) -> [usize; 3] {
        match self {
            Self::Rgb | Self::Rgbx => [0, 1, 2],
            _ => [2, 1, 0],
        }
    }
}
#[derive(Debug, Clone, Copy)]
pub struct Pixels<'a> {
    data: &'a [u8],
    width: usize,
    height: usize,
    stride: usize,
    order: PixelOrder,
}
pub struct PixelsMut<'a> {
    data: &'a mut [u8],
    width: usize,
    height: usize,
    stride: usize,
    order: PixelOrder,
}
impl<'a> Pixels<'a> {
    pub fn new(
        data: &'a [u8],
        width: usize,
        height: usize,
        stride: usize,
        order: PixelOrder,
    ) -> Option<Self> {
        Some(Self {
            data,
            width,
            height,
            stride,
            order,
        })
    }
    pub fn width(&self) -> usize {
        self.width
    }
    pub fn height(&self) -> usize {
        self.height
    }
    pub fn stride(&self) -> usize {
        self.stride
    }
    pub fn order(&self) -> PixelOrder {
        self.order
    }
    pub fn data(&self) -> &[u8] {
        self.data
    }
}
impl<'a> PixelsMut<'a> {
    pub fn new(
        data: &'a mut [u8],
        width: usize,
        height: usize,
        stride: usize,
        order: PixelOrder,
    ) -> Option<Self> {
        Some(Self {
            data,
            width,
            height,
            stride,
            order,
        })
    }
    pub fn width(&self) -> usize {
        self.width
    }
    pub fn height(&self) -> usize {
        self.height
    }
    pub fn stride(&self) -> usize {
        self.stride
    }
    pub fn order(&self) -> PixelOrder {
        self.order
    }
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.data
    }
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    Nchw,
    Nhwc,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    Rgb,
    Bgr,
}
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorSpec {
    pub layout: Layout,
    pub channels: Channels,
    pub range: [f32; 2],
    pub width: usize,
    pub height: usize,
}
impl TensorSpec {
    fn at(&self, c: usize, y: usize, x: usize) -> usize {
        match self.layout {
            Layout::Nchw => (c * self.height + y) * self.width + x,
            Layout::Nhwc => (y * self.width + x) * 3 + c,
        }
    }
    fn map(&self) -> [usize; 3] {
        match self.channels {
            Channels::Rgb => [0, 1, 2],
            Channels::Bgr => [2, 1, 0],
        }
    }
}
fn refl(i: usize, n: usize) -> usize {
    if n == 1 {
        return 0;
    }
    let p = 2 * (n - 1);
    let i = i % p;
    if i < n { i } else { p - i }
}
pub fn pixels_to_tensor(src: &Pixels, spec: &TensorSpec, t: &mut [f32]) {
    let s = (spec.range[1] - spec.range[0]) / 255.0;
    let o = src.order.rgb();
    let m = spec.map();
    for y in 0..spec.height {
        for x in 0..spec.width {
            let p = refl(y, src.height) * src.stride + refl(x, src.width) * src.order.bytes();
            for c in 0..3 {
                t[spec.at(m[c], y, x)] = spec.range[0] + src.data[p + o[c]] as f32 * s;
            }
        }
    }
}
pub fn tensor_to_pixels(t: &[f32], spec: &TensorSpec, dst: &mut PixelsMut) {
    let s = 255.0 / (spec.range[1] - spec.range[0]);
    let o = dst.order.rgb();
    let m = spec.map();
    let b = dst.order.bytes();
    for y in 0..dst.height {
        for x in 0..dst.width {
            let p = y * dst.stride + x * b;
            for c in 0..3 {
                dst.data[p + o[c]] = ((t[spec.at(m[c], y, x)] - spec.range[0]) * s).round() as u8;
            }
            if b == 4 {
                dst.data[p + 3] = 255;
            }
        }
    }
}
