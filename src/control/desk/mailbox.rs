//! What is wished of one stream and not done yet: of many messages between two frames the newest of each part counts.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::sync::Notify;

use crate::style::LookPatch;
use crate::sync::Locked;

/// What a controller wishes.
#[derive(Debug, PartialEq)]
pub enum Wish {
    Look(LookPatch),
    /// The weight of one style in the mix as it is.
    Weight(String, f32),
    Preset(String),
    /// What comes next in the programme, or in the playlist.
    Next,
    /// A button is let go.
    Nothing,
}

/// The wishes of one stream.
#[derive(Debug, Default)]
pub struct Mailbox {
    wishes: Mutex<Wishes>,
    filled: Notify,
}

/// What is to be done, in this order.
#[derive(Debug, Default, PartialEq)]
pub struct Wishes {
    pub preset: Option<String>,
    pub look: LookPatch,
    /// Weights of single styles, after the look.
    pub weights: BTreeMap<String, f32>,
    pub next: bool,
}

/// More styles in one mix than any network has.
const MOST_WEIGHTS: usize = 64;

impl Mailbox {
    pub fn put(&self, wish: Wish) {
        self.wishes.locked().put(wish);
        self.filled.notify_one();
    }

    /// Waits until there is something, and takes all of it.
    pub async fn take(&self) -> Wishes {
        loop {
            self.filled.notified().await;
            let wishes = std::mem::take(&mut *self.wishes.locked());
            if wishes != Wishes::default() {
                return wishes;
            }
        }
    }
}

impl Wishes {
    fn put(&mut self, wish: Wish) {
        match wish {
            Wish::Look(patch) => {
                if patch.styles.is_some() {
                    self.weights.clear();
                }
                self.look = std::mem::take(&mut self.look).then(patch);
            }
            Wish::Weight(style, weight) => {
                if self.weights.len() < MOST_WEIGHTS || self.weights.contains_key(&style) {
                    self.weights.insert(style, weight);
                }
            }
            // It says all of the look.
            Wish::Preset(name) => *self = Self { preset: Some(name), next: self.next, ..Self::default() },
            Wish::Next => self.next = true,
            Wish::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::look::Mix;

    #[test]
    fn the_newest_of_each_part_counts() {
        let strength = |strength| Wish::Look(LookPatch { strength: Some(strength), ..LookPatch::default() });
        let mut wishes = Wishes::default();
        (0..1000).for_each(|step| wishes.put(strength(step as f32 / 1000.0)));
        wishes.put(Wish::Look(LookPatch { fade_ms: Some(7), ..LookPatch::default() }));
        wishes.put(Wish::Weight("a".into(), 0.5));
        wishes.put(Wish::Nothing);
        assert_eq!((wishes.look.strength, wishes.look.fade_ms, wishes.weights.len()), (Some(0.999), Some(7), 1));
        wishes.put(Wish::Look(LookPatch { styles: Some(Mix::only("b")), ..LookPatch::default() }));
        assert_eq!(wishes.weights.len(), 0, "the mix is another one");
        wishes.put(Wish::Next);
        wishes.put(Wish::Preset("dusk".into()));
        wishes.put(strength(0.25));
        let look = LookPatch { strength: Some(0.25), ..LookPatch::default() };
        assert_eq!(wishes, Wishes { preset: Some("dusk".into()), look, next: true, ..Wishes::default() });
        (0..1000).for_each(|style| wishes.put(Wish::Weight(style.to_string(), 1.0)));
        assert_eq!(wishes.weights.len(), MOST_WEIGHTS);
    }
}
