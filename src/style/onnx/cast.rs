//! Tensors whose elements are not f32: constants, and pictures that are converted before and after each run.

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::AsPointer;
use ort::memory::Allocator;
use ort::value::{DynValue, PrimitiveTensorElementType, Tensor};

use crate::style::constant::Constant;
use crate::style::element::Element;

/// A picture tensor as the network has it, beside the f32 values that the pixel passes write and read.
pub enum CastTensor {
    F16(Tensor<f16>),
    U8(Tensor<u8>),
}

impl CastTensor {
    /// Nothing for f32, where the network takes the values themselves.
    pub fn new(element: Element, shape: &[i64]) -> Result<Option<Self>, String> {
        let allocator = Allocator::default();
        Ok(match element {
            Element::F16 => Some(Self::F16(new(&allocator, shape)?)),
            Element::U8 => Some(Self::U8(new(&allocator, shape)?)),
            _ => None,
        })
    }

    /// Takes `values`, each the nearest that the type has.
    pub fn write(&mut self, values: &[f32]) {
        match self {
            Self::F16(tensor) => tensor.extract_tensor_mut().1.convert_from_f32_slice(values),
            Self::U8(tensor) => {
                let bytes = tensor.extract_tensor_mut().1;
                bytes.iter_mut().zip(values).for_each(|(byte, value)| *byte = value.round_ties_even() as u8);
            }
        }
    }

    /// Gives its values.
    pub fn read(&self, values: &mut [f32]) {
        match self {
            Self::F16(tensor) => tensor.extract_tensor().1.convert_to_f32_slice(values),
            Self::U8(tensor) => {
                values.iter_mut().zip(tensor.extract_tensor().1).for_each(|(value, byte)| *value = f32::from(*byte));
            }
        }
    }

    pub fn ptr(&self) -> *const ort::sys::OrtValue {
        match self {
            Self::F16(tensor) => tensor.ptr(),
            Self::U8(tensor) => tensor.ptr(),
        }
    }
}

/// True if `value` has a value that is no number.
pub fn is_broken(value: &DynValue) -> bool {
    let floats =
        value.try_extract_tensor::<f32>().is_ok_and(|(_, values)| values.iter().any(|value| !value.is_finite()));
    floats || value.try_extract_tensor::<f16>().is_ok_and(|(_, values)| values.iter().any(|value| !value.is_finite()))
}

/// The tensor of a constant.
pub fn constant_tensor(constant: &Constant) -> Result<DynValue, String> {
    let shape: Vec<i64> = constant.shape.iter().map(|&length| length as i64).collect();
    match constant.element {
        Element::F32 => filled(constant, &shape, |value| value as f32),
        Element::F16 => filled(constant, &shape, f16::from_f64),
        Element::U8 => filled(constant, &shape, |value| value as u8),
        Element::I32 => filled(constant, &shape, |value| value as i32),
        Element::I64 => filled(constant, &shape, |value| value as i64),
        Element::Bool => filled(constant, &shape, |value| value != 0.0),
    }
}

fn filled<T: PrimitiveTensorElementType + Clone + std::fmt::Debug>(
    constant: &Constant,
    shape: &[i64],
    convert: impl Fn(f64) -> T,
) -> Result<DynValue, String> {
    let mut tensor = new::<T>(&Allocator::default(), shape)?;
    let places = tensor.extract_tensor_mut().1.iter_mut();
    places.zip(constant.values()).for_each(|(place, value)| *place = convert(value));
    Ok(tensor.into_dyn())
}

fn new<T: PrimitiveTensorElementType + Clone + std::fmt::Debug>(
    allocator: &Allocator,
    shape: &[i64],
) -> Result<Tensor<T>, String> {
    Tensor::<T>::new(allocator, shape.to_vec()).map_err(|error| error.to_string())
}
