//! What a person would try with a network that says nothing of its values: ranges, means, orders of the colours.

use super::picture_tensor::ranges;
use super::tensor::Channels;

/// What the values of a picture tensor may mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Values {
    /// For people.
    pub name: &'static str,
    pub range: [f32; 2],
    /// Mean and deviation of the colours as `channels` orders them.
    pub mean: Option<[f32; 3]>,
    pub std: Option<[f32; 3]>,
}

const BYTES: Values = Values { name: "0..255", range: [0.0, 255.0], mean: None, std: None };
const UNIT: Values = Values { name: "0..1", range: [0.0, 1.0], ..BYTES };
const SIGNED: Values = Values { name: "-1..1", range: [-1.0, 1.0], ..BYTES };
/// PyTorch's VGG and its like.
const IMAGENET: Values =
    Values { name: "ImageNet", mean: Some([0.485, 0.456, 0.406]), std: Some([0.229, 0.224, 0.225]), ..UNIT };
/// Caffe's VGG, blue first.
const CAFFE: Values = Values { name: "Caffe", mean: Some([103.939, 116.779, 123.68]), ..BYTES };

/// One way to feed a network and to read what comes out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variant {
    pub channels: Channels,
    pub input: Values,
    pub output: Values,
}

/// How much likelier the plainest way is than the others, in units of likeness: what looks the same is read as most networks
/// mean it.
const PLAINNESS: f64 = 0.01;

impl Values {
    /// As [`super::tensor::TensorSpec::ranges`].
    pub fn ranges(&self, channels: Channels) -> [[f32; 2]; 4] {
        ranges(
            channels,
            self.range,
            [self.mean.as_ref().map(|list| &list[..]), self.std.as_ref().map(|list| &list[..])],
        )
    }
}

impl Variant {
    /// What likeness is taken off because few networks are so. One whose `first` operator reckons with the values of the picture
    /// itself brings them into its own range: pixels go in as they are.
    pub fn doubt(&self, first: Option<&str>) -> f64 {
        let reckons = matches!(first, Some("Div" | "Mul" | "Sub" | "Add"));
        let plain = match (self.input == self.output, self.input) {
            (true, BYTES) => 0.0,
            (true, UNIT | SIGNED) => 0.1,
            (false, BYTES) => 0.3,
            _ => 1.0,
        };
        let plain = if reckons && self.input != BYTES { plain + 1.0 } else { plain };
        PLAINNESS * (plain + if self.channels == Channels::Bgr && self.input != CAFFE { 0.5 } else { 0.0 })
    }
}

impl std::fmt::Display for Variant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let order = match self.channels {
            Channels::Bgr => " bgr",
            _ => "",
        };
        match self.input == self.output {
            true => write!(f, "{}{order}", self.input.name),
            false => write!(f, "{} to {}{order}", self.input.name, self.output.name),
        }
    }
}

/// The input values to be tried with colours in this order; only bytes in a tensor of bytes.
pub fn inputs(channels: Channels, bytes: bool) -> impl Iterator<Item = Values> {
    let all = [BYTES, UNIT, SIGNED, IMAGENET, CAFFE];
    all.into_iter().filter(move |values| match *values {
        BYTES => true,
        _ if bytes => false,
        IMAGENET => channels == Channels::Rgb,
        CAFFE => channels == Channels::Bgr,
        _ => true,
    })
}

/// The output values to be tried with these input values: means come out only where they went in.
pub fn outputs(input: Values, bytes: bool) -> impl Iterator<Item = Values> {
    let all = [BYTES, UNIT, SIGNED, IMAGENET, CAFFE];
    all.into_iter().filter(move |values| *values == BYTES || !bytes && (values.mean.is_none() || *values == input))
}

/// The values that an operator gives, where it says so.
pub fn given_by(operator: &str) -> Option<Values> {
    match operator {
        "Tanh" => Some(SIGNED),
        "Sigmoid" | "HardSigmoid" => Some(UNIT),
        _ => None,
    }
}

/// The values that a network notes, in the words of Windows.
pub fn noted(nominal_range: &str) -> Values {
    match nominal_range {
        "Normalized_0_1" => UNIT,
        "Normalized_1_1" => SIGNED,
        _ => BYTES,
    }
}
