//! The inference size that keeps the frame rate: steps along a ladder of sizes by the times that inference takes.

use std::time::Duration;

use crate::style::Size;

/// The steps, as shares of the picture's sides.
const LADDER: [(usize, usize); 7] = [(1, 1), (5, 6), (2, 3), (1, 2), (5, 12), (1, 3), (1, 4)];

/// No step is smaller than this on its shorter side: there is nothing left to see.
const SMALLEST_SIDE: usize = 64;

/// Inference may take this share of the time between two frames, in the 95th percentile.
const BUDGET: f64 = 0.8;

/// A smaller size is left for a larger one only if that is expected to take no more than this share of the budget.
const UP_SHARE: f64 = 0.8;

/// How many of the latest frames are looked at, and how many are enough to step down.
const WINDOW: usize = 64;
const ENOUGH: usize = 12;

/// Frames of calm before a step up. It doubles each time that a step up does not last, up to the longest.
const PATIENCE: u32 = 90;
const LONGEST_PATIENCE: u32 = 64 * PATIENCE;

/// A step up lasts if no step down follows within this many frames.
const LASTS: u32 = 300;

/// Chooses the size for a stream whose picture and frame rate are settled.
#[derive(Debug)]
pub struct SizeController {
    /// Largest first; the first is the picture's own size.
    ladder: Vec<Size>,
    place: usize,
    budget: Duration,
    times: [Duration; WINDOW],
    seen: usize,
    since_change: u32,
    patience: u32,
    stepped_up: bool,
}

impl SizeController {
    pub fn new(picture: Size, frame_interval: Duration) -> Self {
        let scaled = |(part, of): (usize, usize)| {
            // Even sides: chroma of most formats is halved.
            let side = |side: usize| side * part / of / 2 * 2;
            Size::new(side(picture.width), side(picture.height))
        };
        let steps = LADDER[1..].iter().copied().map(scaled);
        let steps = steps.filter(|size| size.width.min(size.height) >= SMALLEST_SIDE);
        Self {
            ladder: std::iter::once(picture).chain(steps).collect(),
            place: 0,
            budget: frame_interval.mul_f64(BUDGET),
            times: [Duration::ZERO; WINDOW],
            seen: 0,
            since_change: 0,
            patience: PATIENCE,
            stepped_up: false,
        }
    }

    /// The size to paint at.
    pub fn size(&self) -> Size {
        self.ladder[self.place]
    }

    /// Notes how long the latest inference at [`SizeController::size`] took; says to which size to go from here, if to another.
    pub fn note(&mut self, inference: Duration) -> Option<Size> {
        self.times[self.seen % WINDOW] = inference;
        self.seen += 1;
        self.since_change = self.since_change.saturating_add(1);
        if self.since_change == LASTS && self.stepped_up {
            self.patience = PATIENCE;
        }
        if self.seen < ENOUGH {
            return None;
        }
        let time = self.percentile_95();
        if time > self.budget && self.place + 1 < self.ladder.len() {
            let below = self.place + 1..self.ladder.len() - 1;
            let fits = |place: &usize| self.expected(time, *place) <= self.budget;
            let place = below.clone().find(fits).unwrap_or(self.ladder.len() - 1);
            if self.stepped_up && self.since_change < LASTS {
                self.patience = (self.patience * 2).min(LONGEST_PATIENCE);
            }
            return self.go_to(place);
        }
        let calm = self.seen >= WINDOW && self.since_change >= self.patience;
        if calm && self.place > 0 && self.expected(time, self.place - 1) <= self.budget.mul_f64(UP_SHARE) {
            return self.go_to(self.place - 1);
        }
        None
    }

    /// A change of size has come out: this is painted in now; none is the picture's own size.
    pub fn painted_in(&mut self, bounding_box: Option<Size>) {
        let place = |wanted: Size| self.ladder.iter().position(|size| *size == wanted);
        self.place = bounding_box.and_then(place).unwrap_or(0);
        self.forget_times();
    }

    /// Begins anew with what a new network takes at the same size.
    pub fn forget_times(&mut self) {
        self.seen = 0;
    }

    fn go_to(&mut self, place: usize) -> Option<Size> {
        self.stepped_up = place < self.place;
        self.place = place;
        self.since_change = 0;
        self.forget_times();
        Some(self.size())
    }

    /// Time grows with the number of pixels.
    fn expected(&self, time: Duration, place: usize) -> Duration {
        let pixels = |place: usize| (self.ladder[place].width * self.ladder[place].height) as f64;
        time.mul_f64(pixels(place) / pixels(self.place))
    }

    fn percentile_95(&mut self) -> Duration {
        let mut times = self.times;
        let times = &mut times[..self.seen.min(WINDOW)];
        let place = (times.len() - 1) * 95 / 100;
        *times.select_nth_unstable(place).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PICTURE: Size = Size::new(1280, 720);
    const INTERVAL: Duration = Duration::from_nanos(33_333_333);

    /// A machine that takes this long for the whole picture, with every tenth frame a quarter slower.
    fn takes(milliseconds: f64, size: Size, frame: usize) -> Duration {
        let share = (size.width * size.height) as f64 / (PICTURE.width * PICTURE.height) as f64;
        let jitter = if frame.is_multiple_of(10) { 1.25 } else { 1.0 };
        Duration::from_secs_f64(milliseconds / 1000.0 * share * jitter)
    }

    /// Runs for `frames`; the sizes it went to.
    fn run(controller: &mut SizeController, milliseconds: f64, frames: usize) -> Vec<Size> {
        (0..frames).filter_map(|frame| controller.note(takes(milliseconds, controller.size(), frame))).collect()
    }

    #[test]
    fn a_slow_machine_goes_down_at_once_and_stays() {
        let mut controller = SizeController::new(PICTURE, INTERVAL);
        // 100 ms for the whole picture, 125 now and then: 26.7 ms allow 46 % of the sides.
        assert_eq!(run(&mut controller, 100.0, ENOUGH), [Size::new(532, 300)]);
        assert_eq!(run(&mut controller, 100.0, 10_000), []);
    }

    #[test]
    fn a_fast_machine_stays_at_the_whole_picture() {
        let mut controller = SizeController::new(PICTURE, INTERVAL);
        assert_eq!(run(&mut controller, 20.0, 10_000), []);
        assert_eq!(controller.size(), PICTURE);
    }

    #[test]
    fn it_climbs_again_when_the_machine_is_free() {
        let mut controller = SizeController::new(PICTURE, INTERVAL);
        run(&mut controller, 100.0, 100);
        let climbed = run(&mut controller, 10.0, 2_000);
        assert_eq!(climbed, [(640, 360), (852, 480), (1066, 600), (1280, 720)].map(|(w, h)| Size::new(w, h)));
    }

    #[test]
    fn a_step_that_does_not_last_is_tried_less_and_less() {
        let mut controller = SizeController::new(PICTURE, INTERVAL);
        let (mut changes, mut frame) = (0, 0);
        while frame < 30_000 {
            // The next larger size always turns out slower than its pixels let expect.
            let penalty = if controller.size().width > 640 { 2.0 } else { 1.0 };
            changes += usize::from(controller.note(takes(30.0 * penalty, controller.size(), frame)).is_some());
            frame += 1;
        }
        assert!((3..40).contains(&changes), "{changes} changes in {frame} frames");
    }

    #[test]
    fn it_goes_on_from_the_size_that_is_painted() {
        let mut controller = SizeController::new(Size::new(640, 360), Duration::from_millis(33));
        let slow = Duration::from_millis(40);
        let smaller = (0..ENOUGH).find_map(|_| controller.note(slow)).expect("a smaller size");
        // The network could not be made ready for it.
        controller.painted_in(None);
        assert_eq!(controller.size(), Size::new(640, 360));
        assert_eq!((0..ENOUGH).find_map(|_| controller.note(slow)), Some(smaller), "it is tried again");
        controller.painted_in(Some(smaller));
        assert_eq!(controller.size(), smaller);
    }

    #[test]
    fn the_smallest_picture_has_one_step() {
        let mut controller = SizeController::new(Size::new(80, 64), INTERVAL);
        assert_eq!(run(&mut controller, 100_000.0, 1_000), []);
    }

    proptest! {
        /// Whatever the machine, it settles, and where it settles the frame rate is kept unless no step meets it.
        #[test]
        fn it_settles_within_the_budget(milliseconds in 1.0f64..2_000.0) {
            let mut controller = SizeController::new(PICTURE, INTERVAL);
            run(&mut controller, milliseconds, 2_000);
            prop_assert_eq!(run(&mut controller, milliseconds, 5_000), vec![]);
            let slowest = takes(milliseconds, controller.size(), 0);
            let last = controller.size() == *controller.ladder.last().unwrap();
            prop_assert!(slowest <= INTERVAL.mul_f64(BUDGET) || last, "{:?} at {}", slowest, controller.size());
        }
    }
}
