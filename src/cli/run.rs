//! `impasto run`: paints a live source.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::args::{PaintArgs, overlay};
use crate::config::{Config, DisplayConfig, ExtraOutput, Settings, VirtualCameraConfig};
use crate::control::HttpAddress;
use crate::daemon::RunOptions;
use crate::error::{Error, Result};
use crate::output::display::PRIMARY;

const AFTER_HELP: &str = "\
The stream runs until its file is over, --duration has passed, or Ctrl-C or SIGTERM comes. All of these finish the
recording and exit with 0; a signal before the stream runs, or a second one, exits with 130. A camera or stream that
is lost is opened again until it is back, and the last picture is held meanwhile. With a config, Impasto runs on when
files are over, and a stream that fails is tried again; not so with --once.

Secrets are never flags, which every user of the machine can read: IMPASTO_TOKEN, or [control] token in the config, is
what the HTTP API asks for; IMPASTO_RTSP_PASSWORD, or rtsp_password, goes with --rtsp-user; IMPASTO_TURN, or [control]
turn, is the TURN server with its password.

Flags act on every stream of the config. A config that is changed is taken while it runs; SIGHUP reads it again at once.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct RunArgs {
    /// Config file; config/default.toml shows every key
    #[arg(long, env = "IMPASTO_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// auto, showcase, test, camera, camera:INDEX_NAME_OR_PATH, a file, or a URL (rtsp://, http://, srt://)
    #[arg(long, env = "IMPASTO_SOURCE", value_name = "SOURCE")]
    source: Option<String>,
    /// Play a file again when it is over
    #[arg(long)]
    r#loop: bool,
    /// Leave the sound of the source out
    #[arg(long)]
    no_sound: bool,
    /// Serve RTSP at ADDR:PORT/PATH, or off; without a path it is the name of the stream
    #[arg(long, env = "IMPASTO_RTSP", value_name = "ADDR:PORT/PATH")]
    rtsp: Option<String>,
    /// Name that RTSP clients must show, with the password in IMPASTO_RTSP_PASSWORD
    #[arg(long, env = "IMPASTO_RTSP_USER", value_name = "NAME")]
    rtsp_user: Option<String>,
    /// Password that RTSP clients must show; only from the environment, or the config
    #[arg(long, env = "IMPASTO_RTSP_PASSWORD", hide = true, hide_env_values = true, value_name = "PASSWORD")]
    rtsp_password: Option<String>,
    /// Record into FILE (.mp4, .mov, .mkv, .webm), or into FILE-2 and so on if it is there already
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Serve the web page and the HTTP API at ADDR:PORT; auto (127.0.0.1:8080, or the next free port) or off
    #[arg(long, env = "IMPASTO_HTTP", value_name = "ADDR:PORT")]
    http: Option<HttpAddress>,
    /// Token that the HTTP API asks for; only from the environment, or the config
    #[arg(long, env = "IMPASTO_TOKEN", hide = true, hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// TURN server for viewers over WebRTC, with its password; only from the environment, or the config
    #[arg(long, env = "IMPASTO_TURN", hide = true, hide_env_values = true, value_name = "ADDRESS")]
    turn: Option<String>,
    /// Be a camera for other programs: auto, a v4l2loopback device by path or label, or pipewire
    #[arg(long, env = "IMPASTO_CAMERA_OUT", value_name = "DEVICE", num_args = 0..=1, default_missing_value = "auto")]
    camera_out: Option<String>,
    /// Turn the picture of that camera around, as in a mirror
    #[arg(long, requires = "camera_out")]
    mirror: bool,
    /// Show it full screen on a monitor: primary, or a connector such as HDMI-1
    #[arg(long, env = "IMPASTO_DISPLAY", value_name = "MONITOR", num_args = 0..=1, default_missing_value = PRIMARY)]
    display: Option<String>,
    /// Run networks in worker processes, which may crash without harm to the stream; false paints in the daemon itself
    #[arg(long, env = "IMPASTO_ISOLATE", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    isolate: Option<bool>,
    /// Stop after this many seconds
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// With a config too: end when all files are over or a stream fails, instead of trying again
    #[arg(long)]
    once: bool,
    /// Tell start, status, failures and stop as JSON lines on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    paint: PaintArgs,
}

impl RunArgs {
    pub fn run(self) -> Result<()> {
        let duration = self.duration.map(|seconds| {
            Duration::try_from_secs_f64(seconds)
                .map_err(|_| Error::usage(format!("--duration {seconds}: not a number of seconds")))
        });
        let options = RunOptions { duration: duration.transpose()?, json: self.json, once: self.once };
        crate::machine::share_heaps();
        crate::machine::survive_size_limits();
        crate::gst::init()?;
        let settings = Settings { file: self.config.clone(), overlay: Box::new(move |config| self.apply(config)) };
        crate::daemon::run(settings, options)
    }

    /// Lays the flags over a config: each acts on every stream.
    fn apply(&self, config: &mut Config) {
        self.paint.apply(config);
        overlay(&mut config.control.http, &self.http);
        overlay(&mut config.control.token, &self.token);
        overlay(&mut config.control.turn, &self.turn);
        overlay(&mut config.runtime.isolate, &self.isolate);
        config.for_each_stream(|source, _, output| {
            overlay(&mut source.input, &self.source);
            overlay(&mut output.rtsp, &self.rtsp);
            overlay(&mut output.rtsp_user, &self.rtsp_user);
            overlay(&mut output.rtsp_password, &self.rtsp_password);
            overlay(&mut output.record, &self.record);
            if let Some(device) = &self.camera_out {
                let camera = VirtualCameraConfig { device: device.clone(), mirror: self.mirror, ..Default::default() };
                output.also.push(ExtraOutput::VirtualCamera(camera));
            }
            if let Some(monitor) = &self.display {
                let display = DisplayConfig { monitor: monitor.clone(), ..Default::default() };
                output.also.push(ExtraOutput::Display(display));
            }
            source.r#loop |= self.r#loop;
            source.sound &= !self.no_sound;
        });
    }
}
