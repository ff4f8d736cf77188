//! A manifest in the making: what is known of a network from its file, written as TOML with a comment at each guess.

use std::path::Path;

use super::element::Element;
use super::onnx::inspect::{NetworkInfo, TensorInfo};
use super::picture_tensor::Scale;
use super::tensor::{Channels, Layout};
use super::variants::{Values, Variant};

/// A tensor that can hold one picture.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    pub tensor: &'a TensorInfo,
    pub layout: Layout,
    /// 1, 3 or 4.
    pub count: usize,
}

/// What is written.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    pub info: &'a NetworkInfo,
    pub path: &'a Path,
    pub input: Picture<'a>,
    pub output: Picture<'a>,
    /// All inputs but the picture and the states.
    pub others: Vec<&'a TensorInfo>,
    /// Inputs that are taken to be fed with what came out for the picture before, each with that output.
    pub states: Vec<(&'a TensorInfo, &'a TensorInfo)>,
    /// The sides of states beside those of the picture.
    pub state_scale: Scale,
    /// Free sides are multiples of it.
    pub multiple_of: usize,
    pub scale: Scale,
    pub trim: usize,
    /// So far the edges of a picture are seen in what is painted.
    pub border: usize,
}

/// Networks look this far at least; smaller pictures are continued by reflection.
const LEAST_SIDE: usize = 32;

impl<'a> Picture<'a> {
    /// The tensor if it can hold one picture.
    pub fn of(tensor: &'a TensorInfo) -> Option<Self> {
        let shape = tensor.picture_shape()?;
        if !tensor.element.is_some_and(Element::holds_pictures) || shape[0].is_some_and(|batch| batch != 1) {
            return None;
        }
        let picture = |layout, count| Some(Self { tensor, layout, count });
        match (shape[1], shape[3]) {
            (Some(3), _) => picture(Layout::Nchw, 3),
            (_, Some(3)) => picture(Layout::Nhwc, 3),
            (Some(count @ (1 | 4)), None) => picture(Layout::Nchw, count),
            (None, Some(count @ (1 | 4))) => picture(Layout::Nhwc, count),
            (Some(count @ (1 | 4)), Some(side)) if side > 4 => picture(Layout::Nchw, count),
            (Some(side), Some(count @ (1 | 4))) if side > 4 => picture(Layout::Nhwc, count),
            (None, _) => picture(Layout::Nchw, 3),
            _ => None,
        }
    }

    /// Its channels, where colours are in the order of `order`.
    pub fn channels(&self, order: Channels) -> Channels {
        match self.count {
            1 => Channels::Gray,
            4 => Channels::Rgba,
            _ => order,
        }
    }

    pub fn is_bytes(&self) -> bool {
        self.tensor.element == Some(Element::U8)
    }

    fn write(&self, table: &str, order: Channels, values: &Values, why: [&str; 2]) -> String {
        let layout = if self.layout == Layout::Nchw { "nchw" } else { "nhwc" };
        let channels = match self.channels(order) {
            Channels::Rgb => "rgb",
            Channels::Bgr => "bgr",
            Channels::Gray => "gray",
            Channels::Rgba => "rgba",
        };
        let mut text = format!("[{table}]\nname = {}\nlayout = \"{layout}\"\n", quoted(&self.tensor.name));
        text += &format!("channels = \"{channels}\"{}\n", if self.count == 3 { why[0] } else { "" });
        if let Some(element) = self.tensor.element.filter(|element| *element != Element::F32) {
            text += &format!("type = \"{}\"\n", element.name());
        }
        let [low, high] = values.range;
        text += &format!("range = [{low}, {high}]{}\n", why[1]);
        for (key, list) in [("mean", values.mean), ("std", values.std)] {
            if let Some(list) = list {
                text += &format!("{key} = {list:?} # {}\n", values.name);
            }
        }
        text
    }
}

impl Draft<'_> {
    /// The manifest for `variant`; `why` says how it was found.
    pub fn write(&self, variant: &Variant, why: &str) -> String {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        let mut text = format!("name = {}\ntitle = {}\nfile = {}\n", quoted(&stem), quoted(&stem), quoted(&file));
        let licence = self.info.note("license").unwrap_or("unknown");
        text += &format!("licence = {} # may others use this network?\n\n", quoted(licence));

        let says = |note: &str| if self.info.note(note).is_some() { " # says the network" } else { why };
        let why = [says("Image.BitmapPixelFormat"), says("Image.NominalPixelRange")];
        text += &self.input.write("input", variant.channels, &variant.input, why);
        text += &self.size();
        text += &self.output.write("output", variant.channels, &variant.output, ["", ""]);
        if self.scale != Scale::ONE {
            text += &format!("scale = {}\n", self.scale);
        }
        if self.trim > 0 {
            text += &format!("trim = {}\n", self.trim);
        }
        text + &self.other_inputs()
    }

    fn size(&self) -> String {
        let border = self.trim.next_multiple_of(8).max(self.border);
        let border = if border > 0 { format!(", border = {border}") } else { String::new() };
        let multiple_of = self.multiple_of;
        match self.input.tensor.sides(self.input.layout) {
            [Some(width), Some(height)] => format!("size = {{ fixed = [{width}, {height}]{border} }}\n\n"),
            [Some(width), None] => format!("size = {{ width = {width}, multiple_of = {multiple_of}{border} }}\n\n"),
            [None, Some(height)] => format!("size = {{ height = {height}, multiple_of = {multiple_of}{border} }}\n\n"),
            [None, None] => {
                let min = LEAST_SIDE.max(multiple_of);
                format!("size = {{ multiple_of = {multiple_of}, min = {min}{border} }} # tried\n\n")
            }
        }
    }

    /// The style's weights, constants, and the styles.
    fn other_inputs(&self) -> String {
        let stem = quoted(&self.path.file_stem().unwrap_or_default().to_string_lossy());
        let mut constants = String::new();
        let mut weights = None;
        for other in &self.others {
            let is_float = other.element == Some(Element::F32);
            match other.shape[..] {
                [Some(count)] | [Some(1), Some(count)] if count > 1 && is_float && weights.is_none() => {
                    weights = Some((other, count));
                }
                _ => {
                    let shape: Vec<_> = other.shape.iter().map(|side| side.unwrap_or(1).to_string()).collect();
                    constants += &format!("\n[[constant]] # what is it for?\nname = {}\n", quoted(&other.name));
                    constants += &format!("shape = [{}]\n", shape.join(", "));
                    match other.element.unwrap_or_default() {
                        Element::F32 => constants += "value = 1.0\n",
                        Element::Bool => constants += "type = \"bool\"\nvalue = true\n",
                        element => constants += &format!("type = \"{}\"\nvalue = 1\n", element.name()),
                    }
                }
            }
        }
        for (input, output) in &self.states {
            constants += "\n[[state]] # assumed: what came out for the picture before\n";
            constants += &format!("input = {}\noutput = {}\n", quoted(&input.name), quoted(&output.name));
            if self.state_scale != Scale::ONE {
                constants += &format!("scale = {}\n", self.state_scale);
            }
        }
        let Some((weights, count)) = weights else {
            return format!("{constants}\n[[style]]\nname = {stem}\ntitle = {stem}\n");
        };
        let mut text =
            format!("\n[style_input] # assumed: one weight for each style\nname = {}\n", quoted(&weights.name));
        text += &format!("rank = {}\ncount = {count}\n{constants}", weights.shape.len());
        for row in 0..count {
            text += &format!("\n[[style]]\nname = \"style_{row}\"\ntitle = \"Style {row}\"\nrow = {row}\n");
        }
        text
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
