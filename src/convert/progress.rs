//! What a conversion tells while it runs: a bar on a terminal, plain lines elsewhere, JSON lines for machines.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// How often a plain or JSON line tells the progress.
const LINE_INTERVAL: Duration = Duration::from_secs(2);

/// The bar is drawn in thousandths.
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
}

/// Tells what goes on.
pub struct Progress {
    json: bool,
    bar: Option<ProgressBar>,
    begun: Instant,
    last_line: Instant,
}

impl Progress {
    /// `json` chooses JSON lines on standard output; people are told on standard error.
    pub fn new(json: bool) -> Self {
        let bar = (!json && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}");
            ProgressBar::new(BAR_LENGTH).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { json, bar, begun: Instant::now(), last_line: Instant::now() }
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
            && !self.json
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
        let due = self.last_line.elapsed() >= LINE_INTERVAL;
        if self.bar.is_none() && !due {
            return;
        }
        let elapsed = self.begun.elapsed().as_secs_f64();
        let rate = frames as f64 / elapsed.max(0.001);
        let seconds_left =
            done.filter(|done| *done > before).map(|done| (1.0 - done).max(0.0) * elapsed / (done - before));
        let left = seconds_left.map(|seconds| format!(", {} left", in_words(seconds))).unwrap_or_default();
        let text = format!("{frames} frames, {rate:.1} frames/s{left}");
        match &self.bar {
            Some(bar) => {
                bar.set_position((done.unwrap_or(0.0) * BAR_LENGTH as f64) as u64);
                bar.set_message(text);
            }
            None if !self.json => {
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
        if !self.json {
            self.line(&format!("note: {text}"));
        }
        self.emit(&Event::Note { text });
    }

    pub fn done(&mut self, output: String, frames: u64) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = frames as f64 / seconds.max(0.001);
        if !self.json {
            print(&format!("{output}: {frames} frames in {} ({rate:.1} frames/s)", in_words(seconds)));
        }
        self.emit(&Event::Done { output, frames, seconds, frames_per_second: rate });
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
        }
    }

    fn emit(&self, event: &Event) {
        if self.json
            && let Ok(line) = serde_json::to_string(event)
        {
            print(&line);
        }
    }
}

/// The file is painted on when nobody reads the lines any more.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// "7 s", "3 min 20 s", "1 h 5 min".
fn in_words(seconds: f64) -> String {
    match seconds.round() as u64 {
        short @ 0..=9 if seconds < 10.0 && short < 10 => format!("{seconds:.1} s"),
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn times_read_well() {
        let texts = [0.25, 9.96, 42.4, 200.0, 3900.0].map(in_words);
        assert_eq!(texts, ["0.2 s", "10 s", "42 s", "3 min 20 s", "1 h 5 min"]);
    }
}
