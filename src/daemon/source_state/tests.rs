//! Every state of a source, with times that the test says.

use super::*;
use proptest::prelude::*;

fn playing(source: &str, looped: bool) -> Playing {
    Playing { source: Source::parse(source).unwrap(), looped }
}

/// A stream whose time and readings the test makes.
struct Stage {
    state: SourceState,
    reading: Reading,
}

impl Stage {
    fn new(configured: Playing, on_demand: bool) -> Self {
        let reading =
            Reading { now: Instant::now(), captured: 0, usage: Usage::Watched, on_demand, length: None, file: None };
        Self { state: SourceState::new(configured, None, reading), reading }
    }

    fn pictures(&mut self, count: u64) -> &mut Self {
        self.reading.captured += count;
        self
    }

    /// The first step that is none, within so many seconds of a reading every 100 ms.
    fn within(&mut self, seconds: f64) -> Step {
        let until = self.reading.now + Duration::from_secs_f64(seconds);
        while self.reading.now < until {
            self.reading.now += Duration::from_millis(100);
            match self.state.note(self.reading, 0.0) {
                Step::Stay => {}
                step => return step,
            }
        }
        Step::Stay
    }

    fn ended(&mut self, end: End, is_recorded: bool) -> Step {
        self.state.ended(end, is_recorded, self.reading, 0.0)
    }

    fn failed(&mut self, why: &str) -> Step {
        self.ended(End::Failed(why.into()), false)
    }

    fn set(&mut self, source: &str, looped: bool) {
        self.state.switched(playing(source, looped), Origin::Set, self.reading);
    }
}

#[test]
fn a_file_that_is_over_ends_the_stream_or_begins_again() {
    let mut once = Stage::new(playing("a.mp4", false), false);
    assert_eq!(once.pictures(9).ended(End::Finished, true), Step::End(Ok(())));
    let mut looped = Stage::new(playing("a.mp4", true), false);
    assert_eq!(looped.pictures(9).ended(End::Finished, true), Step::Open);
    let mut empty = Stage::new(playing("a.mp4", true), false);
    assert_eq!(empty.ended(End::Finished, true), Step::End(Ok(())), "it never had a picture");
    let mut damaged = Stage::new(playing("a.mp4", true), false);
    assert_eq!(damaged.failed("damaged"), Step::End(Err(Error::input("damaged"))));
}

#[test]
fn what_was_set_while_it_ran_goes_back_to_the_configured_source() {
    for (configured, end) in [("camera", Step::Stay), ("a.mp4", Step::End(Ok(())))] {
        let mut stage = Stage::new(playing(configured, false), false);
        stage.pictures(9).set("b.mp4", false);
        assert_eq!(stage.pictures(9).ended(End::Finished, true), Step::GoBack(Ok(())));
        assert_eq!(stage.state.playing(), &playing(configured, false));
        stage.state.opened(stage.reading);
        assert_eq!(stage.pictures(9).within(5.0), Step::Stay);
        if end != Step::Stay {
            assert_eq!(stage.ended(End::Finished, true), end, "that one is the stream's own");
        }
    }
    let mut stage = Stage::new(playing("showcase", false), false);
    stage.set("b.mp4", true);
    assert_eq!(stage.failed("damaged"), Step::GoBack(Err("damaged".into())), "nothing of it was shown");
    stage.set("b.mp4", true);
    assert_eq!(stage.pictures(9).ended(End::Finished, true), Step::Open, "it plays in a loop");
    assert_eq!(stage.failed("damaged"), Step::Lose(Some("damaged".into())), "it comes back when it is whole");
    // A changed config is no visit.
    stage.state.switched(playing("c.mp4", false), Origin::Configured, stage.reading);
    assert_eq!(stage.pictures(9).ended(End::Finished, true), Step::End(Ok(())));
}

#[test]
fn what_is_over_of_a_playlist_is_left_to_it() {
    let mut stage = Stage::new(playing("camera", false), false);
    let listed = |stage: &mut Stage, source, looped| {
        stage.state.switched(playing(source, looped), Origin::Listed, stage.reading);
    };
    listed(&mut stage, "a.mp4", false);
    assert_eq!(stage.pictures(9).ended(End::Finished, true), Step::Over(Ok(())));
    assert_eq!(stage.within(60.0), Step::Stay, "the last picture is held");
    listed(&mut stage, "b.mp4", true);
    assert_eq!(stage.pictures(9).ended(End::Finished, true), Step::Open, "it plays in a loop");
    assert_eq!(stage.failed("damaged"), Step::Over(Err("damaged".into())));
    listed(&mut stage, "rtsp://h/x", false);
    assert_eq!(stage.pictures(9).failed("gone"), Step::Over(Err("gone".into())), "others take its place");
    // The config says what the stream goes back to, and nothing else meanwhile.
    assert!(stage.state.configure(&playing("showcase", false)));
    assert_eq!(
        (stage.state.playing(), stage.state.configured()),
        (&playing("rtsp://h/x", false), &playing("showcase", false))
    );
    stage.state.hold();
    assert_eq!(stage.within(60.0), Step::Stay);
    stage.set("c.mp4", false);
    assert!(!stage.state.is_listed());
    assert!(!stage.state.configure(&playing("test", false)));
    assert_eq!(stage.pictures(9).ended(End::Finished, true), Step::GoBack(Ok(())));
}

#[test]
fn a_lost_source_is_told_once_and_tried_again_more_and_more_seldom() {
    for (source, longest) in [("rtsp://h/x", 30.0), ("camera", 3.0)] {
        let mut stage = Stage::new(playing(source, false), false);
        assert_eq!(stage.failed("gone"), Step::Lose(Some("gone".into())));
        for wait in [0.5f64, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0].map(|wait| wait.min(longest)) {
            assert_eq!(stage.within(wait - 0.2), Step::Stay, "{source} {wait}");
            assert_eq!(stage.within(0.3), Step::Open, "{source} {wait}");
            assert_eq!(stage.failed("gone"), Step::Lose(None));
        }
        assert_eq!(stage.failed("refused"), Step::Lose(Some("refused".into())), "another reason is news");
        // Back, it is a source like any other.
        stage.state.opened(stage.reading);
        assert_eq!(stage.pictures(1).failed("gone"), Step::Lose(Some("gone".into())));
        assert_eq!(stage.within(0.7), Step::Open);
    }
}

#[test]
fn a_live_source_that_is_silent_or_ends_without_a_length_is_lost_and_a_file_is_not() {
    let mut stage = Stage::new(playing("rtsp://h/x", false), false);
    assert_eq!(stage.pictures(1).within(9.9), Step::Stay);
    assert!(matches!(stage.within(0.3), Step::Lose(Some(reason)) if reason.contains("sent nothing for 10 s")));
    stage.state.opened(stage.reading);
    assert_eq!(stage.ended(End::Finished, false), Step::Lose(Some("rtsp://h/x ended".into())));
    assert_eq!(Stage::new(playing("still.png", false), false).within(60.0), Step::Stay);
}

#[test]
fn a_file_in_a_loop_that_is_written_anew_is_opened_until_it_plays_again() {
    let mut stage = Stage::new(playing("a.mp4", true), false);
    stage.reading.length = Some(Duration::from_secs(20));
    assert_eq!(stage.pictures(9).within(29.9), Step::Stay, "its sound may outlast its pictures");
    assert!(matches!(stage.within(0.3), Step::Lose(Some(reason)) if reason.contains("sent nothing for 30 s")));
    assert_eq!(stage.within(0.7), Step::Open);
    assert_eq!(stage.failed("no header"), Step::Lose(Some("no header".into())));
    assert_eq!(stage.within(1.3), Step::Open);
    stage.state.opened(stage.reading);
    assert_eq!(stage.ended(End::Finished, true), Step::Lose(Some("a.mp4 shows no picture".into())));
    assert_eq!(stage.within(2.6), Step::Open);
    stage.state.opened(stage.reading);
    assert_eq!(stage.pictures(9).ended(End::Finished, true), Step::Open, "it plays again");

    let mut once = Stage::new(playing("a.mp4", false), false);
    once.reading.length = Some(Duration::from_secs(20));
    assert_eq!(once.pictures(9).within(300.0), Step::Stay);
}

#[test]
fn a_file_that_is_written_anew_takes_over_while_it_plays_and_ends_the_wait_while_it_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let stamp = |text: &str| {
        let path = folder.path().join("a.mp4");
        std::fs::write(&path, text).unwrap();
        Stamp::of(&path)
    };
    let mut stage = Stage::new(playing("a.mp4", true), true);
    stage.reading.file = stamp("old");
    stage.state.opened(stage.reading);
    assert_eq!(stage.pictures(9).within(60.0), Step::Stay);
    stage.reading.file = None;
    assert_eq!(stage.within(60.0), Step::Stay, "it is away");
    stage.reading.file = stamp("newer");
    assert_eq!(stage.within(1.0), Step::Stay, "more of it may come");
    assert_eq!(stage.within(0.2), Step::Renew);
    // It is damaged: what was open plays on.
    stage.state.not_renewed("damaged".into(), stage.reading);
    for _ in 0..10 {
        assert_eq!(stage.pictures(9).within(9.0), Step::Stay);
        assert_eq!(stage.state.trouble(), Some("damaged"));
    }
    stage.reading.file = stamp("the newest");
    assert_eq!(stage.within(1.2), Step::Renew);
    stage.state.opened(stage.reading);
    assert_eq!(stage.pictures(9).within(60.0), Step::Stay);
    assert_eq!(stage.state.trouble(), None);

    // Lost, the wait for the next try is over as soon as the file is there.
    for _ in 0..8 {
        assert!(matches!(stage.failed("no header"), Step::Lose(_)));
        stage.within(31.0);
    }
    assert!(matches!(stage.failed("no header"), Step::Lose(_)));
    stage.reading.file = stamp("whole");
    assert_eq!(stage.within(1.0), Step::Stay);
    assert_eq!(stage.within(0.2), Step::Open);
    stage.state.opened(stage.reading);
    // Released, it is opened when somebody watches.
    stage.reading.usage = Usage::Absent;
    assert_eq!(stage.within(10.0), Step::Rest);
    stage.reading.file = stamp("whole and more");
    assert_eq!(stage.within(60.0), Step::Stay);
}

#[test]
fn a_file_that_is_cut_off_under_what_plays_is_told_and_tried_again_until_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let stamp = |text: &str| {
        let path = folder.path().join("a.mp4");
        std::fs::write(&path, text).unwrap();
        Stamp::of(&path)
    };
    for is_set in [false, true] {
        let mut stage = Stage::new(playing(if is_set { "showcase" } else { "a.mp4" }, true), false);
        (stage.reading.file, stage.reading.length) = (stamp("whole"), Some(Duration::from_secs(3600)));
        match is_set {
            true => stage.set("a.mp4", true),
            false => stage.state.opened(stage.reading),
        }
        assert_eq!(stage.pictures(9).within(60.0), Step::Stay);
        stage.reading.file = stamp("who");
        assert_eq!(stage.within(1.2), Step::Renew);
        stage.state.not_renewed("cut off".into(), stage.reading);
        assert_eq!(stage.state.trouble(), Some("cut off"));
        // Nothing comes of what was open either, and it does not take the hour that it is long to be told.
        let lost = stage.within(10.0);
        assert!(matches!(&lost, Step::Lose(Some(reason)) if reason.contains("sent nothing for 10 s")), "{lost:?}");
        assert!(stage.state.trouble().is_some_and(|trouble| trouble.contains("sent nothing for 10 s")));
        assert_eq!(stage.within(0.7), Step::Open);
        assert_eq!(stage.failed("no header"), Step::Lose(Some("no header".into())));
        assert_eq!(stage.state.trouble(), Some("no header"));
        stage.reading.file = stamp("whole again");
        assert_eq!(stage.within(1.2), Step::Open);
        stage.state.opened(stage.reading);
        assert_eq!(stage.state.trouble(), Some("no header"), "there is no picture yet");
        assert_eq!(stage.pictures(1).within(1.0), Step::Stay);
        assert_eq!(stage.state.trouble(), None);
    }
}

#[test]
fn whether_it_rests_is_a_matter_of_the_source_that_plays_now() {
    let absent = |stage: &mut Stage| stage.reading.usage = Usage::Absent;
    let mut stage = Stage::new(playing("a.mp4", false), true);
    absent(&mut stage);
    assert_eq!(stage.within(60.0), Step::Stay, "it would lose its place");
    stage.set("b.mp4", true);
    assert_eq!(stage.within(10.0), Step::Rest);
    assert_eq!(stage.within(60.0), Step::Stay);
    stage.reading.usage = Usage::Watched;
    assert_eq!(stage.within(0.1), Step::Wake);
    stage.state.opened(stage.reading);
    stage.set("c.mp4", false);
    absent(&mut stage);
    assert_eq!(stage.within(60.0), Step::Stay);
    stage.set("camera", true);
    assert_eq!(stage.within(10.0), Step::Rest);

    // Nobody looks for what nobody watches, and it is tried at once when somebody does.
    let mut stage = Stage::new(playing("camera", false), true);
    assert_eq!(stage.failed("gone"), Step::Lose(Some("gone".into())));
    absent(&mut stage);
    let mut rests = false;
    for _ in 0..10 {
        match stage.within(10.0) {
            Step::Open => assert_eq!(stage.failed("gone"), Step::Lose(None)),
            step => rests |= step == Step::Rest,
        }
    }
    assert!(rests);
    stage.reading.usage = Usage::Watched;
    assert_eq!(stage.within(0.1), Step::Wake);
}

proptest! {
    /// Whatever happens in whatever order: a stream ends only with its own source, and never while another is set.
    #[test]
    fn only_the_configured_source_ends_the_stream(
        file in any::<bool>(), on_demand in any::<bool>(), events in proptest::collection::vec(0u8..9, 0..80),
    ) {
        let mut stage = Stage::new(playing(if file { "a.mp4" } else { "camera" }, false), on_demand);
        let mut is_set = false;
        for event in events {
            let step = match event {
                0 => { stage.pictures(3); Step::Stay }
                1 => { stage.set("b.mp4", true); is_set = true; Step::Stay }
                2 => { stage.set("b.mp4", false); is_set = true; Step::Stay }
                3 => { stage.state.switched(playing("a.mp4", false), Origin::Configured, stage.reading); is_set = false; Step::Stay }
                8 => {
                    stage.state.switched(playing("c.mp4", false), Origin::Listed, stage.reading);
                    is_set = false;
                    Step::Stay
                }
                4 => stage.failed("broken"),
                5 => stage.ended(End::Finished, true),
                6 => { stage.reading.usage = Usage::Absent; stage.within(7.0) }
                _ => { stage.reading.usage = Usage::Watched; stage.within(12.0) }
            };
            match step {
                Step::Open | Step::Wake => stage.state.opened(stage.reading),
                Step::GoBack(_) => {
                    prop_assert!(is_set);
                    is_set = false;
                    stage.state.opened(stage.reading);
                }
                Step::End(_) => {
                    prop_assert!(!is_set);
                    return Ok(());
                }
                Step::Stay | Step::Rest | Step::Renew | Step::Lose(_) | Step::Over(_) => {}
            }
        }
    }
}
