//! Encoders: what a network that takes any painting is fed with for one.

use std::path::Path;

use ort::session::Session as OrtSession;
use ort::value::Tensor;

use super::inspect::{NetworkInfo, TensorInfo, takes};
use super::library;
use super::network_file::{cannot_load, check_file};
use super::options::SessionOptions;
use super::worker::RemoteEncoder;
use crate::error::{Error, Result};
use crate::style::element::Element;
use crate::style::manifest::Manifest;
use crate::style::style_image::StyleImage;
use crate::style::tensor::{Pixels, pixels_to_tensor};

/// Makes of paintings what a network is fed with for them.
pub struct Encoder {
    manifest: Manifest,
    runs: Runs,
}

/// What makes a vector of a picture.
enum Runs {
    /// Nothing: the network takes the picture itself.
    Nothing,
    Here(Box<LocalEncoder>),
    Remote(RemoteEncoder),
}

impl Encoder {
    /// For the network of `manifest`.
    ///
    /// # Errors
    /// It takes no paintings, or its encoder cannot be loaded.
    pub fn open(manifest: &Manifest, options: &SessionOptions) -> Result<Self> {
        let is_none = style_image(manifest)?.encoder.is_none();
        let runs = match &options.worker {
            _ if is_none => Runs::Nothing,
            None => Runs::Here(Box::new(LocalEncoder::open(manifest, options.library.as_deref())?)),
            Some(program) => Runs::Remote(RemoteEncoder::start(program, manifest, options.library.as_deref())?),
        };
        Ok(Self { manifest: manifest.clone(), runs })
    }

    /// What the network is fed with for a painting, whose pixels have the size that the manifest says.
    ///
    /// # Errors
    /// The encoder fails, or gives something else than its manifest says.
    pub fn encode(&mut self, painting: &Pixels) -> Result<Vec<f32>> {
        let image = style_image(&self.manifest)?;
        let spec = image.picture.tensor([image.size().width, image.size().height], 0);
        let mut picture = vec![0.0; spec.len()];
        pixels_to_tensor(painting, &spec, &mut picture);
        match &mut self.runs {
            Runs::Nothing => Ok(picture),
            Runs::Here(local) => local.encode(&picture),
            Runs::Remote(remote) => remote.encode(&picture),
        }
    }
}

fn style_image(manifest: &Manifest) -> Result<&StyleImage> {
    let none = || Error::model(format!("network `{}` takes no paintings", manifest.name));
    manifest.style_image.as_ref().ok_or_else(none)
}

/// An encoder in this process.
pub(super) struct LocalEncoder {
    manifest: Manifest,
    session: OrtSession,
    /// The shape of the picture as the encoder takes it.
    shape: Vec<usize>,
}

impl LocalEncoder {
    /// # Errors
    /// The file cannot be loaded, or does not fit its manifest.
    pub(super) fn open(manifest: &Manifest, library: Option<&Path>) -> Result<Self> {
        let image = style_image(manifest)?;
        let path = manifest.encoder_path().unwrap_or_default();
        let fail = |what: String| Err(Error::model(format!("encoder {}: {what}", path.display())));
        let Some(encoder) = &image.encoder else { return fail("its manifest has no encoder".into()) };
        let (environment, _) = library::load(library)?;
        check_file(&path, encoder.sha256.as_deref())?;
        let load = || OrtSession::builder(environment)?.with_intra_threads(1)?.commit_from_file(&path);
        let session = load().map_err(|error: ort::Error| cannot_load(&path, &error.to_string()))?;
        let NetworkInfo { inputs, outputs, .. } = NetworkInfo::of(&session);
        let list = |there: &[TensorInfo]| there.iter().map(TensorInfo::to_string).collect::<Vec<_>>().join(", ");
        let mut shape = image.picture_shape().to_vec();
        let name = &image.picture.name;
        match inputs.as_slice() {
            [input] if input.name == *name && input.element == Some(Element::F32) && takes(input, &shape) => {
                shape.drain(..shape.len() - input.shape.len());
            }
            _ => {
                let there = list(&inputs);
                return fail(format!(
                    "[style_image] says that it takes one picture `{name}` of the shape {shape:?}, but it takes {there}"
                ));
            }
        }
        if !outputs.iter().any(|output| output.name == encoder.output && output.element == Some(Element::F32)) {
            return fail(format!("it has no f32 output `{}`; its outputs are: {}", encoder.output, list(&outputs)));
        }
        Ok(Self { manifest: manifest.clone(), session, shape })
    }

    /// The vector of a picture.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub(super) fn encode(&mut self, picture: &[f32]) -> Result<Vec<f32>> {
        let Self { manifest, session, shape } = self;
        let image = style_image(manifest)?;
        let path = manifest.encoder_path().unwrap_or_default();
        let fail = |what: String| Error::model(format!("encoder {}: {what}", path.display()));
        let output = image.encoder.as_ref().map_or("", |encoder| &encoder.output);
        let mut run = || {
            let tensor = Tensor::from_array((shape.clone(), picture.to_vec()))?;
            let given = session.run(ort::inputs![image.picture.name.as_str() => tensor])?;
            Ok(given[output].try_extract_tensor::<f32>()?.1.to_vec())
        };
        let vector: Vec<f32> = run().map_err(|error: ort::Error| fail(error.to_string()))?;
        let (given, wanted) = (vector.len(), image.numbers());
        if given != wanted {
            return Err(fail(format!("output `{output}` has {given} numbers, but [style_image] says {wanted}")));
        }
        match vector.iter().all(|number| number.is_finite()) {
            true => Ok(vector),
            false => Err(fail(format!("output `{output}` holds values that are no numbers (NaN or infinite)"))),
        }
    }
}
