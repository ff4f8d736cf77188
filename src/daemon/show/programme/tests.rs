//! Programmes whose clock the tests turn.

use super::super::scenes::What;
use super::*;
use crate::config::{Config, ShowConfig};
use crate::style::look::Mix;

/// Programmes whose clock the test turns.
struct Stage {
    programme: Programme,
    now: Moment,
    rng: Rng,
    gone: &'static str,
}

fn config(show: &str) -> StreamConfig {
    let show: ShowConfig = toml::from_str(show).unwrap();
    show.check().unwrap();
    let mut config = Config::default().streams().remove(0);
    config.paint.strength = 0.5;
    StreamConfig { show, ..config }
}

impl Stage {
    fn new(show: &str) -> Self {
        let now = Moment { wall: "2026-06-01T00:00Z".parse().unwrap(), ..Moment::now() };
        Self { programme: Programme::new(&config(show), None), now, rng: Rng::with_seed(3), gone: "none" }
    }

    /// All that is painted within so much time, with the seconds from its beginning.
    fn within(&mut self, time: Duration) -> Vec<(u64, String)> {
        let (begin, mut painted) = (self.now, Vec::new());
        while begin.elapsed(self.now) <= time {
            match self.programme.step(self.now, &mut self.rng) {
                Step::Paint(place, scene) if scene.title == self.gone => {
                    self.programme.painted(place, Err("unknown style".into()), self.now);
                }
                Step::Paint(place, scene) => {
                    self.programme.painted(place, Ok(()), self.now);
                    painted.push((begin.elapsed(self.now).as_secs_f64().round() as u64, scene.title));
                }
                Step::Stay => {
                    let due = self.programme.due(self.now);
                    let left = time.saturating_sub(begin.elapsed(self.now));
                    let wait = due.map_or(left, |due| self.now.elapsed(due)).min(left).max(Duration::from_millis(1));
                    self.now = self.now.after(wait);
                }
            }
        }
        painted
    }

    fn seconds(&mut self, seconds: u64) -> Vec<(u64, String)> {
        self.within(Duration::from_secs(seconds))
    }

    fn state(&self) -> PartState {
        self.programme.state(self.now).unwrap()
    }
}

const STEPS: &str = "[[programme]]\nname = \"day\"\nseconds = 10\nfade_seconds = 120\n\
                     step = [{ look = { styles = \"a\" } }, { preset = \"dusk\", seconds = 20, fade_seconds = 0 }]\n";

fn list<const N: usize>(items: [(u64, &str); N]) -> Vec<(u64, String)> {
    items.map(|(time, title)| (time, title.to_string())).to_vec()
}

#[test]
fn steps_follow_each_other_with_their_own_times_and_fades() {
    let mut stage = Stage::new(STEPS);
    let Step::Paint(0, first) = stage.programme.step(stage.now, &mut stage.rng) else { panic!("nothing is painted") };
    assert_eq!(first.fade, Duration::from_secs(120));
    let What::Look(look) = first.what else { panic!("a look") };
    assert_eq!((look.strength, look.styles), (0.5, Mix::only("a")), "the rest is as [paint] says");
    assert_eq!(stage.seconds(45), list([(0, "a"), (10, "dusk"), (30, "a"), (40, "dusk")]));
    stage.programme.command(ShowCommand::Pause, stage.now).unwrap();
    assert_eq!(stage.seconds(3600), []);
    stage.programme.command(ShowCommand::Next, stage.now).unwrap();
    assert_eq!((stage.seconds(60), stage.state().status), (list([(0, "a")]), ShowStatus::Paused));
    stage.programme.command(ShowCommand::Resume, stage.now).unwrap();
    stage.programme.command(ShowCommand::Jump(1), stage.now).unwrap();
    assert_eq!(stage.seconds(21), list([(0, "dusk"), (20, "a")]));
    assert_eq!((stage.state().next, stage.state().name), (Some("dusk".into()), Some("day".into())));
    assert!(stage.programme.command(ShowCommand::Jump(2), stage.now).is_err());
}

#[test]
fn an_unknown_style_is_kept_and_shown_as_missing_and_the_rest_goes_on() {
    let mut stage = Stage::new(
        "programme = [{ name = \"x\", seconds = 10, step = [{ look = { styles = \"a\" } }, { look = { styles = \"none\" } }, { preset = \"c\" }] }]",
    );
    assert_eq!(stage.seconds(25), list([(0, "a"), (10, "c"), (20, "a")]));
    assert_eq!(stage.state().items[1], ShowItem { title: "none".into(), missing: Some("unknown style".into()) });
    stage.gone = "";
    assert_eq!(stage.seconds(10), list([(5, "none")]), "it has come");
    assert_eq!(stage.state().items[1].missing, None);
    let mut alone = Stage::new("programme = [{ name = \"x\", walk = [\"none\"] }]");
    assert_eq!((alone.seconds(3600), alone.state().status), (vec![], ShowStatus::Waiting));
    alone.gone = "";
    assert_eq!(alone.seconds(3600).len(), 1, "one alone is painted once");
}

#[test]
fn a_walk_goes_everywhere_and_never_stays() {
    let mut stage = Stage::new("programme = [{ name = \"x\", seconds = 1, walk = [\"a\", \"b\", \"c\", \"d\"] }]");
    let painted: Vec<_> = stage.seconds(400).into_iter().map(|(_, title)| title).collect();
    assert!(painted.len() >= 400 && painted.windows(2).all(|pair| pair[0] != pair[1]), "{painted:?}");
    for style in ["a", "b", "c", "d"] {
        let count = painted.iter().filter(|title| *title == style).count();
        assert!((60..140).contains(&count), "{style}: {count}");
    }
}

#[test]
fn a_week_changes_the_programmes_and_a_pause_holds_them() {
    let mut stage = Stage::new(
        "time_zone = \"Europe/Berlin\"\n\
         programme = [{ name = \"day\", walk = [\"a\"] }, { name = \"night\", walk = [\"b\"], fade_seconds = 300 }]\n\
         [[schedule]]\nprogramme = \"day\"\nfrom = \"08:00\"\nto = \"20:00\"\n\
         [[schedule]]\nprogramme = \"night\"\ndays = [\"fri\", \"sat\"]\nfrom = \"19:00\"\nto = \"01:00\"\n",
    );
    assert_eq!(stage.programme.notes().len(), 1);
    // Berlin is two hours ahead, the Monday begins at 22:00.
    let hours = |time: u64| (time / 3600, time % 3600);
    let painted: Vec<_> =
        stage.within(Duration::from_secs(7 * 86_400)).into_iter().map(|(time, title)| (hours(time), title)).collect();
    let day = |days: u64| ((days * 24 + 6, 0), "a".to_string());
    let night = |days: u64| ((days * 24 + 17, 0), "b".to_string());
    assert_eq!(painted, [day(0), day(1), day(2), day(3), day(4), night(4), day(5), night(5), day(6)]);
    assert_eq!(stage.state().status, ShowStatus::Off);
    let next = stage.state();
    assert_eq!(
        (next.next.as_deref(), next.next_unix_s),
        (Some("day"), Some("2026-06-08T06:00Z".parse::<jiff::Timestamp>().unwrap().as_second()))
    );
    assert!(stage.programme.command(ShowCommand::Next, stage.now).unwrap_err().to_string().contains("the schedule"));
    assert_eq!(stage.seconds(7 * 3600).len(), 1);
    stage.programme.command(ShowCommand::Pause, stage.now).unwrap();
    assert_eq!((stage.seconds(3 * 86_400), stage.state().name), (vec![], Some("day".into())));
}

#[test]
fn what_is_on_air_survives_changes_of_the_config_and_restarts() {
    let mut stage = Stage::new(STEPS);
    stage.seconds(15);
    assert_eq!(stage.state().on_air.unwrap().title, "dusk");
    stage.programme.configure(&config(&STEPS.replace("\"a\"", "\"b\"")));
    assert_eq!(stage.seconds(16), list([(15, "b")]), "with the time that it had left");
    let before = stage.programme.place();
    stage.programme = Programme::new(&config(STEPS), before.clone());
    assert_eq!(stage.programme.place(), before);
    stage.seconds(11);
    let before = stage.programme.place();
    stage.programme = Programme::new(&config(STEPS), before);
    assert_eq!(stage.seconds(5), list([(0, "dusk")]));
    stage.programme.begin_run();
    assert_eq!(stage.seconds(5), list([(0, "dusk")]), "the stream has started anew");
    stage.programme.configure(&config(""));
    assert_eq!((stage.seconds(60), stage.programme.state(stage.now)), (vec![], None));
}
