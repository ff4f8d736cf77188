//! The outputs of a stream that were added or taken away by hand.

use crate::config::outputs::{OutputPlan, OutputsPlan};
use crate::control::contract::OutputWish;

/// What was changed by hand; it outlives the run of a stream.
#[derive(Debug, Default)]
pub struct ByHand {
    added: Vec<Added>,
    /// What was added before the daemon started, and is looked for when the stream begins.
    remembered: Vec<OutputWish>,
    /// Outputs of the config that are not wanted.
    removed: Vec<OutputPlan>,
}

/// As it was asked for, and what that is.
#[derive(Debug)]
struct Added {
    wish: OutputWish,
    plan: OutputPlan,
}

impl ByHand {
    /// With outputs that were added before the daemon started.
    pub fn remembered(remembered: Vec<OutputWish>) -> Self {
        Self { remembered, ..Self::default() }
    }

    /// All that was added and may be written down: keys are not.
    pub fn wishes(&self) -> Vec<OutputWish> {
        let all = self.added.iter().map(|added| &added.wish).chain(&self.remembered);
        all.filter(|wish| !matches!(wish, OutputWish::Push { .. })).cloned().collect()
    }

    /// What the config would have to say to be as it is by hand: what was added, and what was taken away.
    pub fn unsaved(&self) -> (Vec<OutputWish>, Vec<OutputPlan>) {
        (self.added.iter().map(|added| added.wish.clone()).collect(), self.removed.clone())
    }

    /// Looks for what is remembered; what is not there any more is told and forgotten.
    pub fn restore(&mut self, configured: &OutputsPlan, stream: &str) {
        for wish in std::mem::take(&mut self.remembered) {
            match OutputPlan::wished(&wish, stream, &configured.for_wishes()) {
                Ok(Some(plan)) => self.added.push(Added { wish, plan }),
                // Recordings are not remembered.
                Ok(None) => {}
                Err(error) => tracing::warn!("an output that was added before does not come back: {error}"),
            }
        }
    }

    /// Somebody adds an output; one of the config is only wanted again.
    pub fn add(&mut self, wish: OutputWish, plan: OutputPlan) {
        match self.removed.iter().position(|removed| *removed == plan) {
            Some(place) => drop(self.removed.remove(place)),
            None => self.added.push(Added { wish, plan }),
        }
    }

    /// Somebody takes an output away.
    pub fn remove(&mut self, plan: OutputPlan) {
        match self.added.iter().position(|added| added.plan == plan) {
            Some(place) => drop(self.added.remove(place)),
            None => self.removed.push(plan),
        }
    }

    /// The config has become this: what it no longer has may come back with it, and what it has now is its own.
    pub fn follow(&mut self, configured: &[OutputPlan]) {
        self.added.retain(|added| !configured.contains(&added.plan));
        self.removed.retain(|removed| configured.contains(removed));
    }

    /// What was added.
    pub fn added(&self) -> impl Iterator<Item = &OutputPlan> {
        self.added.iter().map(|added| &added.plan)
    }

    /// The outputs of the config with what was changed by hand.
    pub fn applied_to(&self, configured: &[OutputPlan]) -> Vec<OutputPlan> {
        let kept = configured.iter().filter(|output| !self.removed.contains(output));
        let added = self.added().filter(|output| configured.iter().all(|other| !output.clashes_with(other)));
        kept.chain(added).cloned().collect()
    }
}
