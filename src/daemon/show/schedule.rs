//! The week: which programme is on at a time, and when that changes. Days are those of its time zone.

use jiff::civil::{Date, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use crate::config::{Day, ScheduleConfig, TimeOfDay};

/// Every entry comes up within so many days.
const DAYS: i32 = 9;

/// The minutes of a week.
const WEEK: i32 = 7 * TimeOfDay::DAY;

/// When which programme is on.
#[derive(Debug, Clone)]
pub struct Schedule {
    zone: TimeZone,
    entries: Vec<ScheduleConfig>,
}

/// What the schedule says at a time: numbers of its entries, none where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub entry: Option<usize>,
    /// When it says something else, and what.
    pub next: Option<(Timestamp, Option<usize>)>,
}

impl Schedule {
    pub fn new(zone: TimeZone, entries: &[ScheduleConfig]) -> Self {
        Self { zone, entries: entries.to_vec() }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The programme of an entry.
    pub fn programme(&self, entry: usize) -> &str {
        &self.entries[entry].programme
    }

    pub fn at(&self, now: Timestamp) -> Slot {
        let today = self.zone.to_datetime(now).date();
        let days = (-1..=DAYS).filter_map(|days| today.checked_add(days.days()).ok());
        let times: Vec<_> = days.flat_map(|day| self.times_of(day)).collect();
        // Of those that are on at a time, the latest in the list.
        let on = |time: Timestamp| {
            let at_that_time = times.iter().filter(|(_, from, to)| (*from..*to).contains(&time));
            at_that_time.map(|(entry, ..)| *entry).max()
        };
        let entry = on(now);
        let mut changes: Vec<_> =
            times.iter().flat_map(|(_, from, to)| [*from, *to]).filter(|time| *time > now).collect();
        changes.sort_unstable();
        // What is known does not reach further.
        let end = today.checked_add((DAYS - 1).days()).ok().map(|day| self.first(day, 0));
        let is_other = |time: &Timestamp| on(*time) != entry && end.is_some_and(|end| *time < end);
        let next = changes.into_iter().find(is_other).map(|time| (time, on(time)));
        Slot { entry, next }
    }

    /// Number, begin and end of what begins on that day.
    fn times_of(&self, day: Date) -> impl Iterator<Item = (usize, Timestamp, Timestamp)> + '_ {
        let weekday = weekday(day.weekday());
        let of_day = self.entries.iter().enumerate().filter(move |(_, entry)| entry.days.contains(&weekday));
        of_day.map(move |(number, entry)| {
            let (from, to) = minutes(entry);
            (number, self.first(day, from), self.first(day, to))
        })
    }

    /// The first moment at which the clocks show so many minutes of that day, or more: an hour that they skip has none of
    /// its own, and one that they go through twice begins once.
    fn first(&self, day: Date, minutes: i32) -> Timestamp {
        let wanted = day.checked_add((minutes / TimeOfDay::DAY).days()).unwrap_or(day);
        let minutes = minutes % TimeOfDay::DAY;
        let shown = wanted.at((minutes / 60) as i8, (minutes % 60) as i8, 0, 0);
        let ambiguous = self.zone.to_ambiguous_timestamp(shown);
        let found = match ambiguous.offset() {
            AmbiguousOffset::Gap { after, .. } => {
                let before = after.to_timestamp(shown).ok();
                before.and_then(|before| Some(self.zone.following(before).next()?.timestamp()))
            }
            _ => None,
        };
        found.or_else(|| ambiguous.earlier().ok()).unwrap_or(Timestamp::MAX)
    }

    /// What lies over what, in words.
    pub fn overlaps(&self) -> Vec<String> {
        let pairs = (0..self.entries.len()).flat_map(|over| (0..over).map(move |under| (over, under)));
        let clash = pairs.filter(|(over, under)| overlap(&self.entries[*over], &self.entries[*under]));
        let words = |(over, under): (usize, usize)| {
            let (over, under) = (&self.entries[over], &self.entries[under]);
            format!("[show] schedule: {over} lies over {under}: the later one wins while both are on")
        };
        clash.map(words).collect()
    }
}

/// Begin and end, in minutes from the midnight before it.
fn minutes(entry: &ScheduleConfig) -> (i32, i32) {
    let (from, to) = (entry.from.minutes(), entry.to.minutes());
    (from, if to <= from { to + TimeOfDay::DAY } else { to })
}

fn overlap(a: &ScheduleConfig, b: &ScheduleConfig) -> bool {
    let times = |entry: &ScheduleConfig| {
        let (from, to) = minutes(entry);
        let begins = entry.days.iter().map(move |day| *day as i32 * TimeOfDay::DAY + from);
        begins.map(|begin| (begin, to - from)).collect::<Vec<_>>()
    };
    let (a, b) = (times(a), times(b));
    let meet = |(begin, length): &(i32, i32), (other, other_length): &(i32, i32)| {
        let later = (other - begin).rem_euclid(WEEK);
        later < *length || WEEK - later < *other_length
    };
    a.iter().any(|a| b.iter().any(|b| meet(a, b)))
}

fn weekday(day: Weekday) -> Day {
    Day::ALL[day.to_monday_zero_offset() as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(zone: &str, entries: &[(&str, &str, &str)]) -> Schedule {
        let entry = |(days, from, to): &(&str, &str, &str)| ScheduleConfig {
            programme: format!("{days} {from}"),
            days: if days.is_empty() {
                Day::ALL.to_vec()
            } else {
                Day::ALL.into_iter().filter(|day| days.contains(&day.to_string())).collect()
            },
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        };
        Schedule::new(TimeZone::get(zone).unwrap(), &entries.iter().map(entry).collect::<Vec<_>>())
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// All changes from `begin` on for so many days, as hours and minutes in UTC with the entry that is on then.
    fn changes(schedule: &Schedule, begin: &str, days: i64) -> Vec<(String, Option<usize>)> {
        let (mut now, mut found) = (time(begin), Vec::new());
        let end = now + (days * 24).hours();
        while let Some((next, entry)) = schedule.at(now).next.filter(|(next, _)| *next < end) {
            assert!(next > now);
            assert_eq!(schedule.at(next).entry, entry, "it is as it was foretold");
            assert_ne!(schedule.at(next - 1.second()).entry, entry);
            found.push((next.strftime("%a %H:%M").to_string(), entry));
            now = next;
        }
        found
    }

    fn named<const N: usize>(changes: [(&str, Option<usize>); N]) -> Vec<(String, Option<usize>)> {
        changes.map(|(time, entry)| (time.to_string(), entry)).to_vec()
    }

    #[test]
    fn a_week_goes_by_and_the_later_one_of_two_wins() {
        let schedule = of(
            "UTC",
            &[
                ("", "08:00", "20:00"),
                ("fri sat", "18:00", "02:00"),
                ("sun", "00:00", "24:00"),
                ("wed", "12:00", "12:30"),
            ],
        );
        let day = |name| [(format!("{name} 08:00"), Some(0)), (format!("{name} 20:00"), None)];
        let mut expected: Vec<_> = [day("Mon"), day("Tue")].concat();
        expected.extend(named([
            ("Wed 08:00", Some(0)),
            ("Wed 12:00", Some(3)),
            ("Wed 12:30", Some(0)),
            ("Wed 20:00", None),
        ]));
        expected.extend(day("Thu"));
        expected.extend(named([
            ("Fri 08:00", Some(0)),
            ("Fri 18:00", Some(1)),
            ("Sat 02:00", None),
            ("Sat 08:00", Some(0)),
            ("Sat 18:00", Some(1)),
            // The Sunday lies over the end of the Saturday night.
            ("Sun 00:00", Some(2)),
        ]));
        assert_eq!(changes(&schedule, "2026-06-01T00:00Z", 7), expected);
        let told = schedule.overlaps();
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(
            told[0]
                .contains("`fri sat 18:00` (fri, sat, 18:00 to 02:00) lies over ` 08:00` (every day, 08:00 to 20:00)"),
            "{told:?}"
        );
        assert_eq!(of("UTC", &[("mon", "22:00", "02:00"), ("tue", "02:00", "03:00")]).overlaps().len(), 0);
        assert_eq!(of("UTC", &[("sun", "22:00", "02:00"), ("mon", "01:00", "03:00")]).overlaps().len(), 1);
        assert_eq!(of("UTC", &[("", "00:00", "24:00")]).at(time("2026-06-01T00:00Z")).next, None);
    }

    #[test]
    fn a_skipped_hour_has_nothing_of_its_own_and_a_doubled_one_begins_once() {
        // Clocks go from 2:00 to 3:00 and back from 3:00 to 2:00 in Berlin, from 2:00 to 3:00 and from 2:00 to 1:00 in New York.
        let entries = [("", "09:00", "17:00"), ("sun", "02:15", "02:45"), ("sun", "02:30", "03:30")];
        let berlin = of("Europe/Berlin", &entries);
        assert_eq!(
            changes(&berlin, "2026-03-28T12:00Z", 2),
            named([
                ("Sat 16:00", None),
                // The clocks show 3:00 then, and at 2:30 they showed nothing.
                ("Sun 01:00", Some(2)),
                ("Sun 01:30", None),
                ("Sun 07:00", Some(0)),
                ("Sun 15:00", None),
                ("Mon 07:00", Some(0)),
            ])
        );
        assert_eq!(
            changes(&berlin, "2026-10-24T12:00Z", 2),
            named([
                ("Sat 15:00", None),
                ("Sun 00:15", Some(1)),
                ("Sun 00:30", Some(2)),
                // Once more 2:00 to 3:00 meanwhile.
                ("Sun 02:30", None),
                ("Sun 08:00", Some(0)),
                ("Sun 16:00", None),
                ("Mon 08:00", Some(0)),
            ])
        );
        let york = of("America/New_York", &[("sat", "22:00", "04:00"), ("sun", "01:30", "01:45")]);
        assert_eq!(
            changes(&york, "2026-03-07T12:00Z", 2),
            // Five hours long.
            named([("Sun 03:00", Some(0)), ("Sun 06:30", Some(1)), ("Sun 06:45", Some(0)), ("Sun 08:00", None)])
        );
        assert_eq!(
            changes(&york, "2026-10-31T12:00Z", 2),
            // Seven hours long, and what lies over it comes once.
            named([("Sun 02:00", Some(0)), ("Sun 05:30", Some(1)), ("Sun 05:45", Some(0)), ("Sun 09:00", None)])
        );
    }
}
