//! One network at one size: scale, pixels to tensor, run, tensor to pixels, scale back.

use std::time::{Duration, Instant};

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::geometry::{Geometry, MAX_SIDE, Size};
use super::onnx::{Loaded, RunStop, Session};
use super::picture_tensor::{ImageOutput, Scale};
use super::scaling::scale;
use super::stroke::Stroke;
use super::tensor::{
    Finish, PixelOrder, Pixels, PixelsMut, TensorSpec, finish_pixels, pixels_to_tensor, tensor_to_pixels,
    tensor_to_pixels_finished,
};
use super::weights::Weights;
use crate::error::{Error, Result};

/// Owns a session and everything that painting one size needs; nothing is allocated between changes of size.
pub struct SizedNetwork {
    session: Session,
    weights: Weights,
    /// The box that pictures are scaled into before painting.
    requested: Option<Size>,
    /// Pictures of more pixels are scaled down for painting, unless a box is requested.
    most_pixels: usize,
    /// No picture has to do with the one before.
    are_alone: bool,
    /// What of the last picture tells whether the next one goes on from it; only for a network that hands something on.
    last_fed: Option<Vec<f32>>,
    prepared: Option<Prepared>,
}

/// What depends on the picture's size and pixel order.
struct Prepared {
    geometry: Geometry,
    order: PixelOrder,
    scaling: Option<Scaling>,
}

/// Buffers for painting at another size than the picture's, or for a network whose output has another.
struct Scaling {
    resizer: Resizer,
    down: ResizeOptions,
    /// Leaves out what the last painted pixels hold beyond the picture.
    back: ResizeOptions,
    /// The size that goes into the network.
    size: Size,
    small: Vec<u8>,
    /// The size that comes out.
    painted_size: Size,
    painted: Vec<u8>,
}

/// Where the time of one picture went.
#[derive(Debug, Clone, Copy, Default)]
pub struct StageTimes {
    /// Scaling down, and pixels to tensor.
    pub before: Duration,
    pub inference: Duration,
    /// Tensor to pixels, and scaling up.
    pub after: Duration,
}

impl SizedNetwork {
    /// Paints with `network`; `requested` is the size to paint at (`None`: the picture's own).
    ///
    /// # Errors
    /// No memory for the network's inputs.
    pub fn new(network: Loaded, requested: Option<Size>) -> Result<Self> {
        let rows = network.manifest().style_numbers();
        let last_fed = (!network.manifest().states.is_empty()).then(Vec::new);
        let (session, weights) = (Session::new(network)?, Weights::none(rows, Stroke::Auto));
        Ok(Self { session, weights, requested, most_pixels: usize::MAX, are_alone: false, last_fed, prepared: None })
    }

    /// From now on, each picture is for itself. Bounds the memory that painting takes: larger ones are scaled down for it, and
    /// back.
    pub fn paint_alone(&mut self, most_pixels: usize) {
        (self.most_pixels, self.are_alone) = (most_pixels, true);
    }

    /// The size that a picture is painted at for that reason; `None` for its own.
    pub fn smaller_size(&self, picture: Size) -> Option<Size> {
        let (pixels, longest) = (picture.width * picture.height, picture.width.max(picture.height));
        let is_bounded = self.requested.is_none() && self.most_pixels < usize::MAX;
        (is_bounded && (pixels > self.most_pixels || longest > MAX_SIDE)).then(|| {
            let by_pixels = (self.most_pixels as f64 / pixels as f64).sqrt();
            let factor = by_pixels.min(MAX_SIDE as f64 / longest as f64);
            let [width, height] = [picture.width, picture.height].map(|side| (side as f64 * factor) as usize);
            Size::new(width.max(1), height.max(1))
        })
    }

    pub fn network(&self) -> &Loaded {
        self.session.loaded()
    }

    /// What ends its runs from another thread.
    pub fn stop(&self) -> RunStop {
        self.session.stop()
    }

    /// Its worker process is gone: it paints no more.
    pub fn is_down(&self) -> bool {
        self.session.is_down()
    }

    /// Sets the weight of each row of styles, of which the size that is painted at makes the final one; ignored by a network
    /// without a style input.
    pub fn set_weights(&mut self, weights: &Weights) {
        self.weights.clone_from(weights);
        // Without a size they wait for it.
        if let Some(Prepared { geometry, .. }) = &self.prepared {
            self.session.set_weights(weights.for_picture(geometry.painted));
        }
    }

    /// Allocates and warms up for pictures of this size; painting does it by itself when the size changes.
    pub fn prepare(&mut self, picture: Size, order: PixelOrder) -> Result<Geometry> {
        if let Some(Prepared { geometry, order: prepared, .. }) = &self.prepared
            && (geometry.picture, *prepared) == (picture, order)
        {
            return Ok(*geometry);
        }
        let requested = self.requested.or_else(|| self.smaller_size(picture));
        let geometry = Geometry::new(picture, requested, &self.network().manifest().input.size)?;
        self.prepared = None;
        self.session.set_weights(self.weights.for_picture(geometry.painted));
        self.session.prepare(geometry.tensor, geometry.border)?;
        // What was tried counts for nothing.
        self.session.forget();
        self.last_fed.iter_mut().for_each(Vec::clear);
        let output = &self.network().manifest().output;
        let direct = geometry.is_direct() && output.scale == Scale::ONE;
        let scaling = (!direct).then(|| Scaling::new(&geometry, output, order));
        self.prepared = Some(Prepared { geometry, order, scaling });
        Ok(geometry)
    }

    /// Paints `source` by `weights` into `painted`, which becomes as large as that takes; and how long the network took. Weights
    /// of the next picture are set after that.
    ///
    /// # Errors
    /// As [`SizedNetwork::paint`].
    pub fn paint_beside<'a>(
        &mut self,
        weights: &Weights,
        source: &Pixels,
        painted: &'a mut Vec<u8>,
    ) -> Result<(Pixels<'a>, Duration)> {
        self.set_weights(weights);
        painted.resize(source.data().len(), 0);
        let times = self.paint(source, None, &mut PixelsMut::like(painted, source))?;
        Ok((Pixels::like(painted, source), times.inference))
    }

    /// Paints `source` into `painted`, which has the same size and pixel order; `finish` says what is seen of it.
    ///
    /// # Errors
    /// The network fails, or cannot take this size.
    pub fn paint(
        &mut self,
        source: &Pixels,
        finish: Option<&mut Finish>,
        painted: &mut PixelsMut,
    ) -> Result<StageTimes> {
        let size = Size::new(source.width(), source.height());
        let fits = |prepared: &Prepared| prepared.geometry.picture == size && prepared.order == source.order();
        if !self.prepared.as_ref().is_some_and(fits) {
            self.prepare(size, source.order())?;
        }
        let prepared = self.prepared.as_mut().unwrap_or_else(|| unreachable!("prepared above"));

        let begun = Instant::now();
        let (spec, tensor) = self.session.input();
        match &mut prepared.scaling {
            Some(scaling) if !prepared.geometry.is_direct() => {
                pixels_to_tensor(&scaling.scale_down(source)?, spec, tensor)
            }
            _ => pixels_to_tensor(source, spec, tensor),
        }
        let fed = Extremes::of(tensor).within(spec);
        if let Some(last) = &mut self.last_fed
            && (is_cut(spec, tensor, last) || self.are_alone)
        {
            self.session.forget();
        }
        let before = begun.elapsed();

        let inference = self.session.run()?;

        let run_end = Instant::now();
        let (spec, tensor) = self.session.output();
        // Mixed styles may cancel each other out.
        let must_show = fed >= HAS_FORMS && !self.weights.mix_at(prepared.geometry.painted);
        if let Some(what) = Extremes::of(tensor).fault(must_show) {
            let network = self.session.loaded().manifest().model_path();
            let network = network.display();
            return Err(Error::model(format!(
                "{network}: a picture came out as {what}; `impasto check {network}` tries it"
            )));
        }
        match &mut prepared.scaling {
            None => match finish {
                Some(finish) => tensor_to_pixels_finished(tensor, spec, finish, painted),
                None => tensor_to_pixels(tensor, spec, painted),
            },
            Some(scaling) => {
                tensor_to_pixels(tensor, spec, &mut scaling.painted_pixels(source.order())?);
                scaling.scale_back(painted)?;
                if let Some(finish) = finish {
                    finish_pixels(finish, painted);
                }
            }
        }
        Ok(StageTimes { before, inference, after: run_end.elapsed() })
    }
}

/// A picture is another one, and not the same a moment later, if its values differ by so much of the range on average.
const CUT: f32 = 0.15;

/// Whether `tensor` is another picture than the one whose values are in `last`; keeps its own there.
fn is_cut(spec: &TensorSpec, tensor: &[f32], last: &mut Vec<f32>) -> bool {
    let [low, high] = spec.ranges[0];
    let mut apart = 0.0;
    for (last, now) in last.iter_mut().zip(some_of(tensor)) {
        apart += (std::mem::replace(last, now) - now).abs();
    }
    if last.is_empty() {
        last.extend(some_of(tensor));
    }
    apart > CUT * (high - low).abs() * last.len() as f32
}

/// Values all over a tensor.
fn some_of(tensor: &[f32]) -> impl Iterator<Item = f32> {
    // Odd, so that it does not walk along one column.
    tensor.iter().copied().step_by((tensor.len() / LOOKED_AT) | 1)
}

/// So many values of a tensor are looked at for each picture: what is wrong with a network is wrong almost everywhere.
const LOOKED_AT: usize = 1024;

/// A picture that spans so much of the range has forms, which must leave something in what is painted.
const HAS_FORMS: f32 = 0.25;

/// The smallest and the largest of some values all over a tensor; not finite if one of them is not.
#[derive(Clone, Copy)]
struct Extremes {
    least: f32,
    most: f32,
}

impl Extremes {
    fn of(tensor: &[f32]) -> Self {
        let none = Self { least: f32::INFINITY, most: f32::NEG_INFINITY };
        some_of(tensor).fold(none, |Self { least, most }, value| match value.is_nan() {
            true => Self { least: f32::NEG_INFINITY, most: f32::INFINITY },
            false => Self { least: least.min(value), most: most.max(value) },
        })
    }

    /// The share of the range of `spec` between them.
    fn within(self, spec: &TensorSpec) -> f32 {
        let [low, high] = spec.ranges[0];
        (self.most - self.least) / (high - low).abs()
    }

    /// What cannot be a painting; of a picture with forms, something `must_show`.
    fn fault(self, must_show: bool) -> Option<&'static str> {
        match self {
            Self { least, most } if !least.is_finite() || !most.is_finite() => {
                Some("values that are no numbers (NaN or infinite)")
            }
            Self { least, most } if least == most && must_show => Some("one value everywhere"),
            _ => None,
        }
    }
}

impl Scaling {
    fn new(geometry: &Geometry, output: &ImageOutput, order: PixelOrder) -> Self {
        let (size, painted_size) = (geometry.painted, output.painted(geometry.painted));
        let bytes = |size: Size| vec![0; size.width * size.height * order.bytes()];
        // The x byte of a pixel is no alpha.
        let down = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom)).use_alpha(false);
        let exactly = |side: usize| output.scale.exactly(side);
        let back = down.crop(0.0, 0.0, exactly(size.width), exactly(size.height));
        let small = if geometry.is_direct() { Vec::new() } else { bytes(size) };
        Self { resizer: Resizer::new(), down, back, size, small, painted_size, painted: bytes(painted_size) }
    }

    fn scale_down(&mut self, source: &Pixels) -> Result<Pixels<'_>> {
        let Size { width, height } = self.size;
        let mut small = PixelsMut::packed(&mut self.small, width, height, source.order()).ok_or_else(misfit)?;
        scale((&mut self.resizer, &self.down), source, &mut small)?;
        Ok(small.into_pixels())
    }

    /// The picture that the network's output is written to.
    fn painted_pixels(&mut self, order: PixelOrder) -> Result<PixelsMut<'_>> {
        let Size { width, height } = self.painted_size;
        PixelsMut::packed(&mut self.painted, width, height, order).ok_or_else(misfit)
    }

    fn scale_back(&mut self, painted: &mut PixelsMut) -> Result<()> {
        let Size { width, height } = self.painted_size;
        let small = Pixels::packed(&self.painted, width, height, painted.order()).ok_or_else(misfit)?;
        scale((&mut self.resizer, &self.back), &small, painted)
    }
}

fn misfit() -> Error {
    Error::model("a picture to be scaled has too little memory")
}
