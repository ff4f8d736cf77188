//! What a device is shown: each of its controls where it is to be for the look as it is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::contract::MidiBinding;
use super::message::{Control, Kind, write};
use super::target::position;
use crate::style::Look;

/// A control is left alone for so long after it was moved: what it asks for is not seen at once.
const HELD: Duration = Duration::from_millis(500);

/// Knows where the controls of a device are.
#[derive(Debug, Default)]
pub struct Feedback {
    positions: BTreeMap<Control, u8>,
    moved: BTreeMap<Control, Instant>,
}

impl Feedback {
    /// The hand has brought it there.
    pub fn moved(&mut self, control: Control, value: u8, now: Instant) {
        self.positions.insert(control, value);
        self.moved.insert(control, now);
    }

    /// What is to be sent, so that each knob and fader that is bound is where the `look` of its stream is.
    pub fn tell(
        &mut self,
        bindings: &[MidiBinding],
        look: impl Fn(&str) -> Option<Look>,
        now: Instant,
    ) -> Vec<[u8; 3]> {
        self.moved.retain(|_, moved| now.saturating_duration_since(*moved) < HELD);
        let (mut looks, mut messages) = (BTreeMap::new(), Vec::new());
        for MidiBinding { control, target } in bindings.iter().filter(|binding| binding.control.kind == Kind::Change) {
            let look = looks.entry(&target.stream).or_insert_with_key(|stream| look(stream));
            let Some(wanted) = look.as_ref().and_then(|look| position(target, look)) else { continue };
            if !self.moved.contains_key(control) && self.positions.insert(*control, wanted) != Some(wanted) {
                messages.push(write(*control, wanted));
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::MidiTarget;
    use super::*;

    #[test]
    fn a_device_is_shown_what_changed_but_not_under_the_hand_that_moves_it() {
        let target = MidiTarget { parameter: Some("strength".into()), ..MidiTarget::default() };
        let control: Control = "2-cc-7".parse().unwrap();
        let key = MidiTarget { preset: Some("dusk".into()), ..MidiTarget::default() };
        let bindings =
            [MidiBinding { control, target }, MidiBinding { control: "1-note-1".parse().unwrap(), target: key }];
        let (mut feedback, begun) = (Feedback::default(), Instant::now());
        let tell = |feedback: &mut Feedback, strength: f32, ms: u64| {
            let look = |stream: &str| (stream == "live").then(|| Look { strength, ..Look::default() });
            feedback.tell(&bindings, look, begun + Duration::from_millis(ms))
        };
        assert_eq!(tell(&mut feedback, 1.0, 0), [[0xb1, 7, 127]], "all of it at first");
        assert!(tell(&mut feedback, 1.0, 100).is_empty(), "nothing is new");
        assert_eq!(tell(&mut feedback, 0.0, 200), [[0xb1, 7, 0]]);
        feedback.moved(control, 64, begun + Duration::from_millis(300));
        assert!(tell(&mut feedback, 0.0, 400).is_empty(), "what was asked for is on its way");
        assert!(tell(&mut feedback, 64.0 / 127.0, 900).is_empty(), "it is there already");
        assert_eq!(tell(&mut feedback, 1.0, 1000), [[0xb1, 7, 127]]);
        assert!(
            feedback.tell(&bindings, |_| None, begun + Duration::from_secs(2)).is_empty(),
            "there is no such stream"
        );
    }
}
