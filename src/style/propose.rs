//! Writes a manifest for a network that has none, from what the network says of itself and one try.

use std::path::Path;

use super::manifest::Manifest;
use super::onnx::SessionOptions;
use super::onnx::inspect::{NetworkInfo, TensorInfo};
use super::tensor::Layout;
use super::trial::Trial;
use crate::error::{Error, Result};

/// A manifest to be looked over, and how the network did with it.
#[derive(Debug)]
pub struct Proposal {
    /// TOML, with a comment wherever something is a guess.
    pub text: String,
    /// How the network ran with it, or why it cannot be used even so.
    pub trial: Result<Trial>,
}

/// What the network itself does not tell.
struct Guess {
    range: [i32; 2],
    why: &'static str,
}

/// Proposes a manifest for the ONNX file at `path`.
///
/// # Errors
/// The network has no input or no output for a picture of 3 colours in float32.
pub fn propose(info: &NetworkInfo, path: &Path, options: &SessionOptions) -> Result<Proposal> {
    let fail = |what: &str| Error::model(format!("{}: {what}; Impasto cannot use it", path.display()));
    let input = info.inputs.iter().find_map(picture).ok_or_else(|| {
        fail("no input takes a picture of 3 colours (float32, [1, 3, height, width] or [1, height, width, 3])")
    })?;
    let output = info.outputs.iter().find_map(picture).ok_or_else(|| fail("no output is a picture of 3 colours"))?;
    let others: Vec<_> = info.inputs.iter().filter(|other| other.name != input.0.name).collect();
    if let Some(other) = others.iter().find(|other| other.element.is_none()) {
        return Err(fail(&format!("input {other} has a type that no manifest names")));
    }
    let mut guess = match info.note("Image.NominalPixelRange") {
        Some("Normalized_0_1") => Guess { range: [0, 1], why: "says the network" },
        Some("Normalized_1_1") => Guess { range: [-1, 1], why: "says the network" },
        Some(_) => Guess { range: [0, 255], why: "says the network" },
        None => Guess { range: [0, 255], why: "assumed; no network tells" },
    };
    let mut text = write(info, path, input, output, &others, &guess);
    let mut tried = try_out(&text, path, options);
    let narrow = match tried.as_ref().map(|(_, trial)| trial.values) {
        Ok([low, high]) if low >= 0.0 && high <= 1.0 => Some([0, 1]),
        Ok([low, high]) if low >= -1.0 && high <= 1.0 => Some([-1, 1]),
        _ => None,
    };
    if let Some(range) = narrow.filter(|range| *range != guess.range) {
        guess = Guess { range, why: "guessed from the values that a test picture came out with" };
        text = write(info, path, input, output, &others, &guess);
        tried = try_out(&text, path, options);
    }
    let trial = tried.and_then(|(manifest, trial)| trial.judge(&manifest).map(|()| trial));
    Ok(Proposal { text, trial })
}

fn try_out(text: &str, path: &Path, options: &SessionOptions) -> Result<(Manifest, Trial)> {
    let manifest = Manifest::parse(text, &path.with_extension("toml"))?;
    let trial = Trial::run(&manifest, options)?;
    Ok((manifest, trial))
}

/// The tensor and its layout if it can hold one picture of 3 colours.
fn picture(tensor: &TensorInfo) -> Option<(&TensorInfo, Layout)> {
    let is = |index: usize, length: usize| tensor.shape[index].is_none_or(|side| side == length);
    if tensor.element != Some(super::element::Element::F32) || tensor.shape.len() != 4 || !is(0, 1) {
        return None;
    }
    match (tensor.shape[1], tensor.shape[3]) {
        (Some(3), _) => Some((tensor, Layout::Nchw)),
        (_, Some(3)) => Some((tensor, Layout::Nhwc)),
        (None, _) => Some((tensor, Layout::Nchw)),
        _ => None,
    }
}

fn write(
    info: &NetworkInfo,
    path: &Path,
    input: (&TensorInfo, Layout),
    output: (&TensorInfo, Layout),
    others: &[&TensorInfo],
    guess: &Guess,
) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let [low, high] = guess.range;
    let channels = match info.note("Image.BitmapPixelFormat") {
        Some(format) if format.to_lowercase().starts_with("bgr") => "\"bgr\" # says the network",
        Some(_) => "\"rgb\" # says the network",
        None => "\"rgb\" # assumed; try \"bgr\" if red and blue are exchanged",
    };
    let mut text = format!("name = {}\ntitle = {}\nfile = {}\n", quoted(&stem), quoted(&stem), quoted(&file));
    let licence = info.note("license").unwrap_or("unknown");
    text += &format!("licence = {} # may others use this network?\n\n", quoted(licence));

    let layout = |layout: Layout| if layout == Layout::Nchw { "nchw" } else { "nhwc" };
    text += &format!("[input]\nname = {}\nlayout = \"{}\"\n", quoted(&input.0.name), layout(input.1));
    text += &format!("channels = {channels}\nrange = [{low}, {high}] # {}\n", guess.why);
    text += &match input.0.sides(input.1) {
        [Some(width), Some(height)] => format!("size = {{ fixed = [{width}, {height}] }}\n\n"),
        _ => "size = { multiple_of = 8, min = 32 } # assumed; fits most networks\n\n".to_string(),
    };
    text += &format!("[output]\nname = {}\nlayout = \"{}\"\n", quoted(&output.0.name), layout(output.1));
    text += &format!("channels = {channels}\nrange = [{low}, {high}] # as the input\n");

    let mut rows = 1;
    let mut constants = String::new();
    let mut weights_found = false;
    for other in others {
        match other.shape[..] {
            [Some(count)] | [Some(1), Some(count)] if count > 1 && !weights_found => {
                weights_found = true;
                rows = count;
                text +=
                    &format!("\n[style_input] # assumed: one weight for each style\nname = {}\n", quoted(&other.name));
                text += &format!("rank = {}\ncount = {count}\n", other.shape.len());
            }
            _ => {
                let shape: Vec<_> = other.shape.iter().map(|side| side.unwrap_or(1).to_string()).collect();
                constants += &format!("\n[[constant]] # what is it for?\nname = {}\n", quoted(&other.name));
                constants += &format!("shape = [{}]\nvalue = 1.0\n", shape.join(", "));
            }
        }
    }
    text += &constants;
    for row in 0..rows {
        if weights_found {
            text += &format!("\n[[style]]\nname = \"style_{row}\"\ntitle = \"Style {row}\"\nrow = {row}\n");
        } else {
            text += &format!("\n[[style]]\nname = {}\ntitle = {}\n", quoted(&stem), quoted(&stem));
        }
    }
    text
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
