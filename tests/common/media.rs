//! Media made for the tests, and what ffmpeg and ffprobe see in a file or stream.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{output_of, shared};

/// A clip that lies beside the project on some machines only.
pub fn shared_clip(name: &str) -> Option<PathBuf> {
    shared(&format!("clips/{name}"))
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

/// A progressive gray JPEG of 2000x2000 pixels, whose scans after the first say in four bytes that all blocks are as they were:
/// decoders go over all of them each time.
pub fn jpeg_of_scans(scans: usize) -> Vec<u8> {
    let table = |class: u8, symbol: u8| {
        let mut counts = [0; 16];
        counts[0] = 1;
        [&[0xff, 0xc4, 0, 20, class << 4], counts.as_slice(), &[symbol]].concat()
    };
    let scan = |first: u8, last: u8, data: &[u8]| [&[0xff, 0xda, 0, 8, 1, 1, 0, first, last, 0], data].concat();
    let quantisation = [&[0xff, 0xdb, 0, 67, 0], [1; 64].as_slice()].concat();
    let frame = [0xff, 0xc2, 0, 11, 8, 0x07, 0xd0, 0x07, 0xd0, 1, 1, 0x11, 0];
    // One bit a block: no difference to the one before.
    let head = [&[0xff, 0xd8], quantisation.as_slice(), &frame, &table(0, 0), &table(1, 0xe0)].concat();
    let nothing = scan(0, 0, &vec![0; 62_500 / 8 + 1]);
    // Twice 31,250 blocks without anything.
    let again = scan(1, 63, &[0x74, 0x24, 0xe8, 0x4b]);
    [head, nothing, again.repeat(scans - 1), vec![0xff, 0xd9]].concat()
}
