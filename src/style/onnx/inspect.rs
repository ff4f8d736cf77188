//! What an ONNX file says of itself, and whether that fits a manifest.

use std::fmt;
use std::path::Path;

use ort::session::Session as OrtSession;
use ort::value::{Outlet, TensorElementType, ValueType};
use serde::{Deserialize, Serialize};

use super::library;
use super::network_file::{cannot_load, check_file};
use crate::error::{Error, Result};
use crate::style::element::Element;
use crate::style::geometry::Size;
use crate::style::manifest::Manifest;
use crate::style::state::State;
use crate::style::tensor::{Channels, Layout};

/// An image, style weights, constants and states, all in all.
pub(super) const MAX_INPUTS: usize = 8;

/// How many notes are kept.
const MOST_NOTES: usize = 50;

/// How many bytes are kept of a note.
const LONGEST_NOTE: usize = 500;

/// Inputs, outputs and notes of a network.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NetworkInfo {
    pub inputs: Vec<TensorInfo>,
    pub outputs: Vec<TensorInfo>,
    /// Key and value of what the exporter noted, such as `Image.BitmapPixelFormat` = `Bgr8`.
    pub notes: Vec<(String, String)>,
}

/// One input or output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TensorInfo {
    pub name: String,
    /// The type in ONNX Runtime's words.
    pub kind: String,
    /// The type in a manifest's words; `None` for one that no manifest names.
    pub element: Option<Element>,
    /// `None` for a side that may have any length.
    pub shape: Vec<Option<usize>>,
}

impl NetworkInfo {
    /// Loads the network at `path` on the CPU and reads what it says of itself.
    ///
    /// # Errors
    /// The file is missing or is no ONNX network that ONNX Runtime can load.
    pub fn read(path: &Path, wanted_library: Option<&Path>) -> Result<Self> {
        let (environment, _) = library::load(wanted_library)?;
        check_file(path, None)?;
        let session = OrtSession::builder(environment)
            .map_err(|error| error.to_string())
            .and_then(|mut builder| builder.commit_from_file(path).map_err(|error| error.to_string()))
            .map_err(|reason| cannot_load(path, &reason))?;
        Ok(Self::of(&session))
    }

    pub(super) fn of(session: &OrtSession) -> Self {
        let list = |outlets: &[Outlet]| outlets.iter().map(TensorInfo::of).collect();
        let mut notes = Vec::new();
        if let Ok(metadata) = session.metadata() {
            notes.extend(metadata.producer().filter(|name| !name.is_empty()).map(|name| ("producer".into(), name)));
            let keys = metadata.custom_keys().unwrap_or_default();
            notes.extend(keys.into_iter().filter_map(|key| metadata.custom(&key).map(|value| (key, value))));
            // Some exporters note whole programs.
            notes.truncate(MOST_NOTES);
            for (key, value) in &mut notes {
                for text in [key, value] {
                    text.truncate(text.floor_char_boundary(LONGEST_NOTE));
                }
            }
        }
        Self { inputs: list(session.inputs()), outputs: list(session.outputs()), notes }
    }

    /// The value of a note.
    pub fn note(&self, key: &str) -> Option<&str> {
        self.notes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Every input and output that the manifest names exists, has the type and the shape that it says, and none is
    /// left over.
    ///
    /// # Errors
    /// What differs, and what to write where that is known.
    pub(super) fn fits(&self, manifest: &Manifest) -> Result<(), String> {
        let Manifest { input, output, .. } = manifest;
        let picture = find("input", &self.inputs, &input.name, input.element)?;
        check_channels(picture, input.layout, input.channels, 1)?;
        check_sides(picture, manifest)?;
        let painted = find("output", &self.outputs, &output.name, output.element)?;
        // Without a shape, the first run tells.
        if !painted.shape.is_empty() {
            check_channels(painted, output.layout, output.channels, output.cells)?;
        }

        let mut fed = vec![manifest.input.name.as_str()];
        if let Some(style) = &manifest.style_input {
            let weights = find_of_rank(&self.inputs, &style.name, Element::F32, style.rank)?;
            if let Some(count) = weights.shape.last().copied().flatten().filter(|count| *count != style.count) {
                return Err(format!(
                    "input `{}` takes {count} weights, but [style_input] says count = {}",
                    style.name, style.count
                ));
            }
            fed.push(&style.name);
        }
        if let Some(image) = &manifest.style_image {
            let (name, shape) = image.feeds();
            let input = find("input", &self.inputs, name, Element::F32)?;
            if !takes(input, &shape) {
                return Err(format!("input {input} cannot be fed with shape = {shape:?} of [style_image]"));
            }
            fed.push(name);
        }
        for constant in &manifest.constants {
            let input = find_of_rank(&self.inputs, &constant.name, constant.element, constant.shape.len())?;
            if !takes(input, &constant.shape) {
                return Err(format!("input {input} cannot be fed with shape = {:?}", constant.shape));
            }
            fed.push(&constant.name);
        }
        for state in &manifest.states {
            self.hands_on(state, manifest)?;
            fed.push(&state.input);
        }
        if fed.len() > MAX_INPUTS {
            return Err(format!("{} inputs are more than the {MAX_INPUTS} that are supported", fed.len()));
        }
        match self.inputs.iter().find(|input| !fed.contains(&input.name.as_str())) {
            Some(unfed) => Err(format!(
                "input `{}` is not described; add it as [[constant]], [[state]], [style_input] or [style_image]",
                unfed.name
            )),
            None => Ok(()),
        }
    }

    /// What `state` names exists, and can be handed on.
    fn hands_on(&self, state: &State, manifest: &Manifest) -> Result<(), String> {
        let input = named("input", &self.inputs, &state.input)?;
        let output = named("output", &self.outputs, &state.output)?;
        let is_painted = state.output == manifest.output.name;
        if input.element != output.element || is_painted && input.element != Some(Element::F32) {
            return Err(format!("[[state]] input {input} cannot take what output {output} gives"));
        }
        if !output.shape.is_empty() && output.shape.len() != input.shape.len() {
            return Err(format!("[[state]] input {input} has another rank than output {output}"));
        }
        Ok(())
    }
}

/// True if the input can be fed with a tensor of this shape, or of the same without a batch.
pub(super) fn takes(input: &TensorInfo, shape: &[usize]) -> bool {
    let given = if input.shape.len() == 3 && shape.len() == 4 { &shape[1..] } else { shape };
    let sides = input.shape.iter().zip(given);
    input.shape.len() == given.len() && sides.into_iter().all(|(side, given)| side.is_none_or(|side| side == *given))
}

/// The names that the picture's input has for sides without a length, with the lengths that a picture of `size` gives
/// them.
pub(super) fn free_dimensions(session: &OrtSession, manifest: &Manifest, size: Size) -> Vec<(String, i64)> {
    let (width, height) = (size.width as i64, size.height as i64);
    let channels = manifest.input.channels.count() as i64;
    let lengths = match manifest.input.layout {
        Layout::Nchw => [1, channels, height, width],
        Layout::Nhwc => [1, height, width, channels],
    };
    let input = session.inputs().iter().find(|input| input.name() == manifest.input.name);
    let Some(ValueType::Tensor { shape, dimension_symbols, .. }) = input.map(Outlet::dtype) else {
        return Vec::new();
    };
    // A painting has other sides than the picture, even where both have one name.
    let of_painting = manifest.style_image.as_ref().map(|image| image.feeds().0);
    let other = session.inputs().iter().find(|input| Some(input.name()) == of_painting).map(Outlet::dtype);
    let is_taken = |name: &str| match other {
        Some(ValueType::Tensor { dimension_symbols, .. }) => dimension_symbols.iter().any(|symbol| **symbol == *name),
        _ => false,
    };
    let batch = 4usize.saturating_sub(shape.len());
    let sides = shape.iter().zip(dimension_symbols.iter()).zip(lengths.into_iter().skip(batch));
    sides
        .filter(|((side, name), _)| **side < 0 && !name.is_empty() && !is_taken(name))
        .map(|((_, name), length)| (name.to_string(), length))
        .collect()
}

impl TensorInfo {
    pub(super) fn of(outlet: &Outlet) -> Self {
        let kind = outlet.dtype();
        Self {
            name: outlet.name().to_string(),
            kind: kind.to_string(),
            element: kind.tensor_type().and_then(element),
            shape: kind
                .tensor_shape()
                .into_iter()
                .flat_map(|shape| shape.iter())
                .map(|&side| side.try_into().ok())
                .collect(),
        }
    }

    /// Width and height of a picture in this tensor, where they are given.
    pub fn sides(&self, layout: Layout) -> [Option<usize>; 2] {
        let [height, width] = match layout {
            Layout::Nchw => [2, 3],
            Layout::Nhwc => [1, 2],
        };
        let shape = self.picture_shape().unwrap_or_default();
        [width, height].map(|index| shape[index])
    }

    /// Its shape as a picture has it, with a batch of 1 in front where it has none.
    pub fn picture_shape(&self) -> Option<[Option<usize>; 4]> {
        match self.shape[..] {
            [batch, a, b, c] => Some([batch, a, b, c]),
            [a, b, c] => Some([Some(1), a, b, c]),
            _ => None,
        }
    }
}

impl fmt::Display for TensorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &Option<usize>| side.map_or("any".into(), |length| length.to_string());
        let shape = self.shape.iter().map(side).collect::<Vec<String>>().join(", ");
        if self.element == Some(Element::F32) {
            write!(f, "`{}` [{shape}]", self.name)
        } else {
            write!(f, "`{}`: {}", self.name, self.kind)
        }
    }
}

fn element(kind: TensorElementType) -> Option<Element> {
    Some(match kind {
        TensorElementType::Float32 => Element::F32,
        TensorElementType::Float16 => Element::F16,
        TensorElementType::Uint8 => Element::U8,
        TensorElementType::Int32 => Element::I32,
        TensorElementType::Int64 => Element::I64,
        TensorElementType::Bool => Element::Bool,
        _ => return None,
    })
}

fn named<'a>(kind: &str, there: &'a [TensorInfo], name: &str) -> Result<&'a TensorInfo, String> {
    there.iter().find(|tensor| tensor.name == name).ok_or_else(|| {
        let names: Vec<_> = there.iter().map(|tensor| format!("`{}`", tensor.name)).collect();
        format!("it has no {kind} `{name}`; its {kind}s are: {}", names.join(", "))
    })
}

fn find<'a>(kind: &str, there: &'a [TensorInfo], name: &str, element: Element) -> Result<&'a TensorInfo, String> {
    let found = named(kind, there, name)?;
    if found.element != Some(element) {
        let hint = found.element.map(|is| format!("; write type = \"{}\"", is.name())).unwrap_or_default();
        return Err(format!("{kind} `{name}` is {}, not {}{hint}", found.kind, element.name()));
    }
    Ok(found)
}

fn find_of_rank<'a>(
    there: &'a [TensorInfo],
    name: &str,
    element: Element,
    rank: usize,
) -> Result<&'a TensorInfo, String> {
    let found = find("input", there, name, element)?;
    if found.shape.len() != rank {
        return Err(format!("input `{name}` has rank {}, but must have rank {rank}", found.shape.len()));
    }
    Ok(found)
}

fn check_channels(picture: &TensorInfo, layout: Layout, channels: Channels, cells: usize) -> Result<(), String> {
    let (index, other) = match layout {
        Layout::Nchw => (1, "nhwc"),
        Layout::Nhwc => (3, "nchw"),
    };
    let count = channels.count();
    let shape = picture.picture_shape().ok_or_else(|| format!("{picture} is not one picture"))?;
    let is = |index: usize, length: usize| shape[index].is_none_or(|side| side == length);
    let lies_otherwise = count > 1 && shape[4 - index] == Some(count) && shape[index] != Some(count);
    if is(0, 1) && is(index, count * cells * cells) && !lies_otherwise {
        return Ok(());
    }
    let hint = match shape[index] {
        _ if lies_otherwise => format!("; write layout = \"{other}\""),
        Some(1) if cells == 1 => "; write channels = \"gray\"".into(),
        Some(3) if cells == 1 => "; write channels = \"rgb\" or \"bgr\"".into(),
        Some(4) if cells == 1 => "; write channels = \"rgba\"".into(),
        _ => String::new(),
    };
    let colours = if count == 3 { "3 colours".into() } else { format!("{count} channels") };
    let cells = if cells > 1 { format!(" in cells of {cells}x{cells} pixels") } else { String::new() };
    Err(format!("{picture} is not one picture of {colours}{cells}{hint}"))
}

/// A network of one size needs a manifest that says so.
fn check_sides(picture: &TensorInfo, manifest: &Manifest) -> Result<(), String> {
    let sides = picture.sides(manifest.input.layout);
    let fitting = |(side, only): (&Option<usize>, Option<usize>)| only == *side || side.is_none();
    if sides.iter().zip(manifest.input.size.only()).all(fitting) {
        return Ok(());
    }
    let (takes, rule) = match sides {
        [Some(width), Some(height)] => (format!("of {width}x{height}"), format!("fixed = [{width}, {height}]")),
        [Some(width), None] => (format!("{width} wide"), format!("width = {width}")),
        [None, Some(height)] => (format!("{height} high"), format!("height = {height}")),
        [None, None] => return Ok(()),
    };
    Err(format!("input `{}` takes only pictures {takes}; write size = {{ {rule} }}", picture.name))
}

/// The network does something else than its manifest says.
pub(super) fn manifest_mismatch(manifest: &Manifest, what: &str) -> Error {
    Error::model(format!("{} does not fit its manifest {}: {what}", manifest.file, manifest.path.display()))
}
