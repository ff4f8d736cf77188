//! `impasto ctl`: looks into a running Impasto and changes it, over its HTTP API.

mod midi;
mod session;
mod words;

use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ureq::http::Method;

use midi::MidiWord;
use session::{Session, path_segment};
use words::describe_outputs;

use super::PaintArgs;
use super::look::LookWord;
use crate::control::client::Client;
use crate::control::contract::{
    LIVE, OutputState, OutputWish, PresetRequest, PresetWish, RecordRequest, SettingsPatch, ShowCommand, ShowRequest,
    SourceRequest,
};
use crate::error::{Error, Result};
use crate::output::Fit;
use crate::output::display::PRIMARY;
use crate::paintings::is_path;
use crate::style::look::{Band, Drive, Mix};
use crate::style::{LookPatch, PaintSize};

/// Where the outputs are, below the stream.
const OUTPUTS: &str = "/outputs";

const AFTER_HELP: &str = "\
Examples:
  impasto ctl style great_wave                  paint like the Great Wave from now on
  impasto ctl blend starry_night=0.7 great_wave=0.3
  impasto ctl strength 0.5                      half painted, half source
  impasto ctl preset evening --save --key 1     keep this look; `impasto ctl preset evening` brings it back
  impasto ctl watch                             follow what happens
  impasto ctl doctor                            what works on this machine, and what cures what does not

A token that the daemon asks for is read from IMPASTO_TOKEN.
Answers are for people on a terminal, and JSON otherwise or with --json.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct CtlArgs {
    /// Where the daemon's HTTP API is
    #[arg(long, global = true, env = "IMPASTO_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    server: String,
    /// Token that the daemon asks for; only from the environment
    #[arg(long, global = true, env = "IMPASTO_TOKEN", hide = true, hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// The stream, where there are several
    #[arg(long, global = true, default_value = LIVE, value_name = "NAME")]
    stream: String,
    /// Print JSON on a terminal too
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What runs and how well
    Status,
    /// All streams of the daemon
    Streams,
    /// How it is painted; with a JSON object such as {"strength": 0.5}, change these parts
    Look { parts: Option<String> },
    /// Paint in one style, or like a picture file: it is sent and kept as a style
    Style {
        #[arg(value_name = "NAME|PICTURE")]
        name: String,
        /// What a picture is called as a style; without it, as its file
        #[arg(long = "as", value_name = "NAME")]
        kept_as: Option<String>,
    },
    /// Mix styles of one network: a=0.7 b=0.3
    Blend {
        #[arg(required = true, value_name = "NAME=WEIGHT")]
        styles: Vec<String>,
    },
    #[command(flatten)]
    Parameter(LookWord),
    /// Size to paint at: native, auto, or a box such as 640x360
    Size { size: PaintSize },
    /// Paint with another network of `impasto styles`; styles that it does not have leave the mix
    Network { name: String },
    /// Go back to how it was painted before the latest change; again: before the one before it
    Undo,
    /// Write how the stream is now into the daemon's config file; its comments stay
    Save,
    /// All presets of the daemon; in JSON, they are what --import takes
    Presets {
        /// Take over the presets of a file; those that have the same name are replaced
        #[arg(long, value_name = "FILE")]
        import: Option<PathBuf>,
    },
    /// Paint as a preset says, or change one
    Preset {
        name: String,
        /// Keep how it is painted now under that name
        #[arg(long)]
        save: bool,
        /// The key of the web page that paints with it: 1 to 9, 0 for none
        #[arg(long, value_name = "DIGIT")]
        key: Option<u8>,
        /// Give it another name
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        /// Move it to this place in the list, counted from 1
        #[arg(long, value_name = "NUMBER")]
        place: Option<usize>,
        /// Remove it
        #[arg(long, conflicts_with_all = ["save", "key", "rename", "place"])]
        delete: bool,
    },
    /// Swap left and right, or no longer
    Mirror {
        #[arg(value_enum)]
        state: OnOff,
    },
    /// Hold the picture
    Pause,
    /// Go on after a pause
    Resume,
    /// Go over to another source, named as for `impasto run --source`
    Source {
        source: String,
        /// Play a file once, and go back to the configured source then
        #[arg(long)]
        once: bool,
    },
    /// What of the show is on air and what comes next; or hold it, go on, or go to another place in it
    Show {
        #[arg(value_enum, requires = "command")]
        part: Option<ShowPart>,
        #[arg(value_enum)]
        command: Option<ShowWord>,
        /// Where to jump: its number in the list, counted from 1
        #[arg(value_name = "NUMBER", required_if_eq("command", "jump"))]
        place: Option<usize>,
    },
    /// What the sound of the source drives; or let it drive a parameter of the look, or no longer
    Drive {
        /// As it is called under [paint]: strength, keep_colours, steadiness, stroke, mask_feather
        #[arg(requires = "how")]
        parameter: Option<String>,
        /// Which part of the sound
        #[arg(value_enum, group = "how")]
        by: Option<Band>,
        /// Leave it to the look again
        #[arg(long, group = "how")]
        off: bool,
        /// What it is in silence: 0 to 1; 0 unless it is said
        #[arg(long, value_name = "VALUE", requires = "by")]
        from: Option<f32>,
        /// What it is where the sound is loud: 0 to 1, also less than `--from`; 1 unless it is said
        #[arg(long, value_name = "VALUE", requires = "by")]
        to: Option<f32>,
        /// How fast it follows a rise of the sound; 30 unless it is said
        #[arg(long, value_name = "MILLISECONDS", requires = "by")]
        attack_ms: Option<u32>,
        /// How fast it follows a fall; 300 unless it is said
        #[arg(long, value_name = "MILLISECONDS", requires = "by")]
        release_ms: Option<u32>,
    },
    /// Begin a recording in the daemon's recordings folder, or --stop it
    Record {
        file: Option<String>,
        #[arg(long, conflicts_with = "file")]
        stop: bool,
    },
    /// The MIDI device and what its controls do; or learn or change that
    Midi {
        #[command(subcommand)]
        word: Option<MidiWord>,
    },
    /// Where the stream goes, with the ids of its outputs
    Outputs,
    /// Open one more output
    AddOutput {
        #[arg(value_enum)]
        kind: OutputKind,
        /// ADDRESS:PORT[/PATH] for rtsp; auto, a device, a label or pipewire for virtual-camera; primary (also auto) or a
        /// connector such as HDMI-1 for display; `-` for push: the
        /// address with its key is read from standard input, so that no list of processes shows it
        #[arg(default_value = "auto")]
        place: String,
    },
    /// Close an output, by its id
    RemoveOutput { id: String },
    /// The finished recordings in the daemon's recordings folder
    Recordings,
    /// Save the latest painted frame as a PNG file
    Snapshot { file: PathBuf },
    /// Let the daemon paint a photograph
    Paint {
        input: PathBuf,
        /// A .png or .jpg file
        output: PathBuf,
        /// Style, or mix of styles
        #[arg(long)]
        style: Option<Mix>,
        /// Network, where several know the style
        #[arg(long, value_name = "NAME")]
        network: Option<String>,
    },
    /// The styles that the daemon knows
    Styles,
    /// Remove a painting that was kept as a style
    RemovePainting { name: String },
    /// Follow what happens, until Ctrl-C
    Watch,
    /// Look what of this machine works, what is missing, and what cures it; no daemon need run
    Doctor {
        #[command(flatten)]
        paint: Box<PaintArgs>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OutputKind {
    Rtsp,
    VirtualCamera,
    /// For browsers, and players that speak WHEP
    #[value(name = "webrtc")]
    WebRtc,
    /// To a server of others, over RTMP or SRT
    Push,
    /// Full screen on a monitor of the daemon's machine
    Display,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ShowPart {
    /// The sources
    Playlist,
    /// The looks
    Programme,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ShowWord {
    /// What is on air stays there
    Pause,
    /// Go on, also after something was set by hand
    Resume,
    /// Go on with what comes next
    Next,
    /// Go on at a place of the list
    Jump,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnOff {
    On,
    Off,
}

impl CtlArgs {
    pub fn run(self) -> Result<()> {
        let session = Session {
            client: Client::new(&self.server, self.token.filter(|token| !token.is_empty())),
            stream: format!("/api/v1/streams/{}", self.stream),
            json: self.json || !std::io::stdout().is_terminal(),
        };
        let patch = LookPatch::default();
        match self.command {
            Command::Status => session.status(),
            Command::Streams => session.streams(),
            Command::Look { parts: None } => session.show_look(),
            Command::Look { parts: Some(parts) } => {
                let parts = serde_json::from_str(&parts).map_err(|error| Error::usage(format!("look: {error}")))?;
                session.change_look(&parts)
            }
            Command::Style { name, kept_as } => {
                let is_picture = is_path(&name) && Path::new(&name).is_file();
                let name = if is_picture { session.keep_painting(Path::new(&name), kept_as)? } else { name };
                session.change_look(&LookPatch { styles: Some(Mix::only(name)), ..patch })
            }
            Command::Blend { styles } => {
                let styles = styles.join(",").parse().map_err(|what: String| Error::usage(what))?;
                session.change_look(&LookPatch { styles: Some(styles), ..patch })
            }
            Command::Parameter(LookWord(patch)) => session.change_look(&patch),
            Command::Size { size } => {
                session.settings(Method::PATCH, "", &SettingsPatch { size: Some(size), ..SettingsPatch::default() })
            }
            Command::Network { name } => {
                session.settings(Method::PATCH, "", &SettingsPatch { network: Some(name), ..SettingsPatch::default() })
            }
            Command::Undo => session.paint_as("/undo", &()),
            Command::Save => session.save_stream(),
            Command::Presets { import } => session.presets(import.as_deref()),
            Command::Preset { name, save: false, key: None, rename: None, place: None, delete: false } => {
                session.paint_as("/preset", &PresetRequest { name })
            }
            Command::Preset { name, delete: true, .. } => session.remove_preset(&name),
            Command::Preset { name, save, key, rename, place, delete: _ } => {
                let place = place.map(|place| place.saturating_sub(1));
                session.change_preset(&name, save, PresetWish { name: rename, key, place, ..PresetWish::default() })
            }
            Command::Mirror { state } => session.settings(
                Method::PATCH,
                "",
                &SettingsPatch { mirrored: Some(state == OnOff::On), ..SettingsPatch::default() },
            ),
            Command::Pause => session.settings(Method::POST, "/pause", &()),
            Command::Resume => session.settings(Method::POST, "/resume", &()),
            Command::Source { source, once } => session.source(SourceRequest { source, r#loop: !once }),
            Command::Show { part, command, place } => {
                let place = place.map_or(0, |place| place.saturating_sub(1));
                let command = command.map(|command| match command {
                    ShowWord::Pause => ShowCommand::Pause,
                    ShowWord::Resume => ShowCommand::Resume,
                    ShowWord::Next => ShowCommand::Next,
                    ShowWord::Jump => ShowCommand::Jump(place),
                });
                session.show(part.map(|part| match part {
                    ShowPart::Playlist => ShowRequest { playlist: command, ..ShowRequest::default() },
                    ShowPart::Programme => ShowRequest { programme: command, ..ShowRequest::default() },
                }))
            }
            Command::Drive { parameter: None, .. } => session.drives(),
            Command::Drive { parameter: Some(parameter), by: None, .. } => session.leave(&parameter),
            Command::Drive { parameter: Some(parameter), by: Some(by), off: _, from, to, attack_ms, release_ms } => {
                let plain = Drive::by(by);
                let (from, to) = (from.unwrap_or(plain.from), to.unwrap_or(plain.to));
                let attack_ms = attack_ms.unwrap_or(plain.attack_ms);
                let release_ms = release_ms.unwrap_or(plain.release_ms);
                session.drive(&parameter, &Drive { by, from, to, attack_ms, release_ms })
            }
            Command::Record { file, stop } => session.record(&RecordRequest { file, stop }),
            Command::Midi { word } => midi::run(&session, word),
            Command::Outputs => session
                .tell(&session.client.get::<Vec<OutputState>>(&session.path(OUTPUTS))?, |outputs| {
                    describe_outputs(outputs)
                }),
            Command::AddOutput { kind, place } => {
                let wish = match kind {
                    OutputKind::Rtsp => OutputWish::Rtsp { address: place, kbps: None },
                    OutputKind::VirtualCamera => {
                        OutputWish::VirtualCamera { device: place, size: "stream".into(), mirror: false }
                    }
                    OutputKind::WebRtc => OutputWish::WebRtc {},
                    OutputKind::Display => {
                        let monitor = if place == "auto" { PRIMARY.into() } else { place };
                        OutputWish::Display { monitor, fit: Fit::default() }
                    }
                    OutputKind::Push => OutputWish::Push { url: address_of_push(&place)?, kbps: None },
                };
                let outputs: Vec<OutputState> = session.client.send(Method::POST, &session.path(OUTPUTS), &wish)?;
                session.tell(&outputs, |outputs| describe_outputs(outputs))
            }
            Command::RemoveOutput { id } => {
                let path = session.path(&format!("{OUTPUTS}/{}", path_segment(&id)));
                session.tell(&session.client.delete(&path)?, |outputs: &Vec<OutputState>| describe_outputs(outputs))
            }
            Command::Recordings => session.recordings(),
            Command::Snapshot { file } => session.snapshot(&file),
            Command::Paint { input, output, style, network } => {
                let parts = [("styles", style.map(|style| style.to_string())), ("network", network)];
                session.paint(&input, &output, parts)
            }
            Command::Styles => session.styles(),
            Command::RemovePainting { name } => session.remove_painting(&name),
            Command::Watch => session.watch(),
            Command::Doctor { paint } => super::doctor::run(*paint, &session.client, &self.server, session.json),
        }
    }
}

/// Where to push to: read from standard input, because it holds a key.
fn address_of_push(place: &str) -> Result<String> {
    if place != "-" {
        return Err(Error::usage(
            "push -: give the address on standard input; on the command line others could read its key",
        ));
    }
    let mut line = String::new();
    stdin().read_line(&mut line).map_err(|error| Error::usage(format!("standard input: {error}")))?;
    Ok(line.trim().to_string())
}
