//! A look as the painter takes it, and how one fades into the next.

use std::time::Duration;

use super::super::mask::MaskAmounts;
use super::super::steadiness::Steadiness;
use super::super::weights::Weights;

/// What a look comes down to for one network.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedLook {
    /// One weight for each row of the style input; none for a network without one.
    pub weights: Weights,
    /// The same for the part that is not masked, where that has a style of its own.
    pub beside: Option<Weights>,
    /// How much of the painted picture is seen: 0 to 1.
    pub strength: f32,
    /// How much of the source's chroma is kept: 0 or 1, or between while a change fades in.
    pub colours: f32,
    pub steadiness: Steadiness,
    /// Which part is painted.
    pub mask: MaskAmounts,
    pub fade: Duration,
}

impl ResolvedLook {
    /// Makes it what is painted on the way `from` one look `to` another, each number by `mix`; what is no number changes at once.
    /// Allocates nothing.
    pub fn set_between(&mut self, from: &Self, to: &Self, mix: impl Fn(f32, f32) -> f32) {
        self.strength = mix(from.strength, to.strength);
        self.colours = mix(from.colours, to.colours);
        self.steadiness = to.steadiness;
        self.mask = MaskAmounts::between(&from.mask, &to.mask, &mix);
        // What goes away keeps what is seen beside it to the end.
        self.beside.clone_from(if to.mask.is_on() { &to.beside } else { &from.beside });
        self.weights.set_between(&from.weights, &to.weights, mix);
    }

    /// Makes it the same as another one. Allocates nothing for as many rows.
    pub fn copy(&mut self, other: &Self) {
        self.weights.clone_from(&other.weights);
        self.beside.clone_from(&other.beside);
        self.mask.clone_from(&other.mask);
        let Self { strength, colours, steadiness, fade, .. } = *other;
        (self.strength, self.colours, self.steadiness, self.fade) = (strength, colours, steadiness, fade);
    }
}
