//! What a conversion tells while it runs: a bar on a terminal, plain lines elsewhere, JSON lines for machines.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::forecast::Forecast;
use super::words::{size_in_words, time_in_words};
use crate::error::Error;
use crate::sync::Locked;

/// How often a plain or JSON line tells the progress.
const LINE_INTERVAL: Duration = Duration::from_secs(2);

/// The bar is drawn in thousandths of a file.
const BAR_LENGTH: u64 = 1000;

/// One JSON line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event<'a> {
    /// Painting begins.
    Start {
        input: String,
        output: String,
        network: &'a str,
        style: &'a str,
        /// The device that really runs the network.
        device: &'a str,
        picture: String,
        /// Frames painted side by side, and the threads of each.
        workers: usize,
        threads: usize,
        encoder: String,
        /// Frames that an interrupted run painted already.
        resumed_frames: u64,
    },
    Progress {
        frames: u64,
        frames_per_second: f64,
        /// 0 to 1; absent while the length is unknown.
        done: Option<f64>,
        seconds_left: Option<f64>,
    },
    /// Something the user should know of the result.
    Note {
        text: &'a str,
    },
    Done {
        output: String,
        frames: u64,
        seconds: f64,
        frames_per_second: f64,
    },
    /// A batch begins; all lines but this one and the summary tell the `file` that they are about.
    Batch {
        output: String,
        files: usize,
        jobs: usize,
    },
    /// A file of a batch was painted already.
    Skipped {
        output: String,
    },
    /// A file of a batch could not be painted.
    Failed {
        reason: String,
        exit_code: u8,
    },
    /// What a conversion would come to.
    #[serde(rename = "dry_run")]
    DryRun(&'a Forecast),
    /// What a batch would come to, as far as that can be told.
    Total {
        files: usize,
        painted_before: usize,
        failed: usize,
        seconds: f64,
        bytes: u64,
    },
    /// A batch has ended.
    Summary {
        painted: usize,
        skipped: usize,
        failed: usize,
        /// Files that nothing was done with, because the batch was interrupted.
        left: usize,
        seconds: f64,
    },
}

/// A line about one file of a batch, or about all there is.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

/// Who is told.
#[derive(Debug, Clone)]
enum Told {
    /// In words, on standard error and, for results, on standard output.
    People,
    /// In JSON lines on standard output.
    Machines,
    /// Nobody; the notes are kept.
    Nobody(Arc<Mutex<Kept>>),
}

/// What a conversion that nobody watches came to.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Size of the pictures, device and encoder.
    pub picture: String,
    pub device: String,
    pub encoder: String,
    pub notes: Vec<String>,
    /// Frames painted so far, and for how long.
    pub painted: (u64, Duration),
    /// The same when all was done.
    pub done: (u64, Duration),
}

/// Tells what goes on.
pub struct Progress {
    told: Told,
    /// The file of a batch that this is about.
    file: Option<String>,
    bar: Option<ProgressBar>,
    /// How much of the bar this file has filled.
    filled: u64,
    begun: Instant,
    last_line: Instant,
}

impl Progress {
    /// `json` chooses JSON lines on standard output; people are told on standard error.
    pub fn new(json: bool) -> Self {
        Self::of_files(json, 1)
    }

    /// As [`Progress::new`], for a batch of so many files.
    pub fn of_files(json: bool, files: usize) -> Self {
        let bar = (!json && files > 0 && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}");
            ProgressBar::new(BAR_LENGTH * files as u64)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let told = if json { Told::Machines } else { Told::People };
        Self { told, file: None, bar, filled: 0, begun: Instant::now(), last_line: Instant::now() }
    }

    /// Tells nobody; [`Progress::kept`] says what there was to tell.
    pub fn silent() -> Self {
        Self { told: Told::Nobody(Arc::default()), bar: None, ..Self::of_files(true, 0) }
    }

    /// What was kept of a silent conversion.
    pub fn kept(&self) -> Kept {
        match &self.told {
            Told::Nobody(kept) => kept.locked().clone(),
            _ => Kept::default(),
        }
    }

    /// The same for one file of a batch.
    pub fn of(&self, file: &Path) -> Self {
        let (bar, file) = (self.bar.clone(), Some(file.display().to_string()));
        Self { told: self.told.clone(), file, bar, filled: 0, begun: Instant::now(), last_line: Instant::now() }
    }

    /// Painting begins now: frame rates count from here.
    pub fn start(&mut self, event: &Event) {
        self.begun = Instant::now();
        if let Event::Start {
            input,
            output,
            network,
            style,
            device,
            picture,
            workers,
            threads,
            encoder,
            resumed_frames,
        } = event
            && self.tells_people()
            && self.file.is_none()
        {
            self.line(&format!("{input} ({picture}) -> {output}"));
            let workers = if *workers > 1 { format!("{workers} frames side by side, ") } else { String::new() };
            self.line(&format!("{style} by {network} on {device}, {workers}{threads} threads a frame; {encoder}"));
            if *resumed_frames > 0 {
                self.line(&format!("going on after {resumed_frames} frames that are painted already"));
            }
        }
        self.emit(event);
    }

    /// `frames` are finished in this run; `done` is the finished part of the whole, 0 to 1, and `before` the part
    /// that was finished before this run.
    pub fn update(&mut self, frames: u64, done: Option<f64>, before: f64) {
        if let Told::Nobody(kept) = &self.told {
            kept.locked().painted = (frames, self.begun.elapsed());
            return;
        }
        let due = self.last_line.elapsed() >= LINE_INTERVAL;
        if self.bar.is_none() && !due {
            return;
        }
        let elapsed = self.begun.elapsed().as_secs_f64();
        let rate = frames as f64 / elapsed.max(0.001);
        let seconds_left =
            done.filter(|done| *done > before).map(|done| (1.0 - done).max(0.0) * elapsed / (done - before));
        let left = seconds_left.map(|seconds| format!(", {} left", time_in_words(seconds))).unwrap_or_default();
        let file = self.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
        let text = format!("{file}{frames} frames, {rate:.1} frames/s{left}");
        self.fill(done.unwrap_or(0.0));
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None if self.tells_people() => {
                let percent = done.map(|done| format!("{:3.0} %  ", done * 100.0)).unwrap_or_default();
                let _ = writeln!(std::io::stderr(), "{percent}{text}");
            }
            None => {}
        }
        if due {
            self.last_line = Instant::now();
            self.emit(&Event::Progress { frames, frames_per_second: rate, done, seconds_left });
        }
    }

    /// Something the user should know.
    pub fn note(&self, text: &str) {
        if self.tells_people() {
            let file = self.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
            self.line(&format!("note: {file}{text}"));
        }
        self.emit(&Event::Note { text });
    }

    /// The batch begins now.
    pub fn batch(&self, output: String, files: usize, jobs: usize) {
        if self.tells_people() {
            self.line(&format!("{files} files -> {output}"));
        }
        self.emit(&Event::Batch { output, files, jobs });
    }

    /// The file is there already.
    pub fn skipped(&mut self, output: String) {
        self.fill(1.0);
        self.emit(&Event::Skipped { output });
    }

    /// The file could not be painted.
    pub fn failed(&mut self, error: &Error) {
        self.fill(1.0);
        if self.tells_people() {
            let (text, file) = (error.to_string(), self.file.as_deref().unwrap_or_default());
            let file = if text.contains(file) { String::new() } else { format!("{file}: ") };
            self.line(&format!("failed: {file}{text}"));
        }
        self.emit(&Event::Failed { reason: error.to_string(), exit_code: error.exit_code() });
    }

    /// What a conversion would come to.
    pub fn forecast(&self, forecast: &Forecast) {
        if self.tells_people() {
            forecast.lines().iter().for_each(|line| print(line));
        }
        self.emit(&Event::DryRun(forecast));
    }

    /// What a batch would come to.
    pub fn total(&self, [files, painted_before, failed]: [usize; 3], seconds: f64, bytes: u64) {
        if self.tells_people() {
            let counts = [(painted_before, "painted before"), (failed, "failed")];
            let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
            let (counts, time, size) = (counts.collect::<String>(), time_in_words(seconds), size_in_words(bytes));
            print(&format!("{files} files{counts}: about {time} and {size} in all"));
        }
        self.emit(&Event::Total { files, painted_before, failed, seconds, bytes });
    }

    /// The batch has ended: so many files were painted, were there already, failed, and are left.
    pub fn summary(&mut self, [painted, skipped, failed, left]: [usize; 4]) {
        self.clear();
        let seconds = self.begun.elapsed().as_secs_f64();
        if self.tells_people() {
            let counts = [(skipped, "painted before"), (failed, "failed"), (left, "left")];
            let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
            print(&format!("{painted} files painted{} in {}", counts.collect::<String>(), time_in_words(seconds)));
        }
        self.emit(&Event::Summary { painted, skipped, failed, left, seconds });
    }

    pub fn done(&mut self, output: String, frames: u64) {
        match self.file {
            Some(_) => self.fill(1.0),
            None => self.clear(),
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = frames as f64 / seconds.max(0.001);
        if self.tells_people() {
            let text = format!("{output}: {frames} frames in {} ({rate:.1} frames/s)", time_in_words(seconds));
            match &self.bar {
                Some(bar) => bar.suspend(|| print(&text)),
                None => print(&text),
            }
        }
        self.emit(&Event::Done { output, frames, seconds, frames_per_second: rate });
    }

    /// `done` of this file is finished, 0 to 1.
    fn fill(&mut self, done: f64) {
        let filled = (done * BAR_LENGTH as f64) as u64;
        if let Some(bar) = &self.bar {
            bar.inc(filled.saturating_sub(self.filled));
            self.filled = self.filled.max(filled);
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
        }
    }

    fn tells_people(&self) -> bool {
        matches!(self.told, Told::People)
    }

    fn emit(&self, event: &Event) {
        match &self.told {
            Told::People => {}
            Told::Machines => {
                if let Ok(line) = serde_json::to_string(&Line { file: self.file.as_deref(), event }) {
                    print(&line);
                }
            }
            Told::Nobody(kept) => kept.locked().keep(event),
        }
    }
}

impl Kept {
    fn keep(&mut self, event: &Event) {
        match event {
            Event::Start { picture, device, encoder, .. } => {
                (self.picture, self.device, self.encoder) = (picture.clone(), device.to_string(), encoder.clone());
            }
            Event::Note { text } => self.notes.push(text.to_string()),
            Event::Done { frames, seconds, .. } => self.done = (*frames, Duration::from_secs_f64(*seconds)),
            _ => {}
        }
    }
}

/// The file is painted on when nobody reads the lines any more.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
