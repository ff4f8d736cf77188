//! What the end-to-end tests share: the binary under test, media made for the test, real clients, free ports.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test fails; far more than a busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test, started in the project's root.
pub fn impasto() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}

/// A clip that lies beside the project on some machines only.
pub fn shared_clip(name: &str) -> Option<PathBuf> {
    let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/clips").join(name);
    let found = clip.exists();
    if !found {
        eprintln!("skipped: the clip {name} is not on this machine");
    }
    found.then_some(clip)
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// A running `impasto run --json`; killed when dropped.
pub struct Running {
    child: Child,
    events: Receiver<Value>,
    errors: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// How an `impasto` ended.
pub struct Ended {
    pub code: Option<i32>,
    /// What it told on standard error.
    pub errors: String,
    /// The JSON events that nobody waited for.
    pub events: Vec<Value>,
}

impl Running {
    pub fn start(args: &[&str]) -> Self {
        let mut command = impasto();
        command.args(["run", "--json"]).args(args);
        Self::spawn(command)
    }

    pub fn spawn(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary under test starts");
        let (sender, events) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let read_events = std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str(&line) {
                    let _ = sender.send(event);
                }
            }
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let read_errors = {
            let errors = Arc::clone(&errors);
            std::thread::spawn(move || {
                for line in stderr.lines().map_while(Result::ok) {
                    errors.lock().unwrap().push_str(&(line + "\n"));
                }
            })
        };
        Self { child, events, errors, readers: vec![read_events, read_errors] }
    }

    /// Waits for a JSON event that `wanted` accepts.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) if wanted(&event) => return event,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("{what}: never happened\n{}", self.errors()),
                Err(RecvTimeoutError::Disconnected) => panic!("{what}: it ended before\n{}", self.errors()),
            }
        }
    }

    /// Waits until the stream runs.
    pub fn started(self) -> Self {
        self.wait_for("the start", |event| event["event"] == "started");
        self
    }

    /// Waits for a status whose `key` is `wanted`.
    pub fn wait_for_status(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(what, |event| event["event"] == "status" && wanted(event))
    }

    pub fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the process is ours").is_none()
    }

    /// `INT`, `TERM`, `STOP`, ...
    pub fn signal(&self, name: &str) {
        send_signal(&self.child, name);
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        let code = wait(&mut self.child, PATIENCE).code();
        self.readers.drain(..).for_each(|reader| reader.join().expect("readers do not panic"));
        Ended { code, errors: self.errors(), events: self.events.try_iter().collect() }
    }

    /// Ctrl-C, and a wait for the end.
    pub fn interrupt(self) -> Ended {
        self.signal("INT");
        self.end()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A child process that is killed when the test is done with it.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn send_signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
}

/// Waits for the end of a child, and kills one that takes too long.
pub fn wait(child: &mut Child, patience: Duration) -> std::process::ExitStatus {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().expect("the process is ours") {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("a process did not end in {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a command to its end and returns what it wrote.
pub fn output_of(command: &mut Command) -> Output {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let (mut stdout, mut stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let read = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stderr.read_to_end(&mut bytes);
        bytes
    });
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stdout.read_to_end(&mut bytes);
        bytes
    });
    let status = wait(&mut child, PATIENCE);
    Output { status, stdout: reader.join().unwrap(), stderr: read.join().unwrap() }
}

/// Runs a tool that must succeed; returns its standard output.
pub fn tool(name: &str, args: &[&str]) -> String {
    let output = output_of(Command::new(name).args(args));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {args:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `ffmpeg ARGS`, quiet, never asking.
pub fn ffmpeg(args: &[&str]) {
    tool("ffmpeg", &[&["-v", "error", "-nostdin", "-y"], args].concat());
}

/// One value of a stream or the container: `probe(file, "v", "stream=width")`.
pub fn probe(input: &str, stream: &str, entries: &str) -> String {
    let args = ["-v", "error", "-select_streams", stream, "-show_entries", entries, "-of", "csv=p=0", input];
    tool("ffprobe", &args).trim().trim_end_matches(',').to_string()
}

/// Presentation times of all packets of a stream, in seconds, sorted as they are stored.
pub fn packet_times(file: &str, stream: &str) -> Vec<f64> {
    let args = ["-v", "error", "-select_streams", stream, "-show_entries", "packet=pts_time", "-of", "csv=p=0", file];
    tool("ffprobe", &args).lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect()
}

/// Every time is greater than the one before.
pub fn assert_rising(times: &[f64]) {
    if let Some(pair) = times.windows(2).find(|pair| pair[1] <= pair[0]) {
        panic!("times do not rise: {pair:?}");
    }
}

/// A clip of `seconds` whose picture flashes white, and whose sound beeps, for a tenth of a second at every
/// full second; black and silent between.
pub fn flash_and_beep(file: &Path, seconds: u32) {
    let picture = format!(
        "color=black:s=320x180:r=30:d={seconds},drawbox=t=fill:c=white:enable='lt(mod(t,1),0.1)',format=yuv420p"
    );
    let sound = format!("aevalsrc='0.7*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':s=48000:d={seconds}");
    let (codec, sound_codec) = (["-c:v", "libx264", "-preset", "ultrafast", "-g", "30"], ["-c:a", "pcm_s16le"]);
    let inputs = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound];
    let file = file.to_str().expect("UTF-8");
    ffmpeg(&[&inputs[..], &codec, &sound_codec, &[file]].concat());
}

/// How much later than the flashes the beeps of a file come, in seconds, for each flash that has a beep near it.
pub fn sound_delays(file: &str) -> Vec<f64> {
    let (luma, level) = ("lavfi.signalstats.YAVG", "lavfi.astats.Overall.RMS_level");
    let picture = format!("scale=32:18,signalstats,metadata=print:key={luma}:file=-");
    let sound = format!("asetnsamples=240,astats=metadata=1:reset=1,ametadata=print:key={level}:file=-");
    let base = ["-v", "error", "-nostdin", "-copyts", "-i", file];
    let flashes =
        onsets(&tool("ffmpeg", &[&base[..], &["-map", "0:v", "-vf", &picture, "-f", "null", "-"]].concat()), 128.0);
    let beeps =
        onsets(&tool("ffmpeg", &[&base[..], &["-map", "0:a", "-af", &sound, "-f", "null", "-"]].concat()), -30.0);
    let near = |flash: &f64| beeps.iter().map(|beep| beep - flash).min_by(|a, b| a.abs().total_cmp(&b.abs()));
    flashes.iter().filter_map(near).filter(|delay| delay.abs() < 0.5).collect()
}

/// The times at which a printed metadata value rises above `threshold`; the beginning does not count.
fn onsets(printed: &str, threshold: f64) -> Vec<f64> {
    let (mut time, mut high, mut found) = (0.0, true, Vec::new());
    for line in printed.lines() {
        if let Some((_, at)) = line.split_once("pts_time:") {
            time = at.trim().parse().unwrap_or(time);
        } else if let Some((_, value)) = line.split_once('=') {
            let now = value.parse().unwrap_or(f64::NEG_INFINITY) > threshold;
            if now && !high {
                found.push(time);
            }
            high = now;
        }
    }
    found
}

/// A middle picture of a file or stream as gray bytes of `width` x `height`, `skip` frames in.
pub fn gray_frame(input: &[&str], skip: u32, (width, height): (usize, usize)) -> Vec<u8> {
    let filter = format!("select=gte(n\\,{skip}),scale={width}:{height},format=gray");
    let args = ["-frames:v", "1", "-vf", &filter, "-f", "rawvideo", "-"];
    let output = output_of(Command::new("ffmpeg").args(["-v", "error", "-nostdin"]).args(input).args(args));
    assert_eq!(output.stdout.len(), width * height, "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Mean absolute difference of two pictures, 0 to 255.
pub fn difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}
