//! Whose turn it is in a list, and until when. It decides alone: time and order are passed in.

use std::time::Duration;

use super::moment::Moment;
use crate::back_off::BackOff;

/// The wait before a list of which nothing can be shown is tried again, and the longest one.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Stay,
    /// A round is to be begun.
    Round,
    /// This place of the list is to be shown.
    Show(usize),
}

/// The turns of a list.
#[derive(Debug)]
pub struct Rota {
    /// The places of the list as this round goes through them.
    order: Vec<usize>,
    /// Where in the order.
    at: usize,
    turn: Turn,
    paused: Option<Moment>,
    repeats: bool,
    /// Why each place was not shown when it was tried last.
    missing: Vec<Option<String>>,
    /// How many were refused since one had its turn.
    refused: usize,
    back_off: BackOff,
}

#[derive(Debug)]
enum Turn {
    /// Of the next round.
    None,
    Due,
    Shown {
        since: Moment,
        until: Option<Moment>,
    },
    /// What was shown has ended by itself.
    Ended,
    /// Nothing of the list could be shown.
    Waiting {
        until: Moment,
    },
    /// The last round is over.
    Over,
}

impl Rota {
    pub fn new(repeats: bool) -> Self {
        Self {
            order: Vec::new(),
            at: 0,
            turn: Turn::None,
            paused: None,
            repeats,
            missing: Vec::new(),
            refused: 0,
            back_off: BackOff::new(BACK_OFF),
        }
    }

    /// Goes through the list in this order, from that place of the order on; `missing` is known of each place of the list.
    pub fn begin_round(&mut self, order: Vec<usize>, at: usize, missing: Vec<Option<String>>) {
        self.turn = if order.is_empty() { Turn::Over } else { Turn::Due };
        (self.order, self.at, self.missing) = (order, at, missing);
    }

    /// Begins a round in which what is shown goes on: it is this place now.
    pub fn go_on(&mut self, order: Vec<usize>, at: usize, missing: Vec<Option<String>>, until: Option<Duration>) {
        let shown = std::mem::replace(&mut self.turn, Turn::None);
        self.begin_round(order, at, missing);
        if let Turn::Shown { since, .. } = shown {
            self.turn = Turn::Shown { since, until: until.map(|length| since.after(length)) };
        }
    }

    pub fn set_repeats(&mut self, repeats: bool) {
        self.repeats = repeats;
        if repeats && matches!(self.turn, Turn::Over) {
            self.turn = Turn::None;
        }
    }

    pub fn step(&mut self, now: Moment) -> Step {
        let is_over = match self.turn {
            Turn::Shown { until: Some(until), .. } => until.has_come(now),
            Turn::Ended => true,
            _ => false,
        };
        if is_over && self.paused.is_none() {
            self.refused = 0;
            self.back_off.reset();
            self.advance();
        } else if matches!(self.turn, Turn::Ended) {
            // In a pause it stays, and does not freeze.
            self.turn = Turn::Due;
        }
        match self.turn {
            Turn::Waiting { until } if until.has_come(now) => Step::Round,
            Turn::None => Step::Round,
            Turn::Due => Step::Show(self.order[self.at]),
            _ => Step::Stay,
        }
    }

    /// When [`Rota::step`] may say something else, if nothing happens before.
    pub fn due(&self) -> Option<Moment> {
        match self.turn {
            Turn::Shown { until, .. } => until.filter(|_| self.paused.is_none()),
            Turn::Waiting { until } => Some(until),
            _ => None,
        }
    }

    /// This place is shown now, for so long. Nothing, if another one is due by now.
    pub fn shown(&mut self, place: usize, now: Moment, length: Option<Duration>) {
        if !self.is_due(place) {
            return;
        }
        self.missing[place] = None;
        self.paused = self.paused.map(|_| now);
        self.turn = Turn::Shown { since: now, until: length.map(|length| now.after(length)) };
    }

    /// This place cannot be shown: whether that is news.
    pub fn refused(&mut self, place: usize, now: Moment, reason: String) -> bool {
        if !self.is_due(place) && self.on_air().is_none_or(|(shown, _)| shown != place) {
            return false;
        }
        self.refused += 1;
        let before = self.missing[place].replace(reason);
        if self.refused >= self.missing.len() {
            self.refused = 0;
            self.turn = Turn::Waiting { until: now.after(self.back_off.wait()) };
        } else {
            self.advance();
        }
        before != self.missing[place]
    }

    /// What is shown has ended by itself.
    pub fn ended(&mut self) {
        if matches!(self.turn, Turn::Shown { .. }) {
            self.turn = Turn::Ended;
        }
    }

    pub fn pause(&mut self, now: Moment) {
        self.paused.get_or_insert(now);
    }

    /// Goes on; what is shown has as much time left as it had.
    pub fn resume(&mut self, now: Moment) {
        if let (Some(paused), Turn::Shown { until: Some(until), .. }) = (self.paused.take(), &mut self.turn) {
            *until = until.after(paused.elapsed(now));
        }
    }

    /// Shows what is in line, or begins anew after the last one.
    pub fn next(&mut self) {
        self.refused = 0;
        self.advance();
        if matches!(self.turn, Turn::Over) {
            self.turn = Turn::None;
        }
    }

    /// Shows this place of the list; false if there is none such.
    pub fn jump(&mut self, place: usize) -> bool {
        if place >= self.missing.len() {
            return false;
        }
        match self.order.iter().position(|known| *known == place) {
            Some(at) => self.at = at,
            // A walk does not come by everywhere.
            None => {
                self.at = self.at.min(self.order.len());
                self.order.insert(self.at, place);
            }
        }
        self.refused = 0;
        self.turn = Turn::Due;
        true
    }

    /// What had the turn last is shown again.
    pub fn again(&mut self) {
        if !matches!(self.turn, Turn::None | Turn::Over | Turn::Waiting { .. }) {
            self.turn = Turn::Due;
        }
    }

    fn advance(&mut self) {
        self.at += 1;
        self.turn = match self.at < self.order.len() {
            true => Turn::Due,
            false if self.repeats => Turn::None,
            false => Turn::Over,
        };
    }

    pub fn is_due(&self, place: usize) -> bool {
        matches!(self.turn, Turn::Due) && self.order[self.at] == place
    }

    /// What is shown, and since when.
    pub fn on_air(&self) -> Option<(usize, Moment)> {
        match self.turn {
            Turn::Shown { since, .. } => Some((self.order[self.at], since)),
            _ => None,
        }
    }

    /// What had the turn last, or has it now.
    pub fn place(&self) -> Option<usize> {
        self.order.get(self.at).or(self.order.last()).copied()
    }

    /// The place after that, in this round.
    pub fn following(&self) -> Option<usize> {
        self.order.get(self.at + 1).copied()
    }

    pub fn missing(&self) -> &[Option<String>] {
        &self.missing
    }

    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Nothing of the list could be shown.
    pub fn is_waiting(&self) -> bool {
        matches!(self.turn, Turn::Waiting { .. })
    }

    pub fn is_over(&self) -> bool {
        matches!(self.turn, Turn::Over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of so many, whose clock the test turns.
    struct Stage {
        rota: Rota,
        now: Moment,
        count: usize,
    }

    impl Stage {
        fn new(count: usize, repeats: bool) -> Self {
            Self { rota: Rota::new(repeats), now: Moment::now(), count }
        }

        /// What is shown next within so many seconds; rounds go through the list as it is.
        fn within(&mut self, seconds: u64, length: Option<u64>) -> Option<usize> {
            for _ in 0..=seconds * 10 {
                match self.rota.step(self.now) {
                    Step::Round => self.rota.begin_round((0..self.count).collect(), 0, vec![None; self.count]),
                    Step::Show(place) => {
                        self.rota.shown(place, self.now, length.map(Duration::from_secs));
                        return Some(place);
                    }
                    Step::Stay => self.now = self.now.after(Duration::from_millis(100)),
                }
            }
            None
        }
    }

    #[test]
    fn each_has_its_turn_and_rounds_follow_each_other_or_end() {
        let mut stage = Stage::new(2, true);
        let shown: Vec<_> = (0..5).map(|_| stage.within(11, Some(10)).unwrap()).collect();
        assert_eq!(shown, [0, 1, 0, 1, 0]);
        assert_eq!(stage.within(5, None), None, "its time is not over");
        let mut once = Stage::new(2, false);
        assert_eq!(
            [once.within(9, Some(5)), once.within(9, Some(5)), once.within(9, Some(5))],
            [Some(0), Some(1), None]
        );
        assert!(once.rota.is_over());
        once.rota.next();
        assert_eq!(once.within(1, None), Some(0), "on command it begins anew");
        assert_eq!(once.within(100_000, None), None, "it has no end of its own");
        once.rota.ended();
        assert_eq!(once.within(1, None), Some(1));
    }

    #[test]
    fn a_pause_does_not_count_and_next_and_jump_are_taken_in_it() {
        let mut stage = Stage::new(3, true);
        assert_eq!(stage.within(1, Some(10)), Some(0));
        assert_eq!(stage.within(6, None), None);
        stage.rota.pause(stage.now);
        assert_eq!((stage.within(3600, None), stage.rota.due()), (None, None));
        stage.rota.resume(stage.now);
        assert_eq!(stage.within(3, None), None);
        assert_eq!(stage.within(1, Some(10)), Some(1));
        stage.rota.pause(stage.now);
        stage.rota.next();
        assert_eq!(stage.within(0, Some(10)), Some(2));
        assert!(stage.rota.jump(1) && !stage.rota.jump(3));
        assert_eq!(stage.within(0, Some(10)), Some(1));
        assert_eq!(stage.within(60, None), None, "it is still held");
        stage.rota.ended();
        assert_eq!(stage.within(0, Some(10)), Some(1), "it begins again");
        stage.rota.resume(stage.now);
        assert_eq!(stage.within(9, None), None, "from its beginning");
        assert_eq!(stage.within(2, None), Some(2));
    }

    #[test]
    fn what_is_missing_is_skipped_and_told_once_and_a_list_that_is_away_is_waited_for() {
        let mut stage = Stage::new(3, true);
        assert_eq!(stage.within(1, Some(10)), Some(0));
        stage.rota.next();
        assert_eq!(stage.rota.step(stage.now), Step::Show(1));
        assert!(stage.rota.refused(1, stage.now, "gone".into()));
        assert!(!stage.rota.refused(1, stage.now, "gone".into()), "another one is due by now");
        assert_eq!(stage.within(0, Some(10)), Some(2));
        for wait in [1, 2, 4, 8, 16, 30, 30] {
            stage.rota.jump(0);
            for place in 0..3 {
                assert_eq!(stage.rota.step(stage.now), Step::Show(place));
                assert_eq!(stage.rota.refused(place, stage.now, "gone".into()), wait == 1 && place != 1);
            }
            assert!(stage.rota.is_waiting());
            stage.now = stage.now.after(Duration::from_millis(wait * 1000 - 1));
            assert_eq!(stage.rota.step(stage.now), Step::Stay);
            stage.now = stage.now.after(Duration::from_millis(1));
            assert_eq!(stage.rota.step(stage.now), Step::Round);
            let missing = stage.rota.missing().to_vec();
            stage.rota.begin_round(vec![0, 1, 2], 0, missing);
        }
        assert_eq!(stage.within(0, Some(10)), Some(0));
        assert_eq!(stage.rota.missing()[0], None);
    }
}
