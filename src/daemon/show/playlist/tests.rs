//! A playlist whose clock and files the tests make.

use super::*;

/// A playlist whose time and files the test makes.
struct Stage {
    playlist: Playlist,
    now: Moment,
    there: Vec<&'static str>,
    rng: Rng,
}

fn config(sources: &[&str], shuffle: bool) -> ShowConfig {
    let item = |source: &&str| ItemConfig { source: (*source).into(), seconds: Some(10.0), r#loop: false };
    ShowConfig { playlist: sources.iter().map(item).collect(), shuffle, ..ShowConfig::default() }
}

impl Stage {
    fn new(sources: &'static [&'static str], shuffle: bool) -> Self {
        let playlist = Playlist::new(&config(sources, shuffle), None);
        Self { playlist, now: Moment::now(), there: sources.to_vec(), rng: Rng::with_seed(1) }
    }

    /// What plays next within so many seconds; "" for the configured source.
    fn within(&mut self, seconds: u64) -> Option<String> {
        let end = self.now.after(Duration::from_secs(seconds));
        loop {
            match self.playlist.step(self.now) {
                Step::List(config) => {
                    let item = |item: ItemConfig| Item {
                        title: item.source.clone(),
                        source: item.source,
                        length: item.seconds.map(Duration::from_secs_f64),
                        looped: item.r#loop,
                        lacks: None,
                    };
                    self.playlist.begin_round(config.into_iter().map(item).collect(), &mut self.rng);
                }
                Step::Play(place, item) if self.there.contains(&item.source.as_str()) => {
                    assert_eq!(self.playlist.opened(place, Ok(()), self.now), None);
                    return Some(item.source);
                }
                Step::Play(place, item) => {
                    self.playlist.opened(place, Err(format!("{}: no such file", item.source)), self.now);
                }
                Step::GoBack => return Some(String::new()),
                Step::Hold => return Some("held".into()),
                Step::Stay if end.has_come(self.now) => return None,
                Step::Stay => self.now = self.now.after(Duration::from_millis(100)),
            }
        }
    }

    fn rounds(&mut self, count: usize) -> Vec<String> {
        (0..count).filter_map(|_| self.within(11)).collect()
    }

    fn status(&self) -> (ShowStatus, Option<String>, Option<String>) {
        let state = self.playlist.state().unwrap();
        (state.status, state.on_air.map(|item| item.title), state.next)
    }
}

#[test]
fn a_missing_file_is_skipped_and_comes_back_in_the_next_round() {
    let mut stage = Stage::new(&["a", "b", "c"], false);
    stage.there = vec!["a", "c"];
    assert_eq!(stage.rounds(3), ["a", "c", "a"]);
    assert_eq!(stage.playlist.state().unwrap().items[1].missing.as_deref(), Some("b: no such file"));
    assert_eq!(stage.status(), (ShowStatus::Playing, Some("a".into()), Some("b".into())));
    stage.there.push("b");
    assert_eq!(stage.rounds(1), ["b"]);
    assert_eq!(stage.playlist.state().unwrap().items[1].missing, None);
    stage.there.clear();
    assert_eq!(stage.within(11), Some("held".into()));
    assert_eq!(stage.within(60), None, "that is told once");
    assert_eq!(stage.status().0, ShowStatus::Waiting);
    stage.there.push("c");
    assert_eq!(stage.within(31), Some("c".into()));
}

#[test]
fn a_source_that_was_set_by_hand_stays_until_the_playlist_is_resumed() {
    let mut stage = Stage::new(&["a", "b"], false);
    assert_eq!(stage.rounds(2), ["a", "b"]);
    assert!(!stage.playlist.suspend());
    assert_eq!(stage.within(3600), None);
    assert_eq!(stage.status(), (ShowStatus::ByHand, None, Some("b".into())));
    stage.playlist.command(ShowCommand::Resume, stage.now).unwrap();
    assert_eq!(stage.rounds(2), ["b", "a"]);
    // One that does not open changes nothing.
    let before = stage.playlist.suspend();
    stage.playlist.unsuspend(before);
    assert_eq!(stage.within(11), Some("b".into()));
}

#[test]
fn what_is_on_air_survives_changes_of_the_config_and_restarts() {
    let mut stage = Stage::new(&["a", "b", "c"], false);
    assert_eq!(stage.rounds(2), ["a", "b"]);
    stage.now = stage.now.after(Duration::from_secs(9));
    stage.there = vec!["a", "b", "c", "d"];
    stage.playlist.configure(&config(&["d", "c", "b", "a"], false));
    assert_eq!((stage.within(0), stage.status().1), (None, Some("b".into())), "it stays");
    assert_eq!(stage.within(2), Some("a".into()), "with the time that it had left");
    stage.playlist.configure(&config(&["d", "c"], false));
    assert_eq!(stage.within(0), Some("d".into()));
    assert_eq!(stage.within(11), Some("c".into()));

    let before = stage.playlist.place();
    stage.playlist = Playlist::new(&config(&["d", "c"], false), before.clone());
    assert_eq!(stage.playlist.place(), before, "nothing is forgotten before it runs");
    assert_eq!(stage.within(0), Some("c".into()));
    stage.playlist.begin_run(false);
    assert_eq!(stage.within(0), Some("c".into()), "the stream has started anew");
    stage.playlist.configure(&ShowConfig::default());
    assert_eq!((stage.within(0), stage.playlist.state()), (Some(String::new()), None));
    assert!(stage.playlist.command(ShowCommand::Next, stage.now).is_err());
}

#[test]
fn a_shuffled_round_has_each_once_and_none_twice_in_a_row() {
    let mut stage = Stage::new(&["a", "b", "c", "d"], true);
    let mut last = String::new();
    let mut orders = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let mut round = stage.rounds(4);
        assert_ne!(round[0], last);
        last.clone_from(&round[3]);
        orders.insert(round.clone());
        round.sort();
        assert_eq!(round, ["a", "b", "c", "d"]);
    }
    assert!(orders.len() > 3, "{orders:?}");
}

#[test]
fn a_list_that_is_not_repeated_ends_with_the_configured_source() {
    let mut stage = Stage::new(&["a", "b"], false);
    stage.playlist.configure(&ShowConfig { repeat: false, ..config(&["a", "b"], false) });
    assert_eq!(stage.rounds(3), ["a", "b", ""]);
    assert_eq!((stage.within(60), stage.status().0), (None, ShowStatus::Over));
    stage.playlist.command(ShowCommand::Jump(1), stage.now).unwrap();
    assert_eq!(stage.within(0), Some("b".into()));
    assert!(stage.playlist.command(ShowCommand::Jump(2), stage.now).unwrap_err().to_string().contains("from 0 on"));
}
