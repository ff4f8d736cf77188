//! Finds the manifest of a network that has none: from what it says of itself, and by trying what a person would try.

use std::path::Path;
use std::time::{Duration, Instant};

use super::border;
use super::draft::{Draft, Picture};
use super::drafted::{colours, painted, prepared, wide};
use super::element::Element;
use super::geometry::Size;
use super::likeness::Likeness;
use super::manifest::Manifest;
use super::onnx::SessionOptions;
use super::onnx::inspect::{NetworkInfo, TensorInfo};
use super::onnx::operators::Operators;
use super::photo::photo;
use super::picture_tensor::Scale;
use super::tensor::{Channels, PixelOrder, Pixels, TensorSpec, pixels_to_tensor};
use super::trial::Trial;
use super::variants::{self, Values, Variant};
use crate::error::{Error, Result};

/// The multiples that free sides are tried with.
const MULTIPLES: [usize; 4] = [8, 16, 32, 64];

/// What is handed on is so many times smaller than the picture.
const STATE_SCALES: [usize; 5] = [1, 2, 4, 8, 16];

/// A network that takes so long to refuse a size is not tried with another.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two paintings that are no farther apart (of 1) look the same.
const SAME_LOOK: f64 = 0.015;

/// So much more like a painting than all that look otherwise: beyond doubt, or likely.
const SURE: f64 = 0.08;
const LIKELY: f64 = 0.025;

/// So many ways are offered.
const MOST_OFFERED: usize = 12;

/// No network cuts off more on each side.
const MOST_TRIMMED: usize = 96;

/// A manifest to be looked over, and how the network did with it.
#[derive(Debug)]
pub struct Proposal {
    /// TOML, with a comment wherever something is a guess.
    pub text: String,
    /// All ways that look different, the most likely first.
    pub ways: Vec<Way>,
    /// How sure it is that the first is right.
    pub certainty: Certainty,
    /// How the network ran with it, or why it cannot be used even so.
    pub trial: Result<Trial>,
}

/// How much the best way stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    Sure,
    Likely,
    Guess,
}

/// A way to feed the network, and the test photograph as it was painted then.
#[derive(Debug)]
pub struct Way {
    variant: Variant,
    output: usize,
    /// What is tried, for people.
    pub label: String,
    pub likeness: Likeness,
    /// Likeness less doubt.
    pub score: f64,
    /// Red, green and blue.
    pub picture: Vec<u8>,
    pub size: Size,
}

impl Certainty {
    pub fn words(self) -> &'static str {
        match self {
            Self::Sure => "sure",
            Self::Likely => "likely",
            Self::Guess => "a guess",
        }
    }
}

/// Proposes a manifest for the ONNX file at `path`: the one of the most likely way, or of the way `take`, counted from 1.
///
/// # Errors
/// The network has no input or no output for a picture, runs at no size that was tried, or `take` is not among the ways.
pub fn propose(info: &NetworkInfo, path: &Path, options: &SessionOptions, take: Option<usize>) -> Result<Proposal> {
    let fail = |what: &str| Error::model(format!("{}: {what}; Impasto cannot use it", path.display()));
    let input = info.inputs.iter().find_map(Picture::of).ok_or_else(|| {
        fail("no input takes a picture (f32, f16 or u8, [1, 3, height, width] or [1, height, width, 3])")
    })?;
    let outputs: Vec<_> = info.outputs.iter().filter_map(Picture::of).collect();
    if outputs.is_empty() {
        return Err(fail("no output is a picture"));
    }
    let others: Vec<_> = info.inputs.iter().filter(|other| other.name != input.tensor.name).collect();
    if let Some(other) = others.iter().find(|other| other.element.is_none()) {
        return Err(fail(&format!("input {other} has a type that no manifest names")));
    }
    let operators = Operators::of(path);
    let mut drafts = Vec::new();
    let mut ways = Vec::new();
    for output in outputs {
        let states = handed_on(info, &others, &output);
        let is_state = |other: &TensorInfo| states.iter().any(|(input, _)| input.name == other.name);
        let others: Vec<_> = others.iter().copied().filter(|other| !is_state(other)).collect();
        if let Some(other) = others.iter().find(|other| is_second_picture(other)) {
            return Err(fail(&format!(
                "input {other} is a second picture (a style to take over, or what was painted last), and only one is \
                 fed; where it takes a painting, write a manifest with [style_image], as models/README.md shows"
            )));
        }
        let (multiple_of, scale, state_scale) = (MULTIPLES[0], Scale::ONE, Scale::ONE);
        let draft =
            Draft { info, path, input, output, others, states, state_scale, multiple_of, scale, trim: 0, border: 0 };
        let mut draft = draft;
        find_size(&mut draft, options)?;
        try_ways(&draft, &operators, drafts.len(), options, &mut ways)?;
        drafts.push(draft);
    }
    let ways = best_of(ways);
    let certainty = certainty(&ways);
    let chosen = take.unwrap_or(1);
    let Some(way) = chosen.checked_sub(1).and_then(|place| ways.get(place)) else {
        return Err(Error::usage(format!("--take {chosen}: there are the ways 1 to {}", ways.len())));
    };
    let why = match (take, certainty) {
        (Some(_), _) => " # taken by hand".to_string(),
        (None, Certainty::Sure) => " # sure: nothing else looks like a painting of the test photograph".into(),
        (None, certainty) => {
            format!(" # {}: looks most like a painting of the test photograph; see --preview", certainty.words())
        }
    };
    let draft = &mut drafts[way.output];
    if !way.likeness.flat {
        draft.border = border::measure(draft, &way.variant, options)?;
    }
    let text = draft.write(&way.variant, &why);
    let trial = match way.likeness.flat {
        true => Err(fail("it paints the same colour everywhere")),
        false => try_out(&text, path, options),
    };
    Ok(Proposal { text, ways, certainty, trial })
}

/// Names of inputs that take another picture than what came out before.
const OTHER_PICTURES: [&str; 5] = ["style", "reference", "exemplar", "example", "guide"];

/// The inputs, of `others`, that an output of the same type and shape can be handed on to: of those that are not painted, each
/// one; otherwise `painted`.
fn handed_on<'a>(
    info: &'a NetworkInfo,
    others: &[&'a TensorInfo],
    painted: &Picture<'a>,
) -> Vec<(&'a TensorInfo, &'a TensorInfo)> {
    let mut states: Vec<(&TensorInfo, &TensorInfo)> = Vec::new();
    for input in
        others.iter().filter(|input| input.shape.len() == 4 && input.element.is_some_and(Element::holds_pictures))
    {
        let name = input.name.to_lowercase();
        let fits = |output: &&TensorInfo| {
            let sides = input.shape.iter().zip(&output.shape);
            output.element == input.element
                && output.shape.len() == input.shape.len()
                && sides.into_iter().all(|(a, b)| a.is_none() || b.is_none() || a == b)
        };
        let is_free = |output: &&TensorInfo| {
            output.name != painted.tensor.name && states.iter().all(|(_, taken)| taken.name != output.name)
        };
        let last = Some(painted.tensor).filter(|output| output.element == Some(Element::F32));
        let output = info.outputs.iter().filter(is_free).find(fits).or_else(|| last.filter(fits));
        if let (Some(output), false) = (output, OTHER_PICTURES.iter().any(|word| name.contains(word))) {
            states.push((input, output));
        }
    }
    states
}

/// True for a tensor that looks like the picture: its sides are not those of a list of numbers.
fn is_second_picture(tensor: &TensorInfo) -> bool {
    Picture::of(tensor)
        .is_some_and(|picture| tensor.sides(picture.layout).iter().all(|side| side.is_none_or(|side| side > 8)))
}

fn try_out(text: &str, path: &Path, options: &SessionOptions) -> Result<Trial> {
    let manifest = Manifest::parse(text, &path.with_extension("toml"))?;
    let trial = Trial::run(&manifest, options)?;
    trial.judge(&manifest).map(|()| trial)
}

/// The way that says least.
fn plain() -> Variant {
    let values = variants::noted("");
    Variant { channels: Channels::Rgb, input: values, output: values }
}

/// Finds the multiple that sides must have, and how large the output is beside the input.
///
/// # Errors
/// Why the network runs with none.
fn find_size(draft: &mut Draft, options: &SessionOptions) -> Result<()> {
    let is_fixed = draft.input.tensor.sides(draft.input.layout).iter().all(Option::is_some);
    let begun = Instant::now();
    let mut refusal = Error::model(format!("{}: its output fits its input at no size", draft.path.display()));
    let multiples = MULTIPLES.into_iter().take(if is_fixed { 1 } else { MULTIPLES.len() });
    let state_scales = if draft.states.is_empty() { &STATE_SCALES[..1] } else { &STATE_SCALES };
    for (multiple_of, over) in
        multiples.flat_map(|multiple_of| state_scales.iter().map(move |over| (multiple_of, *over)))
    {
        let state_scale = Scale::between(over, 1).unwrap_or_default();
        // As small as an output can be: this one is not looked at, only measured.
        *draft = Draft { multiple_of, state_scale, scale: Scale::SMALLEST, trim: 0, ..draft.clone() };
        let (mut session, geometry, _) = match prepared(draft, &plain(), options) {
            Ok(prepared) => prepared,
            Err(error) if begun.elapsed() > PATIENCE => return Err(error),
            Err(error) => {
                refusal = error;
                continue;
            }
        };
        session.try_run()?;
        let (spec, _) = session.output();
        if let Some((scale, trim)) = beside(geometry.tensor, Size::new(spec.width, spec.height)) {
            *draft = Draft { scale, trim, ..draft.clone() };
            return Ok(());
        }
    }
    Err(refusal)
}

/// The scale and the trim that make a picture of this size of the input.
fn beside(input: Size, output: Size) -> Option<(Scale, usize)> {
    let scale = Scale::between(input.width, output.width);
    if scale.is_some() && scale == Scale::between(input.height, output.height) {
        return scale.map(|scale| (scale, 0));
    }
    // What is a little larger is padding.
    if output.width >= input.width && output.height >= input.height {
        return Some((Scale::ONE, 0));
    }
    let missing = [input.width.checked_sub(output.width)?, input.height.checked_sub(output.height)?];
    let even = missing[0] == missing[1] && missing[0].is_multiple_of(2) && missing[0] / 2 <= MOST_TRIMMED;
    even.then_some((Scale::ONE, missing[0] / 2))
}

/// Paints the photograph in all ways.
fn try_ways(
    draft: &Draft,
    operators: &Operators,
    place: usize,
    options: &SessionOptions,
    ways: &mut Vec<Way>,
) -> Result<()> {
    let (mut session, geometry, manifest) = prepared(draft, &plain(), options)?;
    let size = geometry.painted;
    let bytes = photo(size)?;
    let pixels = Pixels::packed(&bytes, size.width, size.height, PixelOrder::Rgb);
    let pixels = pixels.ok_or_else(|| Error::model("the test photograph has no pixels"))?;
    let original = colours(&bytes).collect::<Vec<_>>();
    let noted = draft.info.note("Image.NominalPixelRange").map(variants::noted);
    let is_tried = |values: &Values| noted.is_none_or(|noted| noted == *values);
    let (input, output) = (draft.input, draft.output);
    let first = operators.first(&input.tensor.name);
    let given = operators.last(&output.tensor.name).and_then(variants::given_by).filter(|_| !output.is_bytes());
    for order in orders(draft) {
        for values in variants::inputs(input.channels(order), input.is_bytes()).filter(is_tried) {
            let (spec, tensor) = session.input();
            let channels = input.channels(order);
            pixels_to_tensor(&pixels, &TensorSpec { channels, ranges: values.ranges(channels), ..*spec }, tensor);
            session.forget();
            session.try_run()?;
            let (spec, tensor) = session.output();
            let painted_size = manifest.output.painted(size);
            let channels = output.channels(order);
            let fits = |values: &Values| values.mean.is_none() || channels.colours() == 3;
            for result in variants::outputs(values, output.is_bytes())
                .filter(is_tried)
                .filter(fits)
                .filter(|values| given.is_none_or(|given| given == *values))
            {
                let spec = TensorSpec { channels, ranges: wide(result.ranges(channels)), ..*spec };
                let painted = painted(tensor, &spec, painted_size, size)?;
                let likeness = Likeness::of(&original, &painted, size.width, channels.count() > 1);
                let variant = Variant { channels: order, input: values, output: result };
                let picture = painted.iter().flatten().map(|value| (value * 255.0).round() as u8).collect();
                let label = match draft.info.outputs.len() {
                    1 => variant.to_string(),
                    _ => format!("{variant} `{}`", output.tensor.name),
                };
                let score = likeness.score - variant.doubt(first);
                ways.push(Way { variant, output: place, label, likeness, score, picture, size });
            }
        }
    }
    Ok(())
}

/// The orders of colours to be tried: what the network says, otherwise both.
fn orders(draft: &Draft) -> Vec<Channels> {
    match draft.info.note("Image.BitmapPixelFormat") {
        _ if draft.input.count != 3 => vec![Channels::Rgb],
        Some(format) if format.to_lowercase().starts_with("bgr") => vec![Channels::Bgr],
        Some(_) => vec![Channels::Rgb],
        None => vec![Channels::Rgb, Channels::Bgr],
    }
}

/// The ways by score, without those that look like a better one; the photograph as it came is no painting if there is any.
fn best_of(mut ways: Vec<Way>) -> Vec<Way> {
    if ways.iter().any(|way| !way.likeness.unpainted && !way.likeness.flat && way.score > 0.0) {
        let passes_on =
            |output: usize| ways.iter().filter(|way| way.output == output).any(|way| way.likeness.unpainted);
        let passing: Vec<_> = ways.iter().map(|way| way.output).filter(|output| passes_on(*output)).collect();
        if ways.iter().any(|way| !passing.contains(&way.output)) {
            ways.retain(|way| !passing.contains(&way.output));
        }
    }
    ways.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut different: Vec<Way> = Vec::new();
    for way in ways {
        if different.len() < MOST_OFFERED && different.iter().all(|other| apart(&way, other) > SAME_LOOK) {
            different.push(way);
        }
    }
    different
}

fn apart(a: &Way, b: &Way) -> f64 {
    if a.picture.len() != b.picture.len() {
        return 1.0;
    }
    let sum: u64 = a.picture.iter().zip(&b.picture).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / (255.0 * a.picture.len().max(1) as f64)
}

fn certainty(ways: &[Way]) -> Certainty {
    match ways {
        [best, next, ..] if best.score - next.score < LIKELY => Certainty::Guess,
        [best, next, ..] if best.score - next.score < SURE => Certainty::Likely,
        [best, ..] if best.score > 0.0 => Certainty::Sure,
        _ => Certainty::Guess,
    }
}
