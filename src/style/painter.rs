//! Paints one picture after the other in a look that may change between them: cross-fades, strength, colours, steadiness.

use std::time::{Duration, Instant};

use super::catalog::Choice;
use super::flow::FlowFilter;
use super::geometry::Size;
use super::look::{Modulation, ResolvedLook};
use super::mask::MaskFinder;
use super::onnx::{Loaded, SessionOptions};
use super::sized_network::SizedNetwork;
pub use super::sized_network::StageTimes;
use super::steadiness::Steadiness;
use super::tensor::{Finish, Held, PixelOrder, Pixels, PixelsMut, TemporalFilter, mirror_pixels};
use crate::error::Result;

/// Owns everything that painting a stream needs; nothing is allocated between changes of look or size.
pub struct Painter {
    sized: SizedNetwork,
    /// The network that is being left, until the cross-fade is over.
    outgoing: Option<Outgoing>,
    fade: Fade,
    modulation: Modulation,
    /// The look of the latest picture: that of the fade, driven.
    driven: ResolvedLook,
    still: TemporalFilter,
    flow: FlowFilter,
    /// Who finds people, for a look with a mask.
    finder: Option<MaskFinder>,
    /// The picture in the style of the other part; empty until there is one.
    beside: Vec<u8>,
    mirrored: bool,
    /// The mirrored source; empty until it is needed.
    mirror: Vec<u8>,
    retire: Option<Box<dyn Fn(SizedNetwork) + Send>>,
}

/// A network that paints below the new one while they cross-fade.
struct Outgoing {
    sized: SizedNetwork,
    painted: Vec<u8>,
}

/// A change of the look on its way.
struct Fade {
    from: ResolvedLook,
    to: ResolvedLook,
    /// What is painted now.
    now: ResolvedLook,
    begun: Duration,
    /// 0 to 1; 1 when it is over.
    progress: f32,
    /// The time of the latest picture.
    time: Duration,
}

impl Painter {
    /// Loads the chosen network; `requested` is the size to paint at (`None`: the picture's own).
    ///
    /// # Errors
    /// The network does not load, or the one that finds people for a mask.
    pub fn open(choice: &Choice, requested: Option<Size>, options: &SessionOptions) -> Result<Self> {
        let sized = SizedNetwork::new(Loaded::open(&choice.network, options)?, requested)?;
        Ok(Self {
            sized,
            outgoing: None,
            fade: Fade::new(choice.resolved.clone()),
            modulation: Modulation::default(),
            driven: choice.resolved.clone(),
            still: TemporalFilter::default(),
            flow: FlowFilter::default(),
            finder: choice.resolved.mask.is_on().then(|| MaskFinder::open(options)).transpose()?,
            beside: Vec::new(),
            mirrored: false,
            mirror: Vec::new(),
            retire: None,
        })
    }

    /// As [`SizedNetwork::paint_alone`].
    pub fn paint_alone(&mut self, most_pixels: usize) {
        self.sized.paint_alone(most_pixels);
        self.finder.iter_mut().for_each(MaskFinder::find_alone);
    }

    /// The size that a picture is painted at for that reason; `None` for its own.
    pub fn smaller_size(&self, picture: Size) -> Option<Size> {
        self.sized.smaller_size(picture)
    }

    /// The network that paints.
    pub fn network(&self) -> &Loaded {
        self.sized.network()
    }

    /// Allocates and warms up for pictures of this size; painting does it by itself when the size changes.
    ///
    /// # Errors
    /// The network cannot take this size.
    pub fn prepare(&mut self, picture: Size, order: PixelOrder) -> Result<()> {
        self.sized.set_weights(&self.fade.now.weights);
        self.sized.prepare(picture, order)?;
        self.finder.iter_mut().for_each(|finder| finder.prepare(picture, order));
        match self.fade.to.steadiness {
            Steadiness::Flow => self.flow.prepare(picture, order),
            steadiness if steadiness.remembers() => self.still.prepare(picture, order),
            _ => {}
        }
        Ok(())
    }

    /// Who gets the sized networks that have painted their last picture; without it they are dropped at once.
    pub fn retire_to(&mut self, retire: impl Fn(SizedNetwork) + Send + 'static) {
        self.retire = Some(Box::new(retire));
    }

    /// From the next picture on, fades to `resolved`: within the same network, or over to `sized`, which must be
    /// prepared.
    pub fn change_look(&mut self, resolved: ResolvedLook, sized: Option<SizedNetwork>) {
        let Some(sized) = sized else {
            self.fade.begin(resolved);
            return;
        };
        let left = std::mem::replace(&mut self.sized, sized);
        // In the middle of another cross-fade the network that is seen more goes on below.
        let below = match self.outgoing.take() {
            Some(outgoing) if self.fade.progress < 0.5 => {
                self.retire(left);
                outgoing.sized
            }
            Some(outgoing) => {
                self.retire(outgoing.sized);
                left
            }
            None => left,
        };
        if resolved.fade > Duration::ZERO {
            self.outgoing = Some(Outgoing { sized: below, painted: Vec::new() });
        } else {
            self.retire(below);
        }
        // Weights of another network mean something else: they do not fade.
        self.fade.now.weights.clone_from(&resolved.weights);
        self.fade.now.beside.clone_from(&resolved.beside);
        self.fade.begin(resolved);
    }

    /// From the next picture on, paints with `sized`: the same network, prepared for another size.
    pub fn change_size(&mut self, sized: SizedNetwork) {
        let left = std::mem::replace(&mut self.sized, sized);
        self.retire(left);
    }

    /// The network that paints crashed with its worker process: [`Painter::change_size`] with the same one, loaded again,
    /// or another network puts that right.
    pub fn is_down(&self) -> bool {
        self.sized.is_down()
    }

    /// Looks with a mask can be painted from now on.
    pub fn set_finder(&mut self, finder: MaskFinder) {
        self.finder = Some(finder);
    }

    /// Frames come as fast as they come: people are looked for as often as there is time.
    pub fn keep_up(&mut self) {
        self.finder.iter_mut().for_each(MaskFinder::keep_up);
    }

    /// It finds people.
    pub fn has_finder(&self) -> bool {
        self.finder.is_some()
    }

    /// Swaps left and right from the next picture on.
    pub fn set_mirrored(&mut self, mirrored: bool) {
        self.mirrored = mirrored;
    }

    /// From the next picture on, drives numbers of the look so.
    pub fn modulate(&mut self, modulation: Modulation) {
        self.modulation = modulation;
    }

    /// Says when the next picture is shown; changes fade along these times.
    pub fn advance(&mut self, time: Duration) {
        self.fade.advance(time);
        if self.fade.progress >= 1.0
            && let Some(outgoing) = self.outgoing.take()
        {
            self.retire(outgoing.sized);
        }
    }

    /// Paints `source` into `painted`, which has the same size and pixel order.
    ///
    /// # Errors
    /// The network fails, or cannot take this size.
    pub fn paint(&mut self, source: &Pixels, painted: &mut PixelsMut) -> Result<StageTimes> {
        let begun = Instant::now();
        let mirrored;
        let source = if self.mirrored {
            mirrored = mirror_pixels(source, &mut self.mirror);
            &mirrored
        } else {
            source
        };
        let stroke_before = self.driven.weights.stroke();
        self.driven.copy(&self.fade.now);
        self.modulation.drive(&mut self.driven);
        let ResolvedLook { weights, beside, strength, colours, steadiness, mask, .. } = &self.driven;
        let mut inference = Duration::ZERO;
        let beside = match beside {
            Some(weights) if mask.is_on() => {
                let (picture, took) = self.sized.paint_beside(weights, source, &mut self.beside)?;
                inference = took;
                Some(picture)
            }
            _ => None,
        };
        self.sized.set_weights(weights);
        let mut under = None;
        if let Some(Outgoing { sized, painted }) = &mut self.outgoing {
            painted.resize(source.data().len(), 0);
            let mut pixels = PixelsMut::like(painted, source);
            match sized.paint(source, None, &mut pixels) {
                Ok(_) => under = Some((Pixels::like(painted, source), self.fade.progress)),
                // It is being left anyway.
                Err(_) if sized.is_down() => {}
                Err(error) => return Err(error),
            }
        }
        // While the painting itself changes there is nothing to hold, but it is watched for what comes after.
        let repaints = self.fade.repaints() || under.is_some() || weights.stroke() != stroke_before;
        let filter = match *steadiness {
            Steadiness::Flow => Some(Held::Moving(self.flow.watch(source, !repaints))),
            Steadiness::Still(firmness) if firmness > 0.0 => {
                Some(Held::Still(self.still.watch(source, if repaints { 0.0 } else { firmness })))
            }
            Steadiness::Still(_) => {
                self.still.forget();
                None
            }
        };
        let mask = match &mut self.finder {
            Some(finder) if mask.is_on() => Some(finder.find(source, mask, beside)?),
            Some(finder) => {
                finder.forget();
                None
            }
            None => None,
        };
        let mut finish = Finish { source, strength: *strength, colours: *colours, under, filter, mask };
        let before = begun.elapsed();
        let mut times = self.sized.paint(source, (!finish.is_plain()).then_some(&mut finish), painted)?;
        times.before += before.saturating_sub(inference);
        times.inference += inference;
        Ok(times)
    }

    fn retire(&self, sized: SizedNetwork) {
        if let Some(retire) = &self.retire {
            retire(sized);
        }
    }
}

impl Fade {
    fn new(resolved: ResolvedLook) -> Self {
        let (from, now) = (resolved.clone(), resolved.clone());
        Self { from, to: resolved, now, begun: Duration::ZERO, progress: 1.0, time: Duration::ZERO }
    }

    /// Begins at what is painted now and at the time of the latest picture, so that the next one shows the change.
    fn begin(&mut self, to: ResolvedLook) {
        self.from.clone_from(&self.now);
        self.to = to;
        self.begun = self.time;
        self.progress = 0.0;
    }

    fn advance(&mut self, time: Duration) {
        self.time = time;
        if self.progress >= 1.0 {
            return;
        }
        let (passed, whole) = (time.saturating_sub(self.begun), self.to.fade);
        let over = passed >= whole;
        self.progress = if over { 1.0 } else { passed.as_secs_f32() / whole.as_secs_f32() };
        let Self { from, to, now, progress, .. } = self;
        // The end is exact, whatever the arithmetic on the way.
        let mix = |from: f32, to: f32| if over { to } else { from + (to - from) * *progress };
        now.set_between(from, to, mix);
        if over {
            now.weights.clone_from(&to.weights);
        }
    }

    /// True while the network paints each frame differently.
    fn repaints(&self) -> bool {
        self.progress < 1.0 && self.from.weights != self.to.weights
    }
}

#[cfg(test)]
mod tests {
    use super::super::mask::{Mask, MaskAmounts, Unpainted};
    use super::super::stroke::Stroke;
    use super::super::weights::Weights;
    use super::*;

    fn resolved(weights: &[f32], strength: f32, fade_ms: u64) -> ResolvedLook {
        let fade = Duration::from_millis(fade_ms);
        let mut of_rows = Weights::none(weights.len(), Stroke::Auto);
        weights.iter().enumerate().for_each(|(row, weight)| of_rows.add(row, None, *weight));
        let mask = MaskAmounts::new(Mask::Off, false, 0.0, Unpainted::Source);
        ResolvedLook {
            weights: of_rows,
            beside: None,
            strength,
            colours: 0.0,
            steadiness: Steadiness::NONE,
            mask,
            fade,
        }
    }

    fn painted(fade: &Fade) -> Vec<f32> {
        fade.now.weights.for_picture(Size::new(640, 360)).collect()
    }

    #[test]
    fn a_fade_goes_straight_from_what_is_painted_to_the_new_look() {
        let at = Duration::from_millis;
        let mut fade = Fade::new(resolved(&[1.0, 0.0], 1.0, 0));
        fade.advance(at(1000));
        fade.begin(resolved(&[0.0, 1.0], 0.0, 400));
        let mut shown = Vec::new();
        for time in [1100, 1200, 1300, 1400, 1500] {
            fade.advance(at(time));
            shown.push((painted(&fade)[0], fade.now.strength));
        }
        assert_eq!(shown, [(0.75, 0.75), (0.5, 0.5), (0.25, 0.25), (0.0, 0.0), (0.0, 0.0)]);
        // Turned round half-way, it goes back from there.
        fade.begin(resolved(&[1.0, 0.0], 1.0, 200));
        fade.advance(at(1600));
        assert_eq!(painted(&fade), [0.5, 0.5]);
        fade.begin(resolved(&[0.0, 1.0], 1.0, 200));
        fade.advance(at(1700));
        assert_eq!(painted(&fade), [0.25, 0.75]);
        // No fade: at once. A source that begins anew does not stall one.
        fade.begin(resolved(&[1.0, 0.0], 1.0, 0));
        fade.advance(at(5));
        assert_eq!((fade.progress, painted(&fade)), (1.0, vec![1.0, 0.0]));
    }
}
