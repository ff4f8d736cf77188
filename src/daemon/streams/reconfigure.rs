//! Goes over to a changed config, with the smallest change of each stream, and to what of it did not open at first.

use std::time::Instant;

use super::Streams;
use crate::config::StreamConfig;
use crate::daemon::Event;
use crate::daemon::change::Change;
use crate::daemon::entry::Entry;
use crate::daemon::life::{Life, Then};
use crate::error::Error;

impl Streams {
    /// Goes over to the streams of a new config, with the smallest change of each.
    pub fn change(&mut self, wanted: Vec<StreamConfig>) {
        for place in (0..self.entries.len()).rev() {
            if wanted.iter().all(|wanted| wanted.name != self.entries[place].config.name) {
                self.stop_entry(place, Then::Remove);
            }
        }
        for wanted in wanted {
            match self.entries.iter().position(|entry| entry.config.name == wanted.name) {
                Some(place) => self.change_entry(place, wanted),
                None => {
                    self.entries.push(Entry::remembered(wanted, &self.memory));
                    self.start_entry(self.entries.len() - 1);
                }
            }
        }
        self.share_threads();
    }

    /// A live change has come to `reached`, and this was `refused`. If that is how it stays, because nothing newer is
    /// wanted, and it is news: what was told of it before, and what is to be told now.
    pub fn changed(
        &mut self,
        run: u64,
        reached: StreamConfig,
        refused: &[Error],
    ) -> Option<(Option<String>, Option<String>)> {
        let running = |entry: &Entry| entry.run == run && matches!(entry.life, Life::Running(_));
        let place = self.entries.iter().position(running)?;
        let entry = &mut self.entries[place];
        // The config is as it is wanted: it is an output that went down.
        let is_loss = entry.config == reached;
        let may_come = refused.iter().any(|error| matches!(error, Error::Input(_) | Error::Output(_)));
        if let Some((from, to)) = entry.end_change(reached, may_come, Instant::now()) {
            self.apply_change(place, Change::between(&from, &to), from, to);
            return None;
        }
        let texts: Vec<_> = refused.iter().map(ToString::to_string).collect();
        let again = if may_come { ", and is tried again until it works" } else { "" };
        let refused = (!texts.is_empty()).then(|| {
            let (name, texts) = (&entry.config.name, texts.join("; "));
            format!("stream {name}: {texts}; this part of it stays as it was{again}")
        });
        let told = entry.note_refused(refused.as_deref())?;
        if told.is_some() && refused.is_none() {
            entry.span.in_scope(|| tracing::info!("what was missing is there now"));
        }
        if let Some(refused) = refused.as_ref().filter(|_| is_loss) {
            let error = Error::output(refused);
            self.tell_failure(place, &error);
            return None;
        }
        Some((told, refused))
    }

    /// The stream starts anew, and with that ends what is recorded of it on command.
    fn tell_restart(&self, place: usize) {
        let entry = &self.entries[place];
        if let Life::Running(stream) = &entry.life
            && let Some(file) = stream.handle().recording()
        {
            let ends = "the stream starts anew with the changed config; the recording into";
            entry.span.in_scope(|| tracing::warn!("{ends} {file} ends here"));
        }
    }

    fn change_entry(&mut self, place: usize, wanted: StreamConfig) {
        let entry = &mut self.entries[place];
        if matches!(entry.life, Life::Running(_)) {
            if let Some((from, to)) = entry.ask(wanted) {
                self.apply_change(place, Change::between(&from, &to), from, to);
            }
            return;
        }
        let is_other = entry.config != wanted;
        let step = entry.life.want(wanted, is_other);
        // No daemon ends because of a change of its config.
        self.go(place, step);
    }

    /// Takes a running stream from one config to another; one change at a time.
    pub(super) fn apply_change(&mut self, place: usize, change: Change, from: StreamConfig, to: StreamConfig) {
        let change = match change {
            Change::None => return,
            Change::Restart => {
                self.tell_restart(place);
                return self.stop_entry(place, Then::Start(Box::new(to)));
            }
            Change::Live(change) => change,
        };
        let entry = &mut self.entries[place];
        let Life::Running(stream) = &entry.life else { return };
        let (handle, run) = (stream.handle(), entry.run);
        entry.begin_change();
        let events = self.events.clone();
        tokio::spawn(async move {
            let (reached, refused) = change.apply(&handle, from, &to).await;
            let _ = events.send(Event::Changed { run, reached: Box::new(reached), refused });
        });
    }
}
