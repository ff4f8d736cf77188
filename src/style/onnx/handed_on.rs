//! The tensors that a network hands on from one run to the next.

use ort::AsPointer;
use ort::value::{DynValue, Tensor};

use super::cast::constant_tensor;
use super::inspect::TensorInfo;
use crate::style::constant::{Constant, ConstantValue};
use crate::style::geometry::Size;
use crate::style::manifest::Manifest;
use crate::style::state::State;
use crate::style::tensor::Layout;

/// The tensors of all `[[state]]` of a network at one size.
#[derive(Default)]
pub struct HandedOn {
    states: Vec<Handed>,
    /// Nothing was handed on yet, or it counts no more.
    is_fresh: bool,
    /// Which one of two tensors is read.
    turn: usize,
}

struct Handed {
    initial: DynValue,
    tensors: Tensors,
}

enum Tensors {
    /// One is read while the network writes the other.
    Turns([DynValue; 2]),
    /// A copy of what was painted last.
    Painted(Box<Tensor<f32>>),
}

impl HandedOn {
    /// The tensors that are read before anything was handed on.
    ///
    /// # Errors
    /// A side that neither network nor picture says, or no memory.
    pub fn initial(manifest: &Manifest, inputs: &[TensorInfo], size: Size) -> Result<Vec<DynValue>, String> {
        let tensor = |state| constant_tensor(&initial(state, manifest, inputs, size)?);
        manifest.states.iter().map(tensor).collect()
    }

    /// From the tensors that are read first and what two runs gave: the outputs of the states that are not the painted
    /// picture, in their order.
    ///
    /// # Errors
    /// An output has another shape than its input.
    pub fn new(
        manifest: &Manifest,
        initial: Vec<DynValue>,
        first: Vec<DynValue>,
        second: Vec<DynValue>,
        painted: &[i64],
    ) -> Result<Self, String> {
        let mut given = first.into_iter().zip(second);
        let mut states = Vec::new();
        for (state, initial) in manifest.states.iter().zip(initial) {
            let tensors = match state.output == manifest.output.name {
                true => Tensors::Painted(Box::new(
                    Tensor::new(&ort::memory::Allocator::default(), painted.to_vec())
                        .map_err(|error| error.to_string())?,
                )),
                false => {
                    given.next().map(|(first, second)| Tensors::Turns([first, second])).ok_or("no output came back")?
                }
            };
            let given = match &tensors {
                Tensors::Turns([first, _]) => first.shape(),
                Tensors::Painted(tensor) => tensor.shape(),
            };
            if **given != **initial.shape() {
                return Err(format!(
                    "[[state]] output `{}` is {given}, but its input `{}` got {}; write the scale of its sides beside the picture's",
                    state.output,
                    state.input,
                    initial.shape()
                ));
            }
            states.push(Handed { initial, tensors });
        }
        Ok(Self { states, is_fresh: true, turn: 0 })
    }

    /// The next run begins anew.
    pub fn forget(&mut self) {
        self.is_fresh = true;
    }

    /// Takes what was painted last, before it is painted over.
    pub fn take_painted(&mut self, painted: &[f32]) {
        for state in &mut self.states {
            if let (Tensors::Painted(tensor), false) = (&mut state.tensors, self.is_fresh) {
                tensor.extract_tensor_mut().1.copy_from_slice(painted);
            }
        }
    }

    /// What the next run reads, one for each state.
    pub fn inputs(&self) -> impl Iterator<Item = *const ort::sys::OrtValue> + '_ {
        self.states.iter().map(|state| match &state.tensors {
            _ if self.is_fresh => state.initial.ptr(),
            Tensors::Turns(tensors) => tensors[self.turn].ptr(),
            Tensors::Painted(tensor) => tensor.ptr(),
        })
    }

    /// What the next run writes, besides the painted picture.
    pub fn outputs(&mut self) -> impl Iterator<Item = *mut ort::sys::OrtValue> + '_ {
        let written = 1 - self.turn;
        self.states.iter_mut().filter_map(move |state| match &mut state.tensors {
            Tensors::Turns(tensors) => Some(tensors[written].ptr_mut()),
            Tensors::Painted(_) => None,
        })
    }

    /// A run is over: what it wrote is read by the next.
    pub fn hand_on(&mut self) {
        (self.is_fresh, self.turn) = (false, 1 - self.turn);
    }
}

/// What `state` reads first, at this size of the picture's input.
fn initial(state: &State, manifest: &Manifest, inputs: &[TensorInfo], size: Size) -> Result<Constant, String> {
    let input = inputs.iter().find(|input| input.name == state.input);
    let input = input.ok_or_else(|| format!("it has no input `{}`", state.input))?;
    let of_picture = match manifest.input.layout {
        Layout::Nchw => [1, 0, size.height, size.width],
        Layout::Nhwc => [1, size.height, size.width, 0],
    };
    let sides = input.shape.iter().enumerate().map(|(place, side)| {
        let free = if input.shape.len() == 4 { of_picture[place] } else { usize::from(place == 0) };
        let free = if place == 0 { free } else { state.scale.of(free) };
        side.or((free > 0).then_some(free))
    });
    let shape = sides.collect::<Option<Vec<_>>>();
    let shape = shape.ok_or_else(|| format!("[[state]] input {input} has sides that no picture gives it"))?;
    let element = input.element.ok_or_else(|| format!("[[state]] input {input} has a type that no manifest names"))?;
    Ok(Constant { name: state.input.clone(), shape, element, value: ConstantValue::One(f64::from(state.initial)) })
}
