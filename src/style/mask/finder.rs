//! Finds people in the pictures of a stream: a small network at its own size, held steady, and refined by each picture.

use std::time::{Duration, Instant};

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::super::geometry::Size;
use super::super::onnx::{Device, Session, SessionOptions};
use super::super::scaling::scale;
use super::super::tensor::cover::{Beside, CELL, Cover, cells, luminance, shrink};
use super::super::tensor::{Masked, PixelOrder, Pixels, PixelsMut, pixels_to_tensor};
use super::blur::Blur;
use super::guided::Guided;
use super::network::find;
use super::part::{MaskAmounts, Unpainted};
use crate::error::{Error, Result};

/// How much of a small change is taken over at once; of one as large as [`SURELY`], all: nothing trails behind who moves.
const TAKEN: f32 = 0.3;
const SURELY: f32 = 0.25;

/// Finding people may take so much of each frame of a live stream. Where it takes more, it is done for every second frame, or
/// more seldom, and the mask follows the edges of those between.
const LIVE_SHARE: Duration = Duration::from_millis(8);
const MOST_SELDOM: u32 = 4;

/// Owns a network that finds people, and all that masking pictures of one size takes.
pub struct MaskFinder {
    session: Session,
    /// The size that goes into the network.
    size: Size,
    /// Only for what is blurred.
    resizer: Resizer,
    /// The picture, as the network takes it.
    fed: Vec<u8>,
    /// How sure it is of each place that somebody is there, held steady; nothing for the first picture.
    found: Vec<f32>,
    is_blank: bool,
    pace: Pace,
    /// No picture has to do with the one before.
    are_alone: bool,
    prepared: Option<Prepared>,
}

/// For which frames people are looked for.
struct Pace {
    is_live: bool,
    every: u32,
    passed: u32,
}

/// What depends on the picture's size and pixel order.
struct Prepared {
    picture: Size,
    order: PixelOrder,
    cells: [usize; 2],
    /// One pixel for each cell.
    small: Vec<u8>,
    sums: Vec<u16>,
    guide: Vec<f32>,
    /// From the cells to the network, and back.
    to_network: [Vec<Between>; 2],
    to_cells: [Vec<Between>; 2],
    /// The mask, as coarse as it was found.
    coarse: Vec<f32>,
    guided: Guided,
    cover: Cover,
    blur: Blur,
    /// The blurred picture, where one is wanted.
    blurred: Vec<u8>,
}

impl MaskFinder {
    /// Loads the network that the options lead to. It runs here, on one thread of the CPU: there is little to do.
    ///
    /// # Errors
    /// There is none, or it is not what its manifest says.
    pub fn open(options: &SessionOptions) -> Result<Self> {
        let manifest = find(&options.mask)?;
        let [width, height] = manifest.input.size.fixed.unwrap_or_default();
        let own =
            SessionOptions { device: Device::Cpu, threads: Some(1), spin: false, worker: None, ..options.clone() };
        let mut session = Session::open(&manifest, &own)?;
        let size = Size::new(width, height);
        session.prepare(size, 0)?;
        let (spec, _) = session.output();
        if (spec.width, spec.height) != (width, height) {
            return Err(Error::model(format!(
                "{}: a mask of {}x{} comes out for pictures of {size}; it must have their size",
                manifest.model_path().display(),
                spec.width,
                spec.height
            )));
        }
        Ok(Self {
            session,
            size,
            resizer: Resizer::new(),
            fed: Vec::new(),
            found: vec![0.0; width * height],
            is_blank: true,
            pace: Pace { is_live: false, every: 1, passed: 0 },
            are_alone: false,
            prepared: None,
        })
    }

    /// From now on, each picture is for itself.
    pub fn find_alone(&mut self) {
        self.are_alone = true;
    }

    /// From now on, frames come as fast as they come: people are looked for as often as there is time.
    pub fn keep_up(&mut self) {
        self.pace.is_live = true;
    }

    /// Nothing of the pictures before counts for the next one.
    pub fn forget(&mut self) {
        self.is_blank = true;
    }

    /// Allocates for pictures of this size; finding does it by itself.
    pub fn prepare(&mut self, picture: Size, order: PixelOrder) {
        let fits = |prepared: &Prepared| (prepared.picture, prepared.order) == (picture, order);
        if self.prepared.as_ref().is_some_and(fits) {
            return;
        }
        let cells = cells(picture);
        let [wide, high] = cells;
        self.fed = vec![0; self.size.width * self.size.height * order.bytes()];
        self.is_blank = true;
        self.prepared = Some(Prepared {
            picture,
            order,
            cells,
            small: vec![0; wide * high * order.bytes()],
            sums: vec![0; picture.width * order.bytes()],
            guide: vec![0.0; wide * high],
            to_network: {
                let Size { width, height } = self.size;
                let (across, down) = (picture.width as f32 / CELL as f32, picture.height as f32 / CELL as f32);
                [between(width, across / width as f32, wide), between(height, down / height as f32, high)]
            },
            // Cells at the far edges may be cut off.
            to_cells: {
                let Size { width, height } = self.size;
                let times = |side: usize, of: usize| (side * CELL) as f32 / of as f32;
                [
                    between(wide, times(width, picture.width), width),
                    between(high, times(height, picture.height), height),
                ]
            },
            coarse: vec![0.0; wide * high],
            guided: Guided::new(wide, high),
            cover: Cover::new(picture),
            blur: Blur::new(wide, high),
            blurred: Vec::new(),
        });
    }

    /// Finds the people in the next picture; what is returned lays a painting over it as `amounts` say, where they say so over
    /// the picture `beside`.
    ///
    /// # Errors
    /// The network fails.
    pub fn find<'a>(
        &'a mut self,
        source: &Pixels,
        amounts: &MaskAmounts,
        beside: Option<Pixels<'a>>,
    ) -> Result<Masked<'a>> {
        self.prepare(Size::new(source.width(), source.height()), source.order());
        let Some(prepared) = &mut self.prepared else { unreachable!("prepared above") };
        shrink(source, &mut prepared.sums, &mut prepared.small);
        luminance(&prepared.small, prepared.order, &mut prepared.guide);
        if self.pace.is_due() || self.is_blank {
            let begun = Instant::now();
            prepared.feed(&mut self.fed);
            let Size { width, height } = self.size;
            let fed = Pixels::packed(&self.fed, width, height, prepared.order);
            let (spec, tensor) = self.session.input();
            pixels_to_tensor(&fed.ok_or_else(misfit)?, spec, tensor);
            self.session.run()?;
            let (spec, tensor) = self.session.output();
            let [low, high] = spec.ranges[0];
            let first = std::mem::take(&mut self.is_blank) || self.are_alone;
            for (found, value) in self.found.iter_mut().zip(tensor) {
                *found = held(*found, ((value - low) / (high - low)).clamp(0.0, 1.0), first);
            }
            self.pace.took(begun.elapsed());
        }
        prepared.take(&self.found, self.size, amounts);
        prepared.cover.show(amounts.person, amounts.background, amounts.feather);
        if amounts.unpainted == Unpainted::Blur {
            prepared.blur(&mut self.resizer)?;
        }
        let Prepared { cover, blurred, order, .. } = prepared;
        let beside = match (&amounts.unpainted, beside) {
            (Unpainted::Style(_), Some(picture)) => Beside::Picture(picture),
            (Unpainted::Source | Unpainted::Style(_), _) => Beside::Source,
            (Unpainted::Colour(colour), _) => Beside::Colour(order.in_memory(*colour)),
            (Unpainted::Blur, _) => {
                let blurred = Pixels::packed(blurred, source.width(), source.height(), *order);
                Beside::Picture(blurred.ok_or_else(misfit)?)
            }
        };
        Ok(Masked { cover, beside })
    }
}

/// The value that is shown, of the one before and what was found now.
fn held(before: f32, now: f32, is_first: bool) -> f32 {
    let change = now - before;
    let taken = if is_first { 1.0 } else { (TAKEN + change.abs() * ((1.0 - TAKEN) / SURELY)).min(1.0) };
    // NaN is nobody.
    let value = before + change * taken;
    if value.is_nan() { 0.0 } else { value }
}

impl Pace {
    fn is_due(&mut self) -> bool {
        self.passed += 1;
        self.passed >= self.every
    }

    fn took(&mut self, time: Duration) {
        let times = time.as_secs_f64() / LIVE_SHARE.as_secs_f64();
        self.every = if self.is_live { (times.ceil() as u32).clamp(1, MOST_SELDOM) } else { 1 };
        self.passed = 0;
    }
}

impl Prepared {
    /// Scales the cells to the size of the network.
    fn feed(&self, fed: &mut [u8]) {
        let ([across, down], bytes) = (&self.to_network, self.order.bytes());
        for (row, line) in fed.chunks_exact_mut(across.len() * bytes).zip(down) {
            let wide = self.cells[0] * bytes;
            let [above, below] = [line.first, line.second].map(|row| &self.small[row * wide..][..wide]);
            for (pixel, column) in row.chunks_exact_mut(bytes).zip(across) {
                for (byte, value) in pixel.iter_mut().enumerate() {
                    let at = |row: &[u8]| {
                        let of = |place: usize| f32::from(row[place * bytes + byte]);
                        column.mix(of(column.first), of(column.second))
                    };
                    *value = (line.mix(at(above), at(below)) + 0.5) as u8;
                }
            }
        }
    }

    /// Takes the mask of the network's size, and refines it.
    fn take(&mut self, found: &[f32], size: Size, amounts: &MaskAmounts) {
        let [across, down] = &self.to_cells;
        for (row, line) in self.coarse.chunks_exact_mut(across.len()).zip(down) {
            let [above, below] = [line.first, line.second].map(|row| &found[row * size.width..][..size.width]);
            for (value, column) in row.iter_mut().zip(across) {
                *value = line.mix(column.of(above), column.of(below));
            }
        }
        let Cover { slope, base, .. } = &mut self.cover;
        self.guided.refine(&self.coarse, &self.guide, amounts.feather, slope, base);
    }

    /// Blurs what lies beside the painting: its cells, which are then scaled up.
    fn blur(&mut self, resizer: &mut Resizer) -> Result<()> {
        let bytes = self.picture.width * self.picture.height * self.order.bytes();
        self.blurred.resize(bytes, 0);
        let [wide, high] = self.cells;
        self.cover.besides(&self.guide, self.blur.shares());
        match self.order.bytes() {
            3 => self.blur.apply::<3>(&mut self.small),
            _ => self.blur.apply::<4>(&mut self.small),
        }
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Interpolation(FilterType::Bilinear)).use_alpha(false);
        let Size { width, height } = self.picture;
        let small = Pixels::packed(&self.small, wide, high, self.order).ok_or_else(misfit)?;
        let mut blurred = PixelsMut::packed(&mut self.blurred, width, height, self.order).ok_or_else(misfit)?;
        scale((resizer, &options), &small, &mut blurred)
    }
}

/// Two places of a row between which another lies, and the share of the second.
struct Between {
    first: usize,
    second: usize,
    share: f32,
}

impl Between {
    fn of(&self, row: &[f32]) -> f32 {
        self.mix(row[self.first], row[self.second])
    }

    fn mix(&self, first: f32, second: f32) -> f32 {
        first + (second - first) * self.share
    }
}

/// Where the middles of `count` places lie in a row of `length`, of which each is `times` one of theirs.
fn between(count: usize, times: f32, length: usize) -> Vec<Between> {
    let of = |number: usize| {
        let place = ((number as f32 + 0.5) * times - 0.5).clamp(0.0, (length - 1) as f32);
        let first = place as usize;
        Between { first, second: (first + 1).min(length - 1), share: place - first as f32 }
    };
    (0..count).map(of).collect()
}

fn misfit() -> Error {
    Error::model("a picture to be masked has too little memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_changes_seep_in_and_large_ones_are_shown_at_once() {
        assert_eq!([held(0.5, 0.5, false), held(0.0, 1.0, false), held(1.0, 0.7, false)], [0.5, 1.0, 0.7]);
        assert!((held(0.5, 0.6, false) - 0.558).abs() < 0.001, "{}", held(0.5, 0.6, false));
        assert_eq!([held(0.5, 0.6, true), held(0.5, f32::NAN, false)], [0.6, 0.0]);
    }

    #[test]
    fn people_are_looked_for_as_often_as_there_is_time() {
        let ms = Duration::from_millis;
        let frames = |is_live: bool, took: u64| {
            let mut pace = Pace { is_live, every: 1, passed: 0 };
            let mut found = |_: &u32| {
                let due = pace.is_due();
                if due {
                    pace.took(ms(took));
                }
                due
            };
            (0..12).filter(&mut found).count()
        };
        assert_eq!([frames(true, 2), frames(true, 12), frames(true, 100), frames(false, 100)], [12, 6, 3, 12]);
    }
}
