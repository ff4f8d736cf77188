//! How a stream was painted before its latest changes, to go back to.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::control::contract::Painted;
use crate::style::LookPatch;
use crate::style::look::PARAMETERS;

/// How many changes can be undone.
const STEPS_KEPT: usize = 20;

/// Changes of the same number that follow each other so closely are one: a slider is being dragged.
const ONE_MOVE: Duration = Duration::from_secs(1);

/// The latest changes.
#[derive(Debug, Default)]
pub struct History {
    /// The oldest first.
    steps: VecDeque<Step>,
}

#[derive(Debug)]
struct Step {
    before: Painted,
    changed: Parts,
    at: Instant,
}

/// Which parts a change touches.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Parts {
    look: [bool; PARAMETERS.len()],
    network: bool,
    size: bool,
}

impl History {
    /// Notes a change.
    pub fn note(&mut self, before: Painted, after: &Painted, now: Instant) {
        let changed = parts(&before, after);
        if changed == Parts::default() {
            return;
        }
        let has_same_styles = before.look.styles.names().eq(after.look.styles.names());
        if let Some(last) = self.steps.back_mut().filter(|last| last.changed == changed)
            && has_same_styles
            && now.duration_since(last.at) < ONE_MOVE
        {
            last.at = now;
            return;
        }
        if self.steps.len() == STEPS_KEPT {
            self.steps.pop_front();
        }
        self.steps.push_back(Step { before, changed, at: now });
    }

    /// Takes out the latest change, to be undone: how it was painted before.
    pub fn back(&mut self) -> Option<Painted> {
        self.steps.pop_back().map(|step| step.before)
    }

    /// Takes out changes that came to nothing: it is painted as `now` says, as it was before them.
    pub fn forget(&mut self, now: &Painted) {
        while self.steps.back().is_some_and(|step| step.before == *now) {
            self.steps.pop_back();
        }
    }

    /// How many changes can be undone.
    pub fn len(&self) -> usize {
        self.steps.len()
    }
}

fn parts(a: &Painted, b: &Painted) -> Parts {
    let look = LookPatch::between(&a.look, &b.look).named();
    Parts { look, network: a.network != b.network, size: a.size != b.size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::{Look, Steadiness};

    fn painted(strength: f32, steadiness: f32) -> Painted {
        Painted {
            look: Look { strength, steadiness: Steadiness::Still(steadiness), ..Look::default() },
            ..Painted::default()
        }
    }

    #[test]
    fn a_dragged_slider_is_one_step_and_another_part_is_the_next() {
        let (mut history, mut now) = (History::default(), Instant::now());
        for step in 0..10 {
            history.note(painted(step as f32, 0.0), &painted(step as f32 + 1.0, 0.0), now);
            now += ONE_MOVE / 2;
        }
        history.note(painted(10.0, 0.0), &painted(10.0, 1.0), now);
        history.note(painted(10.0, 1.0), &painted(10.0, 1.0), now);
        assert_eq!(history.len(), 2, "what changes nothing is no step");
        let styled = |styles: &str| {
            let look = Look { styles: styles.parse().unwrap(), ..Look::default() };
            Painted { look, ..Painted::default() }
        };
        history.note(styled("a"), &styled("b"), now);
        history.note(styled("b"), &styled("b=0.5,c=0.5"), now);
        history.note(styled("b=0.5,c=0.5"), &styled("b=0.6,c=0.4"), now);
        assert_eq!(history.len(), 4, "each style that is picked is a step, but its weight is dragged");
        (0..2).for_each(|_| drop(history.back()));
        assert_eq!(history.back(), Some(painted(10.0, 0.0)));
        assert_eq!(history.back(), Some(painted(0.0, 0.0)));
        assert_eq!(history.back(), None);
    }

    #[test]
    fn twenty_steps_are_kept_and_those_that_came_to_nothing_are_none() {
        let (mut history, mut now) = (History::default(), Instant::now());
        for step in 0..25 {
            history.note(painted(step as f32, 0.0), &painted(step as f32 + 1.0, 0.0), now);
            now += ONE_MOVE;
        }
        assert_eq!(history.len(), STEPS_KEPT);
        history.forget(&painted(24.0, 0.0));
        assert_eq!(history.len(), STEPS_KEPT - 1, "it was refused");
        assert_eq!(history.back(), Some(painted(23.0, 0.0)));
    }
}
