//! The properties: those of the look, made of the list in which the library declares them, and those of how networks run.

use std::sync::LazyLock;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use impasto::config::{PaintConfig, RuntimeConfig};
use impasto::style::look::{Kind, PARAMETERS, Parameter};
use impasto::style::onnx::Device;
use impasto::style::{Look, LookPatch, PaintSize};

/// Stands for the word of a parameter that is a number or a word, as GStreamer's elements have it.
const WORD: f64 = -1.0;

/// What the properties say.
#[derive(Clone, Default, PartialEq)]
pub struct Settings {
    pub look: Look,
    pub network: String,
    pub size: PaintSize,
    pub device: Device,
    pub threads: u32,
    pub models: String,
}

/// All properties.
pub fn all() -> &'static [glib::ParamSpec] {
    static ALL: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
        let defaults = Look::default().texts();
        PARAMETERS.iter().zip(defaults).map(|(parameter, default)| of_look(parameter, &default)).chain(own()).collect()
    });
    &ALL
}

/// Its name, as GObject writes names.
fn name(parameter: &Parameter) -> String {
    parameter.name.replace('_', "-")
}

fn of_look(parameter: &Parameter, default: &str) -> glib::ParamSpec {
    let (name, nick) = (name(parameter), parameter.title);
    let flags = gst::PARAM_FLAG_CONTROLLABLE | gst::PARAM_FLAG_MUTABLE_PLAYING | glib::ParamFlags::READWRITE;
    match parameter.kind {
        Kind::Share { word, .. } => {
            let blurb = match word {
                Some(word) => format!("{}; {WORD} = {}", parameter.help, word.text),
                None => parameter.help.to_string(),
            };
            let least = if word.is_some() { WORD } else { 0.0 };
            let builder = glib::ParamSpecDouble::builder(&name).nick(nick).blurb(&blurb).flags(flags);
            builder.minimum(least).maximum(1.0).default_value(default.parse().unwrap_or(WORD)).build()
        }
        Kind::Switch { .. } => {
            let builder = glib::ParamSpecBoolean::builder(&name).nick(nick).blurb(parameter.help).flags(flags);
            builder.default_value(default == "true").build()
        }
        Kind::Milliseconds { most, .. } => {
            let builder = glib::ParamSpecUInt::builder(&name).nick(nick).blurb(parameter.help).flags(flags);
            builder.maximum(most).default_value(default.parse().unwrap_or(0)).build()
        }
        Kind::Choice(words) => {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            text(&name, nick, &format!("{}: {}", parameter.help, words.join(", ")), default, flags)
        }
        Kind::Mix | Kind::Text { .. } => text(&name, nick, parameter.help, default, flags),
    }
}

fn text(name: &str, nick: &str, blurb: &str, default: &str, flags: glib::ParamFlags) -> glib::ParamSpec {
    let builder = glib::ParamSpecString::builder(name).nick(nick).blurb(blurb).flags(flags);
    builder.default_value(Some(default)).build()
}

/// Those that are not of the look; they count from the next start on.
fn own() -> Vec<glib::ParamSpec> {
    let flags = gst::PARAM_FLAG_MUTABLE_READY | glib::ParamFlags::READWRITE;
    let network = "Network by name or file; empty: the first one that knows the styles";
    let size = "Size to paint at, such as 640x360; native: that of the picture";
    let devices: Vec<&str> = Device::ALL.iter().map(|device| device.name()).collect();
    let device = format!("What runs the network: auto (the fastest, measured), {}", devices.join(", "));
    let models = "Folder of networks; empty: IMPASTO_MODELS, or models around the plugin or in the working directory";
    let threads = glib::ParamSpecUInt::builder("threads").nick("Threads").flags(flags);
    vec![
        text("network", "Network", network, "", flags),
        text("size", "Size", size, "native", flags),
        text("device", "Device", &device, "auto", flags),
        threads.blurb("Threads of the network; 0: as many as there are cores").build(),
        text("models", "Networks", models, "", flags),
    ]
}

impl Settings {
    /// Sets a property.
    ///
    /// # Errors
    /// The value cannot be; nothing is set then.
    pub fn set(&mut self, property: &str, value: &glib::Value) -> Result<(), String> {
        let value = written(value);
        match property {
            "network" => self.network = value,
            "size" => self.size = value.parse()?,
            "device" => self.device = device(&value)?,
            "threads" => self.threads = value.parse().unwrap_or(0),
            "models" => self.models = value,
            _ => {
                let parameter = parameter(property).ok_or_else(|| format!("there is no property {property}"))?;
                let value = match parameter.kind {
                    Kind::Share { word: Some(word), .. } if value.starts_with('-') => word.text.to_string(),
                    _ => value,
                };
                let look = self.look.patched(&LookPatch::read(parameter.name, &value)?);
                look.check().map_err(|error| error.to_string())?;
                self.look = look;
            }
        }
        Ok(())
    }

    /// The value of a property.
    pub fn get(&self, property: &str) -> glib::Value {
        match property {
            "network" => self.network.to_value(),
            "size" => self.size.to_string().to_value(),
            "device" => self.device.name().to_value(),
            "threads" => self.threads.to_value(),
            "models" => self.models.to_value(),
            _ => {
                let text = PARAMETERS.iter().zip(self.look.texts()).find(|(parameter, _)| name(parameter) == property);
                let Some((parameter, text)) = text else { return "".to_value() };
                match parameter.kind {
                    Kind::Share { .. } => text.parse().unwrap_or(WORD).to_value(),
                    Kind::Switch { .. } => (text == "true").to_value(),
                    Kind::Milliseconds { .. } => text.parse::<u32>().unwrap_or(0).to_value(),
                    Kind::Mix | Kind::Choice(_) | Kind::Text { .. } => text.to_value(),
                }
            }
        }
    }

    /// What to paint, as the config of `impasto` says it.
    pub fn paint(&self) -> PaintConfig {
        PaintConfig { network: self.network.clone(), size: self.size, ..PaintConfig::from(self.look.clone()) }
    }

    /// How networks run, in the process of the pipeline.
    pub fn runtime(&self) -> RuntimeConfig {
        RuntimeConfig {
            device: self.device,
            threads: self.threads as usize,
            models: self.models.clone().into(),
            isolate: false,
            ..RuntimeConfig::default()
        }
    }
}

fn parameter(property: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| name(parameter) == property)
}

/// A value of any type of a property, as a command line has it.
fn written(value: &glib::Value) -> String {
    if let Ok(number) = value.get::<f64>() {
        return number.to_string();
    }
    if let Ok(number) = value.get::<u32>() {
        return number.to_string();
    }
    match value.get::<bool>() {
        Ok(is_on) => is_on.to_string(),
        Err(_) => value.get::<Option<String>>().ok().flatten().unwrap_or_default(),
    }
}

fn device(text: &str) -> Result<Device, String> {
    let auto = Device::Auto;
    if text.is_empty() {
        return Ok(auto);
    }
    let found = [auto].into_iter().chain(Device::ALL).find(|device| device.name() == text);
    found.ok_or_else(|| {
        let known: Vec<&str> = Device::ALL.iter().map(|device| device.name()).collect();
        format!("unknown device `{text}`; there are auto, {}", known.join(", "))
    })
}
