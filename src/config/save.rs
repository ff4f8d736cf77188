//! Writes how a stream is now into the text of the config file; comments, order and what is not changed stay as they are.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Mutex;

use serde::Serialize;
use toml::{Table, Value};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, TableLike};

use super::outputs::OutputPlan;
use super::{
    Config, DisplayConfig, ExtraOutput, OutputConfig, PushConfig, StreamConfig, VirtualCameraConfig, push_kbps,
};
use crate::atomic_file;
use crate::control::contract::{OutputWish, Painted, SaveNow};
use crate::error::{Error, Result};
use crate::style::look::Drives;
use crate::sync::Locked;

/// What is saved of a stream that runs.
pub struct Saving {
    pub painted: Painted,
    /// What the sound drives.
    pub drives: Drives,
    /// The source that was set by hand, and whether it loops; none leaves that of the file.
    pub source: Option<(String, bool)>,
    /// Outputs that were added by hand.
    pub added: Vec<OutputWish>,
    /// Outputs of the file that were taken away by hand.
    pub removed: Vec<OutputPlan>,
}

/// What was written: as in [`SaveNow`].
struct Written {
    keys: Vec<String>,
    left_out: Vec<String>,
}

/// The config file of a daemon that runs.
pub struct ConfigFile {
    file: PathBuf,
    /// Taken while it is changed.
    turn: Mutex<()>,
}

impl ConfigFile {
    pub fn new(file: PathBuf) -> Self {
        Self { file, turn: Mutex::default() }
    }

    /// Writes how the stream of that name is now; it is another file of the same name then, never half of one.
    ///
    /// # Errors
    /// The file cannot be read or written, holds mistakes, or has no such stream; it stays as it is then.
    pub fn save(&self, stream: &str, saving: Saving) -> Result<SaveNow> {
        let file = self.file.display().to_string();
        let not = |what: &dyn Display| format!("config {file}: {what}; nothing is saved");
        let _turn = self.turn.locked();
        let text = atomic_file::read_text(&self.file).map_err(|error| Error::output(not(&error)))?;
        let (now, written) = saved(&text, stream, saving).map_err(|what| Error::usage(not(&what)))?;
        if now != text {
            atomic_file::change(&self.file, now.as_bytes()).map_err(|error| Error::output(not(&error)))?;
        }
        let Written { keys, left_out } = written;
        Ok(SaveNow { file, saved: keys, left_out })
    }
}

/// The text with what is saved in it.
fn saved(text: &str, stream: &str, saving: Saving) -> Result<(String, Written), String> {
    let config = Config::parse(text)?;
    let is_meant = |known: &StreamConfig| known.name == stream;
    let before = config.streams().into_iter().find(is_meant);
    let before = before.ok_or_else(|| format!("there is no stream `{stream}` in it any more"))?;
    let mut after = before.clone();
    let mut left_out = Vec::new();
    let Saving { painted, drives, source, added, removed } = saving;
    after.sound.drives = drives;
    let (network, size) = (painted.network, painted.size);
    after.paint = super::PaintConfig { network, size, ..painted.look.into() };
    if let Some((input, looped)) = source {
        (after.source.input, after.source.r#loop) = (input, looped);
    }
    removed.iter().for_each(|output| take_away(&mut after.output, output));
    added.into_iter().for_each(|output| left_out.extend(add(&mut after.output, output)));

    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
    let place = (!config.stream.is_empty()).then(|| config.stream.iter().position(is_meant)).flatten();
    let mut keys = Vec::new();
    for (name, was, is) in [
        ("source", table(&before.source), table(&after.source)),
        ("paint", table(&before.paint), table(&after.paint)),
        ("sound", table(&before.sound), table(&after.sound)),
        ("output", table(&before.output), table(&after.output)),
    ] {
        for (key, value) in is.iter().filter(|(key, value)| was.get(*key) != Some(value)) {
            keys.push(format!("{name}.{key}"));
            set(section(&mut document, place, name)?, key, value);
        }
    }
    let now = document.to_string();
    // Whatever the text was like: what is not read as it is meant is not written.
    let read = Config::parse(&now)?.streams().into_iter().find(is_meant);
    match read == Some(after) {
        true => Ok((now, Written { keys, left_out })),
        false => Err("it would not be read as it is meant; write it by hand".into()),
    }
}

/// What the section says, with every key.
fn table(section: &impl Serialize) -> Table {
    Table::try_from(section).unwrap_or_else(|error| unreachable!("sections are tables: {error}"))
}

/// The section of the stream: that of its entry at `place`, or the one at the top.
fn section<'a>(
    document: &'a mut DocumentMut,
    place: Option<usize>,
    name: &str,
) -> Result<&'a mut dyn TableLike, String> {
    let unusual = || format!("[{name}] is written in a way that cannot be changed; write it by hand");
    let Some(place) = place else {
        let section = document.entry(name).or_insert_with(toml_edit::table);
        return section.as_table_like_mut().ok_or_else(unusual);
    };
    let entry: &mut dyn TableLike = match document.get_mut("stream") {
        Some(Item::ArrayOfTables(entries)) => entries.get_mut(place).ok_or_else(unusual)?,
        Some(Item::Value(toml_edit::Value::Array(entries))) => {
            entries.get_mut(place).and_then(|entry| entry.as_inline_table_mut()).ok_or_else(unusual)?
        }
        _ => return Err(unusual()),
    };
    // In one line, as an entry has several.
    let section = entry.entry(name).or_insert_with(|| toml_edit::value(InlineTable::new()));
    section.as_table_like_mut().ok_or_else(unusual)
}

/// Gives the key that value; what stands around it stays.
fn set(section: &mut dyn TableLike, key: &str, value: &Value) {
    if key == "styles" {
        // Another name of the same key.
        section.remove("style");
    }
    match (section.get_mut(key), value) {
        (Some(Item::ArrayOfTables(entries)), Value::Array(values)) => follow(entries, values),
        (Some(Item::Value(toml_edit::Value::Array(entries))), Value::Array(values)) => follow_inline(entries, values),
        (Some(Item::Value(before)), value) => {
            let decor = before.decor().clone();
            *before = edited(value);
            *before.decor_mut() = decor;
        }
        (_, value) => drop(section.insert(key, Item::Value(edited(value)))),
    }
}

/// Removes the entries that are not among the values, and adds those that are missing.
fn follow(entries: &mut ArrayOfTables, values: &[Value]) {
    let read = |table: &toml_edit::Table| read_entry(table.to_string().as_str());
    entries.retain(|entry| read(entry).is_some_and(|entry| values.contains(&entry)));
    let known: Vec<_> = entries.iter().filter_map(read).collect();
    for value in values.iter().filter(|value| !known.contains(value)) {
        let mut table = toml_edit::Table::new();
        for (key, value) in value.as_table().into_iter().flatten() {
            table.insert(key, Item::Value(edited(value)));
        }
        entries.push(table);
    }
}

/// As [`follow`].
fn follow_inline(entries: &mut Array, values: &[Value]) {
    let read = |entry: &toml_edit::Value| {
        let table = entry.as_inline_table()?.clone().into_table();
        read_entry(&table.to_string())
    };
    entries.retain(|entry| read(entry).is_none_or(|entry| values.contains(&entry)));
    let known: Vec<_> = entries.iter().filter_map(read).collect();
    values.iter().filter(|value| !known.contains(value)).for_each(|value| entries.push(edited(value)));
}

/// An entry of `also` as it is read, with every key.
fn read_entry(text: &str) -> Option<Value> {
    Value::try_from(toml::from_str::<ExtraOutput>(text).ok()?).ok()
}

fn edited(value: &Value) -> toml_edit::Value {
    let edited = value.serialize(toml_edit::ser::ValueSerializer::new());
    edited.unwrap_or_else(|error| unreachable!("values are values: {error}"))
}

fn take_away(config: &mut OutputConfig, output: &OutputPlan) {
    match output {
        OutputPlan::Rtsp(_) => config.rtsp = "off".into(),
        OutputPlan::WebRtc(_) => config.webrtc = false,
        OutputPlan::Record(_) => config.record = Default::default(),
        OutputPlan::VirtualCamera(_) | OutputPlan::Push(_) | OutputPlan::Display(_) => {
            config.also.retain(|also| also.plan().is_ok_and(|plan| plan != *output));
        }
    }
}

/// Adds the output, or tells why it has no place.
fn add(config: &mut OutputConfig, output: OutputWish) -> Option<String> {
    match output {
        OutputWish::Rtsp { address, kbps } if matches!(config.rtsp.as_str(), "" | "off") => {
            config.rtsp = address;
            config.rtsp_kbps = kbps.unwrap_or(config.rtsp_kbps);
        }
        OutputWish::Rtsp { address, .. } => {
            return Some(format!("RTSP at {address}: a stream has one RTSP address in the config, {}", config.rtsp));
        }
        // Those go on until they are stopped.
        OutputWish::Recording { .. } => {}
        OutputWish::WebRtc {} => config.webrtc = true,
        OutputWish::VirtualCamera { device, size, mirror } => {
            config.also.push(ExtraOutput::VirtualCamera(VirtualCameraConfig { device, size, mirror }));
        }
        OutputWish::Push { url, kbps } => {
            config.also.push(ExtraOutput::Push(PushConfig { url, kbps: kbps.unwrap_or_else(push_kbps) }));
        }
        OutputWish::Display { monitor, fit } => config.also.push(ExtraOutput::Display(DisplayConfig { monitor, fit })),
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Fit;
    use crate::style::look::{Band, Drive};
    use crate::style::{Look, PaintSize};

    fn saving(strength: f32) -> Saving {
        let look = Look { strength, styles: "great_wave".parse().unwrap(), ..Look::default() };
        let painted = Painted { look, network: String::new(), size: PaintSize::Native };
        Saving { painted, drives: Drives::default(), source: None, added: Vec::new(), removed: Vec::new() }
    }

    #[test]
    fn only_what_changed_is_written_and_comments_stay() {
        let text = "# My hall.\n[paint]\nstyle = \"starry_night\" # the first one\nstrength = 0.5   # calm\n\n[source]\ninput = \"test\"\n";
        let (now, written) = saved(text, "live", saving(0.25)).unwrap();
        let expected = "# My hall.\n[paint]\nstrength = 0.25   # calm\nstyles = { great_wave = 1.0 }\n\n[source]\ninput = \"test\"\n";
        assert_eq!(now, expected);
        assert_eq!((written.keys, written.left_out), (vec!["paint.strength".into(), "paint.styles".into()], vec![]));
        let (again, written) = saved(&now, "live", saving(0.25)).unwrap();
        assert_eq!((again, written.keys), (now, vec![]));
    }

    #[test]
    fn a_stream_is_saved_in_its_own_entry_whatever_it_inherits() {
        let top = "[paint]\nstrength = 0.5\nstyle = \"great_wave\"\n[source]\ninput = \"test\"\n\n";
        for (entries, place) in [
            (
                "[[stream]]\nname = \"hall\" # ours\n[[stream]]\nname = \"lobby\"\npaint = { steadiness = 0.0 }\n",
                "paint = { strength = 0.25 }",
            ),
            (
                "[[stream]]\nname = \"hall\"\npaint.keep_colours = true\n[[stream]]\nname = \"lobby\"\n",
                "paint.strength = 0.25",
            ),
            (
                "[[stream]]\nname = \"hall\"\n[stream.paint]\n# much\nstrength = 1\n[[stream]]\nname = \"lobby\"\n",
                "strength = 0.25",
            ),
            ("[[stream]]\nname = \"lobby\"\n[[stream]]\nname = \"hall\"\n", "paint = { strength = 0.25 }"),
        ] {
            let text = format!("{top}{entries}");
            let mut now = saving(0.25);
            now.painted.look = before(&text, "hall").paint.look();
            now.painted.look.strength = 0.25;
            let (now, written) = saved(&text, "hall", now).unwrap();
            assert_eq!(written.keys, ["paint.strength"], "{text}");
            assert!(now.contains(place), "{now}");
            assert_eq!(before(&now, "lobby"), before(&text, "lobby"), "the other one stays as it is");
        }
    }

    fn before(text: &str, name: &str) -> StreamConfig {
        Config::parse(text).unwrap().streams().into_iter().find(|stream| stream.name == name).unwrap()
    }

    #[test]
    fn outputs_come_and_go_and_a_second_rtsp_address_is_told() {
        let monitor_of = |also: &ExtraOutput| match also {
            ExtraOutput::Display(display) => display.monitor.clone(),
            other => panic!("{other:?}"),
        };
        let monitor = |name: &str| OutputWish::Display { monitor: name.into(), fit: Fit::Cover };
        for also in [
            "also = [\n  # the big one\n  { type = \"display\", monitor = \"HDMI-1\" },\n  { type = \"display\", monitor = \"DP-1\" },\n]\n",
            "[[output.also]]\n# the big one\ntype = \"display\"\nmonitor = \"HDMI-1\"\n[[output.also]]\ntype = \"display\"\nmonitor = \"DP-1\"\n",
        ] {
            let text = format!("[paint]\nstyle = \"great_wave\"\nstrength = 0.5\n[output]\n{also}");
            let was = before(&text, "live").output;
            let rtsp = OutputWish::Rtsp { address: "127.0.0.1:9000".into(), kbps: None };
            let removed = vec![was.also[1].plan().unwrap()];
            let now = Saving { added: vec![monitor("HDMI-2"), rtsp], removed, ..saving(0.5) };
            let (now, written) = saved(&text, "live", now).unwrap();
            assert_eq!(written.keys, ["output.also"]);
            assert!(written.left_out[0].contains("RTSP at 127.0.0.1:9000"), "{:?}", written.left_out);
            let is = before(&now, "live").output;
            let monitors: Vec<_> = is.also.iter().map(monitor_of).collect();
            assert_eq!(monitors, ["HDMI-1", "HDMI-2"]);
            assert!(now.contains("# the big one") && !now.contains("DP-1"), "{now}");
        }
        let off = "[paint]\nstyle = \"great_wave\"\nstrength = 0.5\n[output]\nrtsp = \"off\" # later\n";
        let rtsp = OutputWish::Rtsp { address: "127.0.0.1:9000".into(), kbps: None };
        let (now, written) = saved(off, "live", Saving { added: vec![rtsp], ..saving(0.5) }).unwrap();
        assert!(now.ends_with("rtsp = \"127.0.0.1:9000\" # later\n"), "{now}");
        assert_eq!(written.keys, ["output.rtsp"]);
    }

    #[test]
    fn what_the_sound_drives_is_saved_beside_what_is_written_of_it() {
        let text =
            "[paint]\nstyle = \"great_wave\"\nstrength = 0.5\n[sound.drives.strength]\nby = \"low\" # the bass\n";
        let mut drives = before(text, "live").sound.drives;
        let again = saved(text, "live", Saving { drives: drives.clone(), ..saving(0.5) }).unwrap().0;
        assert_eq!(again, text);
        drives.0.insert("stroke".into(), Drive::by(Band::High));
        let (now, written) = saved(text, "live", Saving { drives: drives.clone(), ..saving(0.5) }).unwrap();
        assert_eq!((written.keys, before(&now, "live").sound.drives), (vec!["sound.drives".into()], drives));
    }

    #[test]
    fn what_cannot_be_saved_is_refused_in_words() {
        for (text, says) in [
            ("[[stream]]\nname = \"hall\"\n", "no stream `live`"),
            ("[paint\n", "line 1"),
            ("[paint]\nstrenght = 1\n", "did you mean `strength`?"),
        ] {
            let refused = saved(text, "live", saving(0.5)).map(|(now, _)| now).unwrap_err();
            assert!(refused.contains(says), "{refused}");
        }
    }

    proptest::proptest! {
        /// Of whatever is saved into whatever way to write sections, it is read again.
        #[test]
        fn what_is_saved_is_what_is_read(
            strength in 0_u8..=10,
            sections in proptest::sample::subsequence(vec!["[paint]\nsize = \"auto\"\n", "paint.size = \"auto\"\n", "paint = { size = \"auto\" }\n"], 0..=1),
            source in proptest::option::of("[a-zé \\\\\"'#=\\[\\]\n]{1,12}"),
            looped: bool,
        ) {
            let text = sections.concat();
            let source = source.map(|source| (source, looped));
            let now = Saving { source: source.clone(), ..saving(f32::from(strength) / 10.0) };
            let (now, _) = saved(&text, "live", now).unwrap();
            let read = before(&now, "live");
            proptest::prop_assert_eq!(read.paint.look(), saving(f32::from(strength) / 10.0).painted.look);
            if let Some(source) = source {
                proptest::prop_assert_eq!((read.source.input, read.source.r#loop), source);
            }
        }
    }
}
