//! The types that travel between server, command line and web page, as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Conflict;
use crate::metrics::Snapshot;
use crate::output::Fit;
use crate::output::display::PRIMARY;
use crate::style::look::{Drive, Levels};
use crate::style::{Look, PaintSize};

/// The name of the stream of a plain `impasto run`.
pub const LIVE: &str = "live";

/// Everything about one stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamState {
    pub name: String,
    pub status: StreamStatus,
    /// Why it does not run; while it runs, why nothing is painted (the network has crashed), or why nothing is shown of the
    /// source, or not what its file holds by now.
    pub error: Option<String>,
    /// How it is painted, or will be as soon as the change in progress is done.
    pub look: Look,
    pub network: String,
    /// The device that really runs the network; empty while it does not run.
    pub device: String,
    /// The size to paint at, as it was asked for: `native`, `auto` or a box such as `640x360`.
    pub size: PaintSize,
    /// The box that is painted in now; none for the picture's own size.
    pub bounding_box: Option<String>,
    pub mirrored: bool,
    pub paused: bool,
    /// The source, without passwords.
    pub source: String,
    /// WIDTHxHEIGHT of every output; empty until the first picture has come.
    pub picture: String,
    /// Frames a second that the source promises.
    pub nominal_fps: u32,
    pub sound: bool,
    /// Painted frames a second over the latest second or so.
    pub fps: f64,
    /// Where the frames and the time went, since the start.
    pub counts: Snapshot,
    pub outputs: Vec<OutputState>,
    /// The file that is being recorded into.
    pub recording: Option<String>,
    /// For how many whole seconds it is.
    pub recording_s: Option<u64>,
    /// What went wrong lately with outputs, and with sources that were given up, newest last.
    pub failures: Vec<String>,
    /// How many changes of the look can be undone.
    pub undo: usize,
    /// What of its show is on air, without the lists.
    pub show: ShowState,
    /// What the sound of its source drives.
    pub driven: DrivenState,
    /// Whole seconds since the stream began.
    pub uptime_s: u64,
}

/// Whether a stream runs. What does not run has no figures, and takes no commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamStatus {
    Starting,
    Running,
    /// It is tried again by itself.
    Failed,
    /// Its file was played to its end.
    Ended,
}

/// The config file, and what became of its latest change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConfigState {
    /// None if the daemon was started without one.
    pub file: Option<String>,
    /// How often a changed file was taken.
    pub applied: u64,
    /// Why the latest change was refused, all of it or a part; what ran before goes on.
    pub error: Option<String>,
    /// What of it is taken only when the daemon is started anew.
    pub restart: Option<String>,
}

/// One destination of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputState {
    /// What tells it from the other outputs of its stream.
    pub id: String,
    /// `rtsp`, `recording`, `preview`, ...
    pub kind: String,
    /// Where to find it: an address or a file.
    pub place: String,
    pub clients: usize,
    /// Pictures that it could not take in time.
    pub dropped: u64,
    /// Why nothing of the stream arrives there now.
    #[serde(default)]
    pub error: Option<String>,
}

/// `POST .../outputs`: one more destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum OutputWish {
    /// Who may watch is as for the configured one.
    Rtsp {
        /// ADDRESS:PORT/PATH; without a path it is the name of the stream.
        address: String,
        #[serde(default)]
        kbps: Option<u32>,
    },
    /// As `POST .../record`.
    Recording {
        #[serde(default)]
        file: Option<String>,
    },
    VirtualCamera {
        /// As in the config: "auto", a path, a label, or "pipewire".
        #[serde(default = "auto")]
        device: String,
        /// "stream", or a fixed size.
        #[serde(default = "stream")]
        size: String,
        #[serde(default)]
        mirror: bool,
    },
    /// For browsers, at `.../whep`; how is as for the configured one.
    #[serde(rename = "webrtc")]
    WebRtc {},
    /// To a server of others.
    Push {
        /// rtmp://HOST/APP/KEY, rtmps://... or srt://HOST:PORT?streamid=...; with its key, which is never shown again.
        url: String,
        #[serde(default)]
        kbps: Option<u32>,
    },
    /// Full screen on a monitor of the daemon's machine.
    Display {
        /// The name of its connector, as `impasto devices` lists it, or "primary".
        #[serde(default = "primary")]
        monitor: String,
        #[serde(default)]
        fit: Fit,
    },
}

fn primary() -> String {
    PRIMARY.into()
}

fn auto() -> String {
    "auto".into()
}

fn stream() -> String {
    "stream".into()
}

/// The answer to a change: when it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change<T> {
    /// What was changed, as it is now.
    #[serde(flatten)]
    pub now: T,
    /// The number of the first frame that shows it; none if no frame came because the stream is paused or its source
    /// silent: then the next frame shows it.
    pub frame: Option<u64>,
    /// Milliseconds from the request to that frame.
    pub took_ms: f64,
}

/// What [`Change`] says of a new look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookNow {
    pub look: Look,
    pub network: String,
    /// What of the look the network cannot do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What [`Change`] says of all other settings of the painting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SettingsNow {
    pub network: String,
    pub size: PaintSize,
    pub mirrored: bool,
    pub paused: bool,
}

/// `PATCH /api/v1/streams/{name}`: settings beside the look; what is not named stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsPatch {
    /// Another network of the catalog. Styles that it does not have leave the mix; without any, it paints its first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<PaintSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirrored: Option<bool>,
}

/// All that says how a stream is painted: what a preset keeps, and what an undo goes back to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Painted {
    pub look: Look,
    /// None means the one that paints, or the first that has all styles of the look.
    pub network: String,
    pub size: PaintSize,
}

/// A look with a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preset {
    pub name: String,
    /// The key of the web page that paints with it: 1 to 9.
    #[serde(default)]
    pub key: Option<u8>,
    #[serde(flatten)]
    pub painted: Painted,
    /// Styles and networks of it that are not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// `PUT /api/v1/presets/{name}`: makes a preset, or changes what is named of one that is there.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PresetWish {
    /// Another name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its place in the list, from 0 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<usize>,
    /// 1 to 9, which takes the key away from another preset; 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<u8>,
    /// A new preset needs one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look: Option<Look>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<PaintSize>,
}

/// `POST .../preset`: paint as that preset says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetRequest {
    pub name: String,
}

/// `POST .../source`: another source, as `impasto run --source` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRequest {
    pub source: String,
    /// Whether a file begins again at its end; otherwise the stream goes back to its configured source then.
    #[serde(default = "yes")]
    pub r#loop: bool,
}

fn yes() -> bool {
    true
}

/// `POST .../record`: begins a recording, or ends it with `"stop": true`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordRequest {
    /// A file name in the recordings folder (.mkv, .mp4, .mov, .webm); named after the time if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
}

/// The answer to [`RecordRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordNow {
    /// The file that is being written, or that is finished.
    pub file: String,
    pub recording: bool,
}

/// The answer to `POST .../save`: what of the stream stands in the config file now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaveNow {
    /// The config file.
    pub file: String,
    /// The keys that have another value now, such as `paint.strength`; none if it was there already.
    pub saved: Vec<String>,
    /// What the config has no place for, in words.
    pub left_out: Vec<String>,
}

/// `GET .../show`: what is shown one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ShowState {
    /// The sources; none if there is no playlist.
    pub playlist: Option<PartState>,
    /// The looks; none if there is no programme.
    pub programme: Option<PartState>,
    /// What is to be known of the schedule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl ShowState {
    /// The same without the lists, which may be long.
    pub fn without_items(mut self) -> Self {
        self.playlist.iter_mut().chain(&mut self.programme).for_each(|part| part.items.clear());
        self
    }
}

/// A list of the show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartState {
    /// Of the programme that is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub status: ShowStatus,
    pub on_air: Option<OnAir>,
    /// What comes after that; none if nothing does, or what chance has not decided yet.
    pub next: Option<String>,
    /// When, in seconds since 1970; none if that is not known.
    pub next_unix_s: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ShowItem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShowStatus {
    Playing,
    /// What is on air stays there.
    Paused,
    /// Somebody has set something else, until it is resumed.
    ByHand,
    /// Nothing of it is there; it is tried again.
    Waiting,
    Over,
    /// The schedule has nothing for now.
    Off,
}

/// What of a list is on air.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnAir {
    /// Its place in the list, from 0 on.
    pub place: usize,
    pub title: String,
    pub since_unix_s: i64,
}

/// What a list consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowItem {
    pub title: String,
    /// Why it was not shown when it was tried last.
    pub missing: Option<String>,
}

/// `PUT .../show`: what each list shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShowRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playlist: Option<ShowCommand>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programme: Option<ShowCommand>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShowCommand {
    /// What is on air stays there.
    Pause,
    /// Goes on, also after something was set by hand.
    Resume,
    /// Goes on with what comes next, at once.
    Next,
    /// Goes on at this place, counted from 0.
    Jump(usize),
}

/// `GET .../drives`: what the sound drives in place of the look's own values, which the look goes on to show.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DrivenState {
    /// Why nothing is driven now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How loud it is; measured only while it drives something.
    #[serde(flatten)]
    pub levels: Levels,
    /// By the names of the parameters.
    pub drives: BTreeMap<String, DriveState>,
}

/// What drives a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DriveState {
    #[serde(flatten)]
    pub drive: Drive,
    /// What the parameter is driven to: 0 to 1; none while it is as the look says.
    pub now: Option<f32>,
}

/// A file of the media folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaFile {
    /// Its path in the folder.
    pub name: String,
    /// What to set as a source.
    pub source: String,
}

/// A finished file of the recordings folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    pub file: String,
    pub bytes: u64,
    /// None if it does not play.
    pub length_s: Option<f64>,
    /// When it was finished, in seconds since 1970.
    pub finished_unix_s: u64,
}

/// `PATCH /api/v1/recordings/{file}`: another name for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingWish {
    pub file: String,
}

/// What kind of refusal it is, for programs: it stays the same when the words change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    TooSlow,
    TooLarge,
    WrongType,
    NoSuchRange,
    WrongHost,
    /// What is asked for cannot be.
    Invalid,
    /// A source or a photograph cannot be read.
    Unreadable,
    /// The network failed.
    NetworkFailed,
    /// Something cannot be written or opened.
    OutputFailed,
    /// Too much is asked at once.
    Busy,
    /// The stream does not run now, or the daemon stops.
    NotRunning,
    /// It cannot be done in the state that things are in.
    #[serde(untagged)]
    Conflict(Conflict),
}

/// An RFC 9457 problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    pub r#type: String,
    pub title: String,
    pub status: u16,
    pub code: Code,
    /// What is wrong and what to do.
    pub detail: String,
}
