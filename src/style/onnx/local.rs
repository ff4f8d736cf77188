//! One network loaded into this process's ONNX Runtime, with tensors that are allocated once and reused for every frame.

use std::ffi::CString;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ort::AsPointer;
use ort::memory::Allocator;
use ort::session::Session as OrtSession;
use ort::value::{DynValue, Tensor, ValueType};
use smallvec::SmallVec;

use super::cast::{CastTensor, constant_tensor, is_broken};
use super::handed_on::HandedOn;
use super::inspect::{MAX_INPUTS, TensorInfo, manifest_mismatch};
use super::loaded::Loaded;
use super::picture_memory::PictureTensor;
use super::provider::Backend;
use super::stop::Terminator;
use crate::error::{Error, Result};
use crate::shared_memory::SharedMemory;
use crate::style::geometry::Size;
use crate::style::manifest::Manifest;
use crate::style::picture_tensor::{ImageOutput, Scale};
use crate::style::tensor::{Layout, TensorSpec};

/// A run that a network is tried with may take so long: large pictures through the slowest network take half of it.
pub(super) const TRIAL_LIMIT: Duration = Duration::from_secs(60);

/// A loaded network with the tensors to run it. They live as long as the picture size stays the same.
pub struct LocalSession {
    loaded: Loaded,
    constants: Vec<DynValue>,
    /// What says the style: the weights of rows, or the vector or picture of a painting.
    weights: Option<PictureTensor>,
    tensors: Option<Tensors>,
    names: Names,
    stop: Arc<Terminator>,
    /// The picture tensors lie in memory that another process can be given.
    shared: bool,
}

/// The picture tensors for one size, and what paints them.
struct Tensors {
    backend: Backend,
    running: Arc<OrtSession>,
    input: PictureTensor,
    output: PictureTensor,
    /// Where the network's elements are not f32: what it really reads and writes.
    input_cast: Option<CastTensor>,
    output_cast: Option<CastTensor>,
    handed_on: HandedOn,
    input_spec: TensorSpec,
    output_spec: TensorSpec,
}

/// Input and output names as C strings; inputs are image, weights (if any), constants, states; outputs are the painted picture
/// and the states that are not that picture.
struct Names {
    inputs: Vec<CString>,
    outputs: Vec<CString>,
}

impl LocalSession {
    /// A session of its own on a network that others may run too, each on its own thread.
    ///
    /// # Errors
    /// No memory for its inputs.
    pub fn new(loaded: Loaded) -> Result<Self> {
        let names = Names::new(&loaded.0.manifest);
        let stop = Arc::new(Terminator::new()?);
        let (constants, weights, tensors) = (Vec::new(), None, None);
        let mut this = Self { loaded, constants, weights, tensors, names, stop, shared: false };
        this.make_constants().map_err(|what| manifest_mismatch(&this.loaded.0.manifest, &what))?;
        Ok(this)
    }

    /// The picture tensors lie in memory that another process can be given, from the next size on.
    pub(super) fn share_tensors(&mut self) {
        self.shared = true;
    }

    /// The memory that the picture tensors lie in, input and output; `None` unless it is shared and a size prepared.
    pub(super) fn shared_tensors(&self) -> Option<[&SharedMemory; 2]> {
        let tensors = self.tensors.as_ref()?;
        Some([tensors.input.shared()?, tensors.output.shared()?])
    }

    /// Takes what says the style from memory that another process writes.
    pub(super) fn take_style_from(&mut self, memory: SharedMemory) -> Result<()> {
        let shape = self.style_shape().unwrap_or_default();
        let tensor = PictureTensor::in_memory(&shape, memory);
        self.weights = Some(tensor.map_err(|what| manifest_mismatch(&self.loaded.0.manifest, &what))?);
        Ok(())
    }

    /// The shape of the input that says the style.
    fn style_shape(&self) -> Option<Vec<i64>> {
        let (name, shape) = self.loaded.0.manifest.says_style()?;
        let shape: Vec<_> = shape.into_iter().map(|length| length as i64).collect();
        let is_one_picture =
            shape.len() == 4 && self.loaded.on_cpu().is_some_and(|network| has_no_batch(network, name));
        Some(if is_one_picture { shape[1..].to_vec() } else { shape })
    }

    /// The network that it runs.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// Forgets the size that it is prepared for.
    pub(super) fn release(&mut self) {
        self.tensors = None;
    }

    /// The backend that it is prepared for, at some size.
    pub(super) fn prepared_for(&self) -> Option<Backend> {
        self.tensors.as_ref().map(|tensors| tensors.backend)
    }

    /// What ends its runs from another thread.
    pub fn stop(&self) -> Arc<Terminator> {
        Arc::clone(&self.stop)
    }

    /// Sets the weight of each row of styles; ignored by a network without a style input.
    pub fn set_weights(&mut self, weights: impl Iterator<Item = f32>) {
        if let Some(tensor) = &mut self.weights {
            tensor.values_mut().iter_mut().zip(weights).for_each(|(place, weight)| *place = weight);
        }
    }

    /// Allocates the tensors of `size` (one that the network takes), in which the picture lies `border` pixels from the
    /// left and the top, and tries the network on `backend` once, which finds its real output size and warms it up. Where
    /// the backend is not there, the session stays as it was.
    pub(super) fn prepare_on(&mut self, backend: Backend, size: Size, border: usize) -> Result<(), String> {
        let running = self.loaded.session_on(backend, size)?;
        self.tensors = None;
        let Manifest { input, output, .. } = &self.loaded.0.manifest;
        let input_spec = input.tensor([size.width, size.height], border);
        // On a card too this is plain memory: ONNX Runtime 1.31 refuses to run on tensors in memory that it has page-locked.
        let picture_tensor = |spec: &TensorSpec, shape: &[i64]| match self.shared {
            true => PictureTensor::shared_with_others(shape, spec.len()),
            false => tensor(&Allocator::default(), shape).map(PictureTensor::Own),
        };
        let shape = shape_of(&input_spec);
        let shape = if has_no_batch(&running, &input.name) { &shape[1..] } else { &shape[..] };
        let mut input_tensor = picture_tensor(&input_spec, shape)?;
        let mut input_cast = CastTensor::new(input.element, shape)?;
        let [low, high] = input_spec.ranges[0];
        input_tensor.values_mut().fill((low + high) / 2.0);
        if let Some(cast) = &mut input_cast {
            cast.write(input_tensor.values());
        }

        let input_value = input_ptr(&input_tensor, input_cast.as_ref());
        let inputs: Vec<_> = running.inputs().iter().map(TensorInfo::of).collect();
        let initial = HandedOn::initial(&self.loaded.0.manifest, &inputs, size)?;
        let tried = self.run_to_new_outputs(&running, input_value, &initial);
        let mut given = match initial.is_empty() {
            true => tried?,
            false => tried.map_err(|what| format!("{what}; is the scale of each [[state]] right?"))?,
        };
        let painted = given.remove(0);
        let shape = painted.shape().to_vec();
        let handed_on = match initial.is_empty() {
            true => HandedOn::default(),
            false => {
                let second = self.run_to_new_outputs(&running, input_value, &initial)?.split_off(1);
                HandedOn::new(&self.loaded.0.manifest, initial, given, second, &shape)?
            }
        };
        let painted_size = picture_size(&shape, output)?;
        if is_broken(&painted) {
            return Err(format!("[output] `{}` holds values that are no numbers (NaN or infinite)", output.name));
        }
        check_painted_size(output, size, painted_size)?;
        let output_spec = output.tensor([painted_size.width, painted_size.height], border);
        let output_tensor = picture_tensor(&output_spec, &shape)?;
        let output_cast = CastTensor::new(output.element, &shape)?;
        let (input, output) = (input_tensor, output_tensor);
        self.tensors = Some(Tensors {
            backend,
            running,
            input,
            output,
            input_cast,
            output_cast,
            handed_on,
            input_spec,
            output_spec,
        });
        Ok(())
    }

    /// The input tensor, to be filled by the pixel pass.
    pub fn input(&mut self) -> (&TensorSpec, &mut [f32]) {
        let tensors = self.tensors.as_mut().unwrap_or_else(|| unreachable!("prepare comes first"));
        (&tensors.input_spec, tensors.input.values_mut())
    }

    /// The painted tensor of the last [`LocalSession::run`].
    pub fn output(&self) -> (&TensorSpec, &[f32]) {
        let tensors = self.tensors.as_ref().unwrap_or_else(|| unreachable!("prepare comes first"));
        (&tensors.output_spec, tensors.output.values())
    }

    /// Paints the input tensor into the output tensor and tells how long that took.
    pub fn run(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        let tensors = self.tensors.as_mut().unwrap_or_else(|| unreachable!("prepare comes first"));
        if let Some(cast) = &mut tensors.input_cast {
            cast.write(tensors.input.values());
        }
        tensors.handed_on.take_painted(tensors.output.values());
        let output = tensors.output_cast.as_ref().map_or_else(|| tensors.output.ptr(), CastTensor::ptr);
        let mut outputs: Pointers<_> = std::iter::once(output.cast_mut()).chain(tensors.handed_on.outputs()).collect();
        let tensors = self.tensors.as_ref().unwrap_or_else(|| unreachable!("it was there just now"));
        let input = input_ptr(&tensors.input, tensors.input_cast.as_ref());
        let inputs = self.input_values(input, tensors.handed_on.inputs());
        self.run_raw(&tensors.running, &inputs, &mut outputs)
            .map_err(|reason| Error::model(format!("{}: {reason}", self.loaded.0.manifest.model_path().display())))?;
        if let Some(Tensors { output, output_cast, handed_on, .. }) = &mut self.tensors {
            if let Some(cast) = output_cast {
                cast.read(output.values_mut());
            }
            handed_on.hand_on();
        }
        Ok(begun.elapsed())
    }

    /// Nothing of the pictures before counts for the next one.
    pub fn forget(&mut self) {
        if let Some(tensors) = &mut self.tensors {
            tensors.handed_on.forget();
        }
    }

    /// As [`LocalSession::run`], and gives up after a while: nobody knows yet whether the network comes to an end.
    ///
    /// # Errors
    /// As [`LocalSession::run`], or it took too long.
    pub fn try_run(&mut self) -> Result<Duration> {
        let _limit = self.stop.after(TRIAL_LIMIT)?;
        self.run()
    }

    /// Tries the network once, with outputs that ONNX Runtime allocates; their shapes are the network's true ones.
    fn run_to_new_outputs(
        &self,
        running: &OrtSession,
        input: *const ort::sys::OrtValue,
        states: &[DynValue],
    ) -> Result<Vec<DynValue>, String> {
        let inputs = self.input_values(input, states.iter().map(AsPointer::ptr));
        let mut outputs: Pointers<_> = self.names.outputs.iter().map(|_| ptr::null_mut()).collect();
        let _limit = self.stop.after(TRIAL_LIMIT).map_err(|error| error.to_string())?;
        self.run_raw(running, &inputs, &mut outputs)?;
        let owned = outputs.into_iter().map(|output| {
            let output = ptr::NonNull::new(output).ok_or("no output came back")?;
            // SAFETY: this session just made the value with its own allocator and gave it to us; nothing else owns it.
            Ok(unsafe { DynValue::from_ptr(output, Some(running.allocator())) })
        });
        owned.collect()
    }

    /// What the network is fed with.
    fn input_values(
        &self,
        image: *const ort::sys::OrtValue,
        states: impl Iterator<Item = *const ort::sys::OrtValue>,
    ) -> Pointers<*const ort::sys::OrtValue> {
        let weights = self.weights.iter().map(|weights| weights.ptr());
        let constants = self.constants.iter().map(AsPointer::ptr);
        std::iter::once(image).chain(weights).chain(constants).chain(states).collect()
    }

    /// Calls `OrtApi::Run` on values that exist already.
    ///
    /// JUSTIFICATION: `ort`'s safe `run` allocates its output and several vectors for every call, and its
    /// IoBinding deadlocks on borrowed tensors in rc.15; this call allocates nothing on our side.
    fn run_raw(
        &self,
        running: &OrtSession,
        inputs: &[*const ort::sys::OrtValue],
        outputs: &mut [*mut ort::sys::OrtValue],
    ) -> Result<(), String> {
        let names: Pointers<_> = self.names.inputs.iter().map(|name| name.as_ptr()).collect();
        let output_names: Pointers<_> = self.names.outputs.iter().map(|name| name.as_ptr()).collect();
        // SAFETY: names are NUL-terminated and live in `self`, one for each value; the values of `inputs` point to live
        // tensors; those of `outputs` are null (ONNX Runtime allocates) or live tensors of the network's output shapes,
        // which no other thread touches because one thread owns this `Session`, and which no input is; the network
        // itself, which other sessions may share, is documented to run on many threads at once; the options live in
        // `self` too.
        let status = unsafe {
            (ort::api::ort().Run)(
                running.ptr().cast_mut(),
                self.stop.options(),
                names.as_ptr(),
                inputs.as_ptr(),
                inputs.len(),
                output_names.as_ptr(),
                outputs.len(),
                outputs.as_mut_ptr(),
            )
        };
        // SAFETY: the status came from ONNX Runtime just now and is freed by this conversion.
        unsafe { ort::Error::result_from_status(status) }.map_err(|error| match self.stop.is_stopped() {
            true => "it was stopped, or did not come to its end in a minute".into(),
            false => error.to_string(),
        })
    }

    fn make_constants(&mut self) -> Result<(), String> {
        if let Some(shape) = self.style_shape() {
            let mut weights = PictureTensor::Own(tensor(&Allocator::default(), &shape)?);
            weights.values_mut().fill(0.0);
            self.weights = Some(weights);
        }
        for constant in &self.loaded.0.manifest.constants {
            self.constants.push(constant_tensor(constant)?);
        }
        Ok(())
    }
}

/// The raw pointers of one run, on the stack.
type Pointers<T> = SmallVec<[T; MAX_INPUTS]>;

impl Names {
    fn new(manifest: &Manifest) -> Self {
        let c_string = |name: &str| CString::new(name.replace('\0', "")).unwrap_or_default();
        let style = manifest.says_style().map(|(name, _)| name);
        let constants = manifest.constants.iter().map(|constant| constant.name.as_str());
        let states = manifest.states.iter().map(|state| state.input.as_str());
        let inputs = std::iter::once(manifest.input.name.as_str()).chain(style).chain(constants).chain(states);
        let painted = manifest.output.name.as_str();
        let given = manifest.states.iter().map(|state| state.output.as_str()).filter(|output| *output != painted);
        let outputs = std::iter::once(painted).chain(given);
        Self { inputs: inputs.map(c_string).collect(), outputs: outputs.map(c_string).collect() }
    }
}

fn tensor(allocator: &Allocator, shape: &[i64]) -> Result<Tensor<f32>, String> {
    Tensor::<f32>::new(allocator, shape.to_vec()).map_err(|error| error.to_string())
}

/// What the network reads: the values themselves, or what they are converted to.
fn input_ptr(input: &PictureTensor, cast: Option<&CastTensor>) -> *const ort::sys::OrtValue {
    cast.map_or_else(|| input.ptr(), CastTensor::ptr)
}

/// True if the network's input of this name is a single picture instead of a batch.
fn has_no_batch(running: &OrtSession, name: &str) -> bool {
    let input = running.inputs().iter().find(|input| input.name() == name);
    matches!(input.map(|input| input.dtype()), Some(ValueType::Tensor { shape, .. }) if shape.len() == 3)
}

fn shape_of(spec: &TensorSpec) -> [i64; 4] {
    let (width, height, channels) = (spec.width as i64, spec.height as i64, spec.channels.count() as i64);
    match spec.layout {
        Layout::Nchw => [1, channels, height, width],
        Layout::Nhwc => [1, height, width, channels],
    }
}

/// The size in pixels of an output of this shape, which must be one picture, in a batch or alone.
fn picture_size(shape: &[i64], output: &ImageOutput) -> Result<Size, String> {
    let (cells, count) = (output.cells, output.channels.count());
    let picture = if let [1, picture @ ..] = shape
        && picture.len() == 3
    {
        picture
    } else {
        shape
    };
    let (height, width) = match (output.layout, picture) {
        (Layout::Nchw, [channels, height, width]) if *channels == (count * cells * cells) as i64 => (height, width),
        (Layout::Nhwc, [height, width, channels]) if *channels == count as i64 => (height, width),
        _ => return Err(format!("[output] has the shape {shape:?}, which is not one {count}-channel picture")),
    };
    Ok(Size::new(*width as usize * cells, *height as usize * cells))
}

/// Smaller inputs may be padded to twice their size and more.
const CLEARLY_SCALED: usize = 64;

/// Whether the picture that was put into `input` is in the output `painted`.
fn check_painted_size(output: &ImageOutput, input: Size, painted: Size) -> Result<(), String> {
    let least = Size::new(output.least(input.width), output.least(input.height));
    let too_small = painted.width < least.width || painted.height < least.height;
    let scale = Scale::between(input.width, painted.width)
        .filter(|scale| *scale != output.scale && Some(*scale) == Scale::between(input.height, painted.height));
    // What is a little larger is padding.
    let is_large = input.width.min(input.height) >= CLEARLY_SCALED && output.scale == Scale::ONE;
    let scaled_up = is_large && scale.is_some_and(|scale| scale.of(1) > 1);
    if !too_small && !scaled_up {
        return Ok(());
    }
    let missing = least.width.saturating_sub(painted.width);
    let hint = match scale {
        Some(scale) => format!("; write scale = {scale}"),
        None if missing == least.height.saturating_sub(painted.height) && missing.is_multiple_of(2) => {
            format!("; write trim = {}, and a border that is as wide", output.trim + missing / 2)
        }
        None => String::new(),
    };
    let how = if too_small { "smaller" } else { "larger" };
    Err(format!("[output] `{}` is {painted}, {how} than its input of {input}{hint}", output.name))
}
