//! What networks are fed with for paintings: computed once for each content, and kept in memory and in a folder.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use image::imageops::FilterType;
use image::{DynamicImage, RgbImage, Rgba};
use sha2::{Digest, Sha256};

use crate::atomic_file;
use crate::hex::hex;
use crate::picture::{Bounds, Original, is_cut_off};
use crate::style::Size;
use crate::style::manifest::{Manifest, Painting};
use crate::style::onnx::{Encoder, SessionOptions};
use crate::style::tensor::{PixelOrder, Pixels};
use crate::sync::Locked;

/// So many vectors are kept in the folder; the oldest go first.
const MOST_FILES: usize = 2000;

/// The vectors of paintings.
pub struct Vectors {
    cache: Option<PathBuf>,
    session: SessionOptions,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By network and painting.
    made: HashMap<(PathBuf, PathBuf), Made>,
    /// The encoder that was used last, for the next painting.
    encoder: Option<(Manifest, Version, Encoder)>,
    /// The digests of encoders.
    digests: HashMap<PathBuf, (Version, [u8; 32])>,
}

/// What a file is like: another time or length makes it another one.
type Version = Option<(SystemTime, u64)>;

/// What came of a painting, for as long as the files stay the same.
struct Made {
    network: Manifest,
    encoder: Version,
    painting: Version,
    made: Result<Arc<Painting>, String>,
}

impl Vectors {
    pub fn new(cache: Option<PathBuf>, session: SessionOptions) -> Self {
        Self { cache, session, state: Mutex::default() }
    }

    /// What `network` is fed with for the painting in `file`.
    ///
    /// # Errors
    /// The painting cannot be read, or the encoder fails; the same painting is not tried again until something changes.
    pub fn of(&self, network: &Manifest, file: &Path) -> Result<Arc<Painting>, String> {
        let mut state = self.state.locked();
        let (encoder, painting) = (network.encoder_path().and_then(|path| version(&path)), version(file));
        let key = (network.path.clone(), file.to_path_buf());
        if let Some(made) = state.made.get(&key)
            && made.network == *network
            && (made.encoder, made.painting) == (encoder, painting)
        {
            return made.made.clone();
        }
        let bytes = std::fs::read(file).map_err(|error| error.to_string());
        let made = bytes.and_then(|bytes| self.make(&mut state, network, encoder, &bytes, || read(file, &bytes)));
        if let Err(what) = &made {
            tracing::warn!("painting {} is no style of network {}: {what}", file.display(), network.name);
        }
        let made = made.map(Arc::new);
        let known = Made { network: network.clone(), encoder, painting, made: made.clone() };
        state.made.insert(key, known);
        made
    }

    /// Whether `network` can be fed with the picture that lies in these bytes of a file.
    ///
    /// # Errors
    /// As [`Vectors::of`].
    pub fn try_bytes(&self, network: &Manifest, picture: &DynamicImage, bytes: &[u8]) -> Result<(), String> {
        let encoder = network.encoder_path().and_then(|path| version(&path));
        let mut state = self.state.locked();
        let made = self.make(&mut state, network, encoder, bytes, || Ok(picture.clone()));
        state.encoder = None;
        made.map(drop)
    }

    /// Forgets paintings that are gone, and lets go of the encoder.
    pub fn forget_all_but(&self, is_there: impl Fn(&Path, &Path) -> bool) {
        let mut state = self.state.locked();
        state.made.retain(|(network, file), _| is_there(network, file));
        state.made.shrink_to_fit();
        let digests = std::mem::take(&mut state.digests);
        let is_used =
            |path: &PathBuf| state.made.values().any(|made| made.network.encoder_path().as_ref() == Some(path));
        let digests = digests.into_iter().filter(|(path, _)| is_used(path)).collect();
        (state.digests, state.encoder) = (digests, None);
    }

    fn make(
        &self,
        state: &mut State,
        network: &Manifest,
        encoder: Version,
        bytes: &[u8],
        picture: impl FnOnce() -> Result<DynamicImage, String>,
    ) -> Result<Painting, String> {
        let sha256 = hex(&Sha256::digest(bytes));
        let place = match (&self.cache, network.encoder_path()) {
            (Some(cache), Some(path)) => Some(cache.join(key(state, network, &path, encoder, &sha256)?)),
            _ => None,
        };
        let length = network.style_numbers();
        if let Some(vector) = place.as_deref().and_then(|place| kept(place, length)) {
            return Ok(Painting { sha256, vector });
        }
        let picture = picture()?;
        let Size { width, height } = network.style_image.as_ref().map(|image| image.size()).unwrap_or(Size::new(1, 1));
        let scaled = middle(&picture, width as u32, height as u32);
        let pixels = Pixels::packed(scaled.as_raw(), width, height, PixelOrder::Rgb);
        let pixels = pixels.ok_or("it has no pixels")?;
        let is_open = state.encoder.as_ref().is_some_and(|(of, at, _)| of == network && *at == encoder);
        if !is_open {
            let opened = Encoder::open(network, &self.session).map_err(|error| error.to_string())?;
            state.encoder = Some((network.clone(), encoder, opened));
        }
        let Some((_, _, open)) = &mut state.encoder else { return Err("there is no encoder".into()) };
        let vector = open.encode(&pixels).map_err(|error| error.to_string());
        if vector.is_err() {
            // Its process may be gone.
            state.encoder = None;
        }
        let vector = vector?;
        if let Some(place) = place
            && let Err(error) = keep(&place, &vector)
        {
            tracing::debug!("{}: {error}; the encoder runs again next time", place.display());
        }
        Ok(Painting { sha256, vector })
    }
}

/// The picture of a painting, without transparency.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(file: &Path, bytes: &[u8]) -> Result<DynamicImage, String> {
    if is_cut_off(bytes) {
        return Err("the picture is cut off: a part of it is missing".into());
    }
    let original = Original::read(file, Bounds::FILE)?;
    Ok(on_white(original.picture))
}

/// The middle of a picture in this size.
fn middle(picture: &DynamicImage, width: u32, height: u32) -> RgbImage {
    let (own_width, own_height) = (u64::from(picture.width()), u64::from(picture.height()));
    let (wide, high) = (u64::from(width), u64::from(height));
    // Cut out before it is scaled: a long and narrow one scaled as a whole would be too large.
    let across = (own_height * wide / high).clamp(1, own_width) as u32;
    let down = (own_width * high / wide).clamp(1, own_height) as u32;
    let cut = picture.crop_imm((picture.width() - across) / 2, (picture.height() - down) / 2, across, down);
    cut.resize_exact(width, height, FilterType::CatmullRom).into_rgb8()
}

/// A picture laid on white, as paper is.
pub fn on_white(picture: DynamicImage) -> DynamicImage {
    if !picture.color().has_alpha() {
        return picture;
    }
    let mut picture = picture.into_rgba8();
    for Rgba([red, green, blue, alpha]) in picture.pixels_mut() {
        let share = u32::from(*alpha);
        for value in [red, green, blue] {
            *value = ((u32::from(*value) * share + 255 * (255 - share) + 127) / 255) as u8;
        }
        *alpha = u8::MAX;
    }
    DynamicImage::ImageRgba8(picture)
}

fn version(file: &Path) -> Version {
    let found: Metadata = file.metadata().ok()?;
    Some((found.modified().ok()?, found.len()))
}

/// The name of the file that a vector is kept in: by the contents of painting and encoder, and by what the manifest says.
fn key(
    state: &mut State,
    network: &Manifest,
    encoder: &Path,
    version: Version,
    painting: &str,
) -> Result<String, String> {
    let known = state.digests.get(encoder).filter(|(of, _)| *of == version).map(|(_, digest)| *digest);
    let digest = match known {
        Some(digest) => digest,
        None => {
            let bytes =
                atomic_file::read(encoder).map_err(|error| format!("encoder {}: {error}", encoder.display()))?;
            let digest = Sha256::digest(&bytes).into();
            state.digests.insert(encoder.to_path_buf(), (version, digest));
            digest
        }
    };
    let said = serde_json::to_vec(&network.style_image).map_err(|error| error.to_string())?;
    Ok(hex(&Sha256::new().chain_update(digest).chain_update(said).chain_update(painting).finalize()))
}

/// A vector of so many numbers that was kept there.
fn kept(place: &Path, length: usize) -> Option<Vec<f32>> {
    let bytes = std::fs::read(place).ok()?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    let vector: Vec<_> = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
    let is_whole = rest.is_empty() && vector.len() == length && vector.iter().all(|number| number.is_finite());
    is_whole.then_some(vector)
}

fn keep(place: &Path, vector: &[f32]) -> io::Result<()> {
    atomic_file::replace(place, &vector.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>())?;
    let folder = place.parent().unwrap_or(Path::new("."));
    let mut files: Vec<_> = folder.read_dir()?.flatten().map(|entry| entry.path()).collect();
    if files.len() > MOST_FILES {
        files.sort_by_key(|file| version(file));
        files.iter().take(files.len() - MOST_FILES).try_for_each(std::fs::remove_file)?;
    }
    Ok(())
}
