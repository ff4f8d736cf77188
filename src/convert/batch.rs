//! A batch: many files and folders painted into one folder, several at a time; what is whole already is left alone.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::dry_run::DryRun;
use super::job::Job;
use super::ledger::{Entries, Ledger, State};
use super::listing::{Item, Listing, Selection};
use super::parts::folder_of;
use super::progress::Progress;
use super::watch::Watch;
use super::{Conversion, Cut, Easel, Kind, Options, behind_links};
use crate::error::{Error, Result};
use crate::gst::template::Templates;
use crate::picture::Format;
use crate::shutdown::Shutdown;
use crate::style::PaintPlan;
use crate::sync::Locked;

/// A watched folder is looked at so often; what has not changed in between is finished.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What to paint, and how, checked.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Files and folders.
    pub inputs: Vec<PathBuf>,
    /// What appears here is painted as well, until the batch is stopped.
    pub watched: Option<PathBuf>,
    /// The folder to paint into.
    pub output: PathBuf,
    /// Folders in folders too.
    pub recursive: bool,
    /// Files painted at a time, which share the threads.
    pub jobs: usize,
    pub options: Options,
    pub paint: PaintPlan,
    pub templates: Templates,
}

/// What became of the files.
#[derive(Debug, Default)]
struct Tally {
    painted: usize,
    /// Painted before.
    whole: usize,
    failed: usize,
    /// The first of the failures.
    failure: Option<Error>,
    interruption: Option<Error>,
}

impl Batch {
    /// Paints all files. One that fails does not keep the others from being painted.
    ///
    /// # Errors
    /// There is nothing to paint, or OUT is no folder to write into; at the end, that of the first file that failed; or it
    /// was interrupted.
    pub fn run(&self, shutdown: &Shutdown, json: bool) -> Result<()> {
        let failed = |error: std::io::Error| Error::output(format!("{}: {error}", self.output.display()));
        let selection = self.selection();
        let listing = Listing::of(&self.inputs, selection)?;
        if listing.items.is_empty() && self.watched.is_none() {
            return Err(self.nothing_in(&listing));
        }
        let mut watch = self.watched.as_deref().map(|folder| Watch::new(folder, selection));
        // At the second look, the first files are finished.
        watch.as_mut().map(Watch::look).transpose()?;
        std::fs::create_dir_all(&self.output).map_err(failed)?;
        let ledger = Ledger::open(&self.output)?;
        let bar = if watch.is_some() { 0 } else { listing.items.len() };
        let mut progress = Progress::of_files(json, bar);
        progress.batch(self.output.display().to_string(), listing.items.len(), self.jobs);
        for note in notes_on(&listing) {
            progress.note(&note);
        }

        let mut paint = self.paint.clone();
        paint.session.threads = Some((paint.session.thread_count() / self.jobs).max(1));
        let mut files = listing.items.len();
        let (queue, items) = channel();
        listing.items.into_iter().for_each(|item| drop(queue.send(item)));
        let (items, tally) = (Mutex::new(items), Mutex::<Tally>::default());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| self.work(&items, &paint, &ledger, &tally, shutdown, &progress));
            }
            if let Some(watch) = &mut watch {
                files += feed(watch, &queue, shutdown, &progress);
            }
            drop(queue);
        });
        let Tally { painted, whole, failed, failure, interruption } = std::mem::take(&mut *tally.locked());
        let left = files - painted - whole - failed;
        progress.summary([painted, whole, failed, left]);
        match (interruption, failure) {
            (Some(error), _) => Err(error),
            (None, _) if left > 0 => {
                Err(Error::Interrupted(format!("interrupted; the same command goes on with the {left} files left")))
            }
            (None, Some(failure)) => {
                Err(failure.map_text(|_| format!("{failed} of {files} files could not be painted")))
            }
            (None, None) => Ok(()),
        }
    }

    /// Tells what would be done, and writes nothing.
    ///
    /// # Errors
    /// As [`Batch::run`].
    pub fn forecast(&self, shutdown: &Shutdown, json: bool) -> Result<()> {
        let inputs: Vec<_> = self.inputs.iter().chain(&self.watched).cloned().collect();
        let listing = Listing::of(&inputs, self.selection())?;
        if listing.items.is_empty() {
            return Err(self.nothing_in(&listing));
        }
        let progress = Progress::of_files(json, 0);
        notes_on(&listing).iter().for_each(|note| progress.note(note));
        let (entries, mut dry_run) = (Entries::of(&self.output), DryRun::default());
        let (mut whole, mut failed, mut failure, mut seconds, mut bytes) = (0, 0, None, 0.0, 0);
        for item in &listing.items {
            let mut progress = progress.of(&item.input);
            let done = self.due(item, &self.paint, &entries).and_then(|due| match due {
                Some((conversion, _)) => dry_run.forecast(&conversion, shutdown).map(Some),
                None => Ok(None),
            });
            match done {
                Ok(Some(forecast)) => {
                    seconds += forecast.seconds.unwrap_or_default();
                    bytes += forecast.bytes.unwrap_or_default();
                    progress.forecast(&forecast);
                }
                Ok(None) => {
                    whole += 1;
                    progress.skipped(self.output.join(&item.name).display().to_string());
                }
                Err(error @ Error::Interrupted(_)) => return Err(error),
                Err(error) => {
                    progress.failed(&error);
                    failed += 1;
                    failure.get_or_insert(error);
                }
            }
        }
        let files = listing.items.len();
        progress.total([files, whole, failed], seconds, bytes);
        match failure {
            Some(failure) => Err(failure.map_text(|_| format!("{failed} of {files} files cannot be painted"))),
            None => Ok(()),
        }
    }

    fn selection(&self) -> Selection<'_> {
        Selection { recursive: self.recursive, output: &self.output, stills: self.options.at.is_some() }
    }

    /// Takes file after file until there are no more.
    fn work(
        &self,
        items: &Mutex<Receiver<Item>>,
        paint: &PaintPlan,
        ledger: &Ledger,
        tally: &Mutex<Tally>,
        shutdown: &Shutdown,
        progress: &Progress,
    ) {
        let mut easel = Easel::default();
        loop {
            let next = items.locked().recv();
            let Ok(item) = next else { return };
            if shutdown.is_given() {
                return;
            }
            let mut progress = progress.of(&item.input);
            let done = self.paint_item(&item, paint, ledger, &mut easel, shutdown, &mut progress);
            let mut tally = tally.locked();
            match done {
                Ok(true) => tally.painted += 1,
                Ok(false) => tally.whole += 1,
                Err(error @ Error::Interrupted(_)) => tally.interruption = Some(error),
                Err(error) => {
                    progress.failed(&error);
                    tally.failed += 1;
                    tally.failure.get_or_insert(error);
                }
            }
        }
    }

    /// Paints one file; false if it was painted before.
    fn paint_item(
        &self,
        item: &Item,
        paint: &PaintPlan,
        ledger: &Ledger,
        easel: &mut Easel,
        shutdown: &Shutdown,
        progress: &mut Progress,
    ) -> Result<bool> {
        let beside = (self.options.audio, &self.options.container_args);
        let due = ledger.entries(|entries| self.due(item, paint, entries))?;
        let Some((conversion, job)) = due else {
            progress.skipped(self.output.join(&item.name).display().to_string());
            return Ok(false);
        };
        let output = &conversion.output;
        if let Some(parent) = output.parent() {
            std::fs::create_dir_all(parent).map_err(|error| Error::output(format!("{}: {error}", parent.display())))?;
        }
        conversion.run(easel, shutdown, progress)?;
        ledger.add(&item.name, output, &job, &beside)?;
        Ok(true)
    }

    /// What is to be done for a file; nothing if it was painted before.
    ///
    /// # Errors
    /// It cannot be painted, or something else is in the way.
    fn due(&self, item: &Item, paint: &PaintPlan, entries: &Entries) -> Result<Option<(Conversion, Job)>> {
        let conversion = self.conversion(item, paint)?;
        let encoder = match conversion.kind {
            Kind::Video => conversion.encoder()?.launch,
            Kind::Picture | Kind::Frame => String::new(),
        };
        let (job, output) = (Job::of(&conversion, &encoder)?, &conversion.output);
        let beside = (self.options.audio, &self.options.container_args);
        match entries.state(&item.name, output, &job, &beside) {
            State::Whole => Ok(None),
            State::Other(what) if !self.options.overwrite => {
                Err(Error::usage(format!("{} exists, {what}; replace it with --overwrite", output.display())))
            }
            State::Missing | State::Stale | State::Other(_) => Ok(Some((conversion, job))),
        }
    }

    /// The conversion of a file.
    fn conversion(&self, item: &Item, paint: &PaintPlan) -> Result<Conversion> {
        let output = behind_links(&self.output.join(&item.name));
        let is_picture = Format::of(&output).is_some();
        let mut options = Options {
            // The ledger decides on that.
            overwrite: true,
            resume: self.options.resume && folder_of(&output).exists(),
            ..self.options.clone()
        };
        if is_picture {
            // Pictures among films have neither.
            (options.cut, options.rate) = (Cut::default(), None);
        }
        let kind = Kind::of(&item.input, &output, &options)?;
        let (input, paint, templates) = (item.input.clone(), paint.clone(), self.templates.clone());
        Ok(Conversion { input, output, kind, options, paint, templates })
    }

    fn nothing_in(&self, listing: &Listing) -> Error {
        let inputs: Vec<_> = self.inputs.iter().map(|input| input.display().to_string()).collect();
        let advice = if listing.folders > 0 { "; --recursive looks into the folders there too" } else { "" };
        Error::input(format!("{}: there is no film and no picture in it{advice}", inputs.join(", ")))
    }
}

fn notes_on(listing: &Listing) -> Vec<String> {
    let counts = [
        (listing.others, "other files are left out"),
        (listing.folders, "folders are left out; --recursive looks into them too"),
    ];
    counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect()
}

/// Queues what appears in the watched folder until the batch is stopped; returns how many files that were.
fn feed(watch: &mut Watch, queue: &Sender<Item>, shutdown: &Shutdown, progress: &Progress) -> usize {
    let (mut files, mut trouble) = (0, None);
    while !shutdown.sleep(LOOK_INTERVAL) {
        match watch.look() {
            Ok(items) => {
                trouble = None;
                files += items.into_iter().filter(|item| queue.send(item.clone()).is_ok()).count();
            }
            // A drive that is away, say, may come back.
            Err(error) if trouble.as_ref() != Some(&error) => {
                progress.note(&format!("{error}; it is looked at again and again"));
                trouble = Some(error);
            }
            Err(_) => {}
        }
    }
    files
}
