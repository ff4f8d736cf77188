//! What is seen of the painted picture: cross-fade, steadiness, colours and strength, row by row while it is in the cache.

use super::cover::{Beside, Cover};
use super::numbers::{clamp, greater, lesser, mix};
use super::simd::{self, Pass};
use super::{Pixel, Pixels, PixelsMut, TemporalFilter};
use crate::style::flow::FlowFilter;

/// How a painted picture is finished. In this order: it is laid over what lies `under` it, held steady, blended
/// with the unpainted picture, and masked.
#[derive(Debug)]
pub struct Finish<'a> {
    /// The unpainted picture; it has the size and pixel order of the painted one.
    pub source: &'a Pixels<'a>,
    /// How much of the painted picture is seen: 0 (the source exactly) to 1.
    pub strength: f32,
    /// How much of that keeps the source's chroma: 0 to 1.
    pub colours: f32,
    /// The painted picture that is being left, and how much the new one covers of it: 0 to 1.
    pub under: Option<(Pixels<'a>, f32)>,
    /// Holds what was shown before, once it has watched the source.
    pub filter: Option<Held<'a>>,
    /// Which part of it is seen at all.
    pub mask: Option<Masked<'a>>,
}

/// Shows a picture in a part only.
#[derive(Debug)]
pub struct Masked<'a> {
    pub cover: &'a mut Cover,
    pub beside: Beside<'a>,
}

/// What holds the picture.
#[derive(Debug)]
pub enum Held<'a> {
    /// Still areas only.
    Still(&'a mut TemporalFilter),
    /// What moves too.
    Moving(&'a mut FlowFilter),
}

impl Held<'_> {
    fn fits(&self, picture: &Pixels) -> bool {
        match self {
            Self::Still(filter) => filter.fits(picture),
            Self::Moving(filter) => filter.fits(picture),
        }
    }

    /// The same, borrowed for less long.
    fn reborrow(&mut self) -> Held<'_> {
        match self {
            Self::Still(filter) => Held::Still(filter),
            Self::Moving(filter) => Held::Moving(filter),
        }
    }
}

impl Finish<'_> {
    /// True if it changes nothing.
    pub fn is_plain(&self) -> bool {
        self.strength >= 1.0
            && self.colours <= 0.0
            && self.under.is_none()
            && self.filter.is_none()
            && self.mask.is_none()
    }

    /// # Panics
    /// Unless all pictures have the same size and pixel order.
    pub(super) fn check(&self, dst: &Pixels) {
        let same = |picture: &Pixels| {
            (picture.width(), picture.height(), picture.order()) == (dst.width(), dst.height(), dst.order())
        };
        assert!(
            same(self.source) && self.under.as_ref().is_none_or(|(under, _)| same(under)),
            "the unpainted picture differs from the painted one in size or pixel order"
        );
        assert!(self.filter.as_ref().is_none_or(|filter| filter.fits(dst)), "the held picture has another size");
        let fits = |mask: &Masked| match mask.beside {
            Beside::Picture(picture) => mask.cover.fits(dst) && same(&picture),
            _ => mask.cover.fits(dst),
        };
        assert!(self.mask.as_ref().is_none_or(fits), "the mask has another size");
    }

    /// What the rows of this picture go through.
    pub(super) fn rows(&mut self) -> Rows<'_> {
        let strength = clamp(self.strength, 1.0);
        let colours = clamp(self.colours, 1.0);
        Rows {
            source: self.source,
            under: self.under.map(|(under, part)| (under, clamp(part, 1.0))),
            filter: self.filter.as_mut().map(Held::reborrow),
            mask: self.mask.as_mut().map(|Masked { cover, beside }| Masked { cover, beside: *beside }),
            blend: Blend {
                painted: strength * (1.0 - colours),
                luminance: strength * colours,
                weights: match self.source.order().is_blue_first() {
                    false => LUMINANCE,
                    true => [LUMINANCE[2], LUMINANCE[1], LUMINANCE[0]],
                },
            },
        }
    }
}

/// Finishes the painted picture `dst` in place.
///
/// # Panics
/// Pictures differ in size or pixel order.
pub fn finish_pixels(finish: &mut Finish, dst: &mut PixelsMut) {
    finish.check(&dst.as_ref());
    simd::run(InPlace { rows: finish.rows(), dst });
}

pub(super) struct InPlace<'a, 'd> {
    pub rows: Rows<'a>,
    pub dst: &'a mut PixelsMut<'d>,
}

impl Pass for InPlace<'_, '_> {
    #[inline(always)]
    fn run(mut self) {
        for y in 0..self.dst.height() {
            match self.dst.order().bytes() {
                3 => self.rows.finish::<3>(y, self.dst.row_mut(y)),
                _ => self.rows.finish::<4>(y, self.dst.row_mut(y)),
            }
        }
    }
}

/// A [`Finish`] with its numbers checked.
pub(super) struct Rows<'a> {
    source: &'a Pixels<'a>,
    under: Option<(Pixels<'a>, f32)>,
    filter: Option<Held<'a>>,
    mask: Option<Masked<'a>>,
    blend: Blend,
}

impl Rows<'_> {
    /// Finishes row `y`, whose painted pixels are `row`.
    #[inline(always)]
    pub fn finish<const BYTES: usize>(&mut self, y: usize, row: &mut [u8])
    where
        [u8; BYTES]: Pixel,
    {
        let (pixels, _) = row.as_chunks_mut::<BYTES>();
        if let Some((under, part)) = &self.under {
            let (under, _) = under.row(y).as_chunks::<BYTES>();
            for (pixel, under) in pixels.iter_mut().zip(under) {
                *pixel = Pixel::from_colours(mix(under.colours(), pixel.colours(), *part));
            }
        }
        match &mut self.filter {
            Some(Held::Still(filter)) => filter.hold_row(y, row),
            Some(Held::Moving(filter)) => filter.hold_row::<BYTES>(y, row),
            None => {}
        }
        let blend = self.blend;
        let (pixels, _) = row.as_chunks_mut::<BYTES>();
        let (source, _) = self.source.row(y).as_chunks::<BYTES>();
        if blend.luminance > 0.0 {
            for (pixel, source) in pixels.iter_mut().zip(source) {
                *pixel = Pixel::from_colours(blend.with_luminance(source.colours(), pixel.colours()));
            }
        } else if blend.painted < 1.0 {
            for (pixel, source) in pixels.iter_mut().zip(source) {
                *pixel = Pixel::from_colours(mix(source.colours(), pixel.colours(), blend.painted));
            }
        }
        if let Some(Masked { cover, beside }) = &mut self.mask {
            cover.lay::<BYTES>(y, self.source, beside, row);
        }
    }
}

/// The luminance of red, green and blue (BT.709).
pub(super) const LUMINANCE: [f32; 3] = [0.2126, 0.7152, 0.0722];

/// How much of the painted picture, and of its luminance alone, is added to the source; together 0 to 1.
#[derive(Clone, Copy)]
struct Blend {
    painted: f32,
    luminance: f32,
    /// The luminance of the colours in the order of memory.
    weights: [f32; 3],
}

impl Blend {
    /// All three colours move by the same number of steps, which keeps their differences, the chroma. They move no
    /// farther than all of them can: in the corners of the colour cube the luminance gives way to the chroma.
    #[inline(always)]
    fn with_luminance(self, source: [f32; 3], painted: [f32; 3]) -> [f32; 3] {
        let difference = [painted[0] - source[0], painted[1] - source[1], painted[2] - source[2]];
        let [first, second, third] = self.weights;
        let lighter = difference[0] * first + difference[1] * second + difference[2] * third;
        let lowest = -lesser(lesser(source[0], source[1]), source[2]);
        let highest = 255.0 - greater(greater(source[0], source[1]), source[2]);
        let lighter = greater(lesser(lighter, highest), lowest) * self.luminance;
        let finished = |colour: usize| source[colour] + (difference[colour] * self.painted + lighter);
        [finished(0), finished(1), finished(2)]
    }
}
