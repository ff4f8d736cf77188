//! The pixel passes: bytes of a picture to the f32 tensor that a network takes, and back.
//!
//! Each direction is one pass over the picture, without allocation. The passes are plain loops that the
//! compiler vectorises; they are compiled twice (`simd`). Results are the same to the last bit on every CPU.

pub mod cover;
mod finish;
mod mirror;
mod numbers;
pub(super) mod simd;
mod temporal_filter;
mod to_pixels;
mod to_tensor;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::lanes::each;

pub use finish::{Finish, Held, Masked, finish_pixels};
pub use mirror::mirror_pixels;
pub(super) use simd::Pass;
pub use temporal_filter::TemporalFilter;
pub use to_pixels::{tensor_to_pixels, tensor_to_pixels_finished};
pub use to_tensor::pixels_to_tensor;

/// How the bytes of a pixel lie in memory. `x` is a byte without meaning: ignored when read, written as 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelOrder {
    Rgb,
    Bgr,
    Rgbx,
    Bgrx,
}

impl PixelOrder {
    /// Bytes of one pixel: 3 or 4.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Rgbx | Self::Bgrx => 4,
        }
    }

    /// Red, green and blue as they lie in memory.
    pub fn in_memory(self, [red, green, blue]: [u8; 3]) -> [u8; 3] {
        if self.is_blue_first() { [blue, green, red] } else { [red, green, blue] }
    }

    /// True if blue comes first, and red last.
    const fn is_blue_first(self) -> bool {
        matches!(self, Self::Bgr | Self::Bgrx)
    }
}

/// A borrowed picture of 8-bit pixels, top row first.
#[derive(Debug, Clone, Copy)]
pub struct Pixels<'a> {
    data: &'a [u8],
    shape: Shape,
}

/// A mutably borrowed picture of 8-bit pixels, top row first.
#[derive(Debug)]
pub struct PixelsMut<'a> {
    data: &'a mut [u8],
    shape: Shape,
}

/// What the bytes of a picture mean.
#[derive(Debug, Clone, Copy)]
struct Shape {
    width: usize,
    height: usize,
    stride: usize,
    order: PixelOrder,
}

impl Shape {
    /// `None` unless the picture has a pixel, its rows do not overlap, and `len` bytes hold it; the bytes
    /// between the end of the last row and its stride may be missing.
    fn checked(len: usize, width: usize, height: usize, stride: usize, order: PixelOrder) -> Option<Self> {
        let row = width.checked_mul(order.bytes())?;
        let needed = stride.checked_mul(height.checked_sub(1)?)?.checked_add(row)?;
        (width > 0 && stride >= row && len >= needed).then_some(Self { width, height, stride, order })
    }

    /// Where the pixels of row `y` lie.
    fn row(&self, y: usize) -> std::ops::Range<usize> {
        let start = y * self.stride;
        start..start + self.width * self.order.bytes()
    }
}

impl<'a> Pixels<'a> {
    /// A picture of `width` x `height` pixels whose rows begin `stride` bytes apart.
    ///
    /// `None` if a side is 0, if `stride` is shorter than a row, or if `data` is shorter than
    /// `stride * (height - 1) + width * order.bytes()`.
    pub fn new(data: &'a [u8], width: usize, height: usize, stride: usize, order: PixelOrder) -> Option<Self> {
        let shape = Shape::checked(data.len(), width, height, stride, order)?;
        Some(Self { data, shape })
    }

    /// The same with rows that lie one behind the other.
    pub fn packed(data: &'a [u8], width: usize, height: usize, order: PixelOrder) -> Option<Self> {
        Self::new(data, width, height, width.checked_mul(order.bytes())?, order)
    }

    /// A picture of the same size and order as `other` in `data`, which is as long as that of `other`.
    ///
    /// # Panics
    /// `data` is shorter.
    pub fn like(data: &'a [u8], other: &Pixels) -> Self {
        assert!(data.len() >= other.data.len(), "a picture of {} bytes in {}", other.data.len(), data.len());
        Self { data, shape: other.shape }
    }

    /// All bytes, padding between the rows included.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    pub fn width(&self) -> usize {
        self.shape.width
    }

    pub fn height(&self) -> usize {
        self.shape.height
    }

    /// Bytes from the beginning of one row to the beginning of the next.
    pub fn stride(&self) -> usize {
        self.shape.stride
    }

    pub fn order(&self) -> PixelOrder {
        self.shape.order
    }

    /// The bytes of row `y`, without padding.
    pub fn row(&self, y: usize) -> &'a [u8] {
        &self.data[self.shape.row(y)]
    }
}

impl<'a> PixelsMut<'a> {
    /// A picture of `width` x `height` pixels whose rows begin `stride` bytes apart; refused like [`Pixels::new`].
    pub fn new(data: &'a mut [u8], width: usize, height: usize, stride: usize, order: PixelOrder) -> Option<Self> {
        let shape = Shape::checked(data.len(), width, height, stride, order)?;
        Some(Self { data, shape })
    }

    /// The same with rows that lie one behind the other.
    pub fn packed(data: &'a mut [u8], width: usize, height: usize, order: PixelOrder) -> Option<Self> {
        Self::new(data, width, height, width.checked_mul(order.bytes())?, order)
    }

    /// A picture of the same size and order as `other`; as [`Pixels::like`].
    ///
    /// # Panics
    /// `data` is shorter.
    pub fn like(data: &'a mut [u8], other: &Pixels) -> Self {
        assert!(data.len() >= other.data.len(), "a picture of {} bytes in {}", other.data.len(), data.len());
        Self { data, shape: other.shape }
    }

    /// The same picture to read from.
    pub fn as_ref(&self) -> Pixels<'_> {
        Pixels { data: self.data, shape: self.shape }
    }

    /// The same picture, no longer to be written to.
    pub fn into_pixels(self) -> Pixels<'a> {
        Pixels { data: self.data, shape: self.shape }
    }

    /// All bytes, padding between the rows included.
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.data
    }

    pub fn width(&self) -> usize {
        self.shape.width
    }

    pub fn height(&self) -> usize {
        self.shape.height
    }

    /// Bytes from the beginning of one row to the beginning of the next.
    pub fn stride(&self) -> usize {
        self.shape.stride
    }

    pub fn order(&self) -> PixelOrder {
        self.shape.order
    }

    /// The bytes of row `y`, without padding.
    pub fn row_mut(&mut self, y: usize) -> &mut [u8] {
        &mut self.data[self.shape.row(y)]
    }
}

/// The luma of red, green and blue (BT.601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Which way a picture lies in a tensor: plane after plane, or pixel after pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    Nchw,
    Nhwc,
}

/// What the channels of a tensor are, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    Rgb,
    Bgr,
    /// One channel, the luma of BT.601, as most programs make grey pictures; it becomes all three colours.
    Gray,
    /// Pixels go in opaque; what comes out as alpha is ignored.
    Rgba,
}

impl Channels {
    /// How many there are.
    pub const fn count(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb | Self::Bgr => 3,
            Self::Rgba => 4,
        }
    }

    /// How many of them are colours.
    pub const fn colours(self) -> usize {
        if matches!(self, Self::Gray) { 1 } else { 3 }
    }
}

/// Shape and meaning of one f32 picture tensor (batch 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorSpec {
    pub layout: Layout,
    pub channels: Channels,
    /// Value of pixel 0 and of pixel 255 in each channel, in the order of the channels: two different finite numbers,
    /// descending allowed. Those of channels that the tensor lacks mean nothing.
    pub ranges: [[f32; 2]; 4],
    pub width: usize,
    pub height: usize,
    /// Where the picture lies: its first pixel is this many columns and rows from the tensor's first.
    pub border: usize,
    /// The side of the squares of pixels that a place of the tensor holds, one of [`CELL_SIDES`]; 1 for a tensor that
    /// holds its pixels one by one. With cells the layout is NCHW with 3 x cells x cells channels: colour after colour,
    /// and in each the pixels of a cell row by row, as DepthToSpace in its mode CRD takes them. Width, height and border
    /// count pixels, and are multiples of it.
    pub cells: usize,
}

/// The sides of cells that are read.
pub const CELL_SIDES: [usize; 4] = [1, 2, 4, 8];

impl TensorSpec {
    /// How many f32 values the tensor holds: channels x height x width, never 0 for a tensor that holds a picture.
    #[expect(clippy::len_without_is_empty, reason = "a tensor that holds a picture is never empty")]
    pub const fn len(&self) -> usize {
        self.channels.count() * self.width * self.height
    }

    /// True if the tensor has the colours in the other order than the pixels.
    fn swaps(&self, order: PixelOrder) -> bool {
        self.channels != Channels::Gray && (self.channels == Channels::Bgr) != order.is_blue_first()
    }

    /// The three planes of an NCHW tensor, in the other order if `swap`; a grey one is all three.
    fn planes<'t>(&self, tensor: &'t [f32], swap: bool) -> [&'t [f32]; 3] {
        let size = self.width * self.height;
        let plane = |place: usize| &tensor[place * size..][..size];
        match self.channels {
            Channels::Gray => [plane(0); 3],
            _ if swap => [plane(2), plane(1), plane(0)],
            _ => [plane(0), plane(1), plane(2)],
        }
    }

    /// The three planes of the colours, in the other order if `swap`.
    fn planes_mut<'t>(&self, tensor: &'t mut [f32], swap: bool) -> [&'t mut [f32]; 3] {
        let size = self.width * self.height;
        let (first, rest) = tensor.split_at_mut(size);
        let (second, third) = rest.split_at_mut(size);
        let third = &mut third[..size];
        if swap { [third, second, first] } else { [first, second, third] }
    }

    /// The ranges of the three colours as [`TensorSpec::planes`] gives their planes.
    fn colour_ranges(&self, swap: bool) -> [[f32; 2]; 3] {
        let [first, second, third, _] = self.ranges;
        match self.channels {
            Channels::Gray => [first; 3],
            _ if swap => [third, second, first],
            _ => [first, second, third],
        }
    }

    /// # Panics
    /// Unless the tensor has the length that the spec says and room for the picture.
    fn check(&self, tensor: &[f32], picture: &Pixels) {
        assert_eq!(tensor.len(), self.len(), "the tensor's length differs from its spec");
        assert!(
            picture.width() + self.border <= self.width && picture.height() + self.border <= self.height,
            "a picture of {}x{} at {border}, {border} does not fit a tensor of {}x{}",
            picture.width(),
            picture.height(),
            self.width,
            self.height,
            border = self.border,
        );
        assert!(
            CELL_SIDES.contains(&self.cells)
                && (self.cells == 1 || (self.layout == Layout::Nchw && self.channels.count() == 3))
                && [self.width, self.height, self.border].iter().all(|length| length.is_multiple_of(self.cells)),
            "a tensor of {}x{} with a border of {} has no whole cells of {} pixels",
            self.width,
            self.height,
            self.border,
            self.cells,
        );
    }
}

/// A pixel in memory. Its three colours come and go as f32 from 0 to 255, in the order of memory.
trait Pixel: Copy {
    fn colours(self) -> [f32; 3];

    /// Rounds the colours, which are 0 to 255, to the nearest integer, ties to even.
    fn from_colours(colours: [f32; 3]) -> Self;
}

impl Pixel for [u8; 3] {
    #[inline(always)]
    fn colours(self) -> [f32; 3] {
        each(|place| f32::from(self[place]))
    }

    #[inline(always)]
    fn from_colours(colours: [f32; 3]) -> Self {
        each(|place| (colours[place] + TWO_TO_23).to_bits() as u8)
    }
}

/// Whole words are shifted and masked, because the compiler would gather and scatter single bytes slowly.
impl Pixel for [u8; 4] {
    #[inline(always)]
    fn colours(self) -> [f32; 3] {
        let word = u32::from_le_bytes(self);
        // By way of a signed integer: vector units convert only those in one instruction.
        each(|place| (word >> (8 * place) & 0xff) as i32 as f32)
    }

    #[inline(always)]
    fn from_colours(colours: [f32; 3]) -> Self {
        let [first, second, third] = each(|place| (colours[place] + TWO_TO_23).to_bits());
        // The exponents need no masking: two are shifted out, and one lies under the x byte.
        (first | second << 8 | third << 16 | 0xff << 24).to_le_bytes()
    }
}

/// Added to a number from 0 to 255, it leaves no bits for the fraction: the addition itself rounds to the nearest
/// integer, ties to even, and the integer stands in the lowest byte. Every vector unit adds; few can round.
const TWO_TO_23: f32 = 8_388_608.0;
