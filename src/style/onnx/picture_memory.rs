//! The memory of picture tensors: ONNX Runtime's own, or shared with another process.

use std::ops::Deref;

use ort::memory::MemoryInfo;
use ort::value::{Shape, Tensor, TensorRefMut};

use crate::shared_memory::SharedMemory;

/// A picture tensor in memory of ONNX Runtime's, or in memory that another process sees too.
pub enum PictureTensor {
    Own(Tensor<f32>),
    /// The tensor goes before the memory that it borrows.
    Shared {
        tensor: TensorRefMut<'static, f32>,
        memory: SharedMemory,
    },
}

impl PictureTensor {
    /// A tensor of `length` values in new memory.
    pub fn shared_with_others(shape: &[i64], length: usize) -> Result<Self, String> {
        Self::in_memory(shape, SharedMemory::new(length).map_err(|error| format!("no memory for a tensor: {error}"))?)
    }

    /// A tensor in memory that holds as many values.
    pub fn in_memory(shape: &[i64], mut memory: SharedMemory) -> Result<Self, String> {
        let length = shape.iter().product::<i64>();
        if usize::try_from(length) != Ok(memory.values().len()) {
            return Err(format!("the memory of a tensor does not hold {length} values"));
        }
        let data = memory.values_mut().as_mut_ptr().cast();
        // SAFETY: the memory holds so many values, is processor memory, and lives as long as the tensor: both are
        // dropped together, the tensor first.
        let tensor = unsafe { TensorRefMut::from_raw(MemoryInfo::default(), data, Shape::from(shape)) };
        Ok(Self::Shared { tensor: tensor.map_err(|error| error.to_string())?, memory })
    }

    pub fn values(&self) -> &[f32] {
        match self {
            Self::Own(tensor) => tensor.extract_tensor().1,
            Self::Shared { memory, .. } => memory.values(),
        }
    }

    pub fn values_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Own(tensor) => tensor.extract_tensor_mut().1,
            Self::Shared { memory, .. } => memory.values_mut(),
        }
    }

    pub fn shared(&self) -> Option<&SharedMemory> {
        match self {
            Self::Own(_) => None,
            Self::Shared { memory, .. } => Some(memory),
        }
    }
}

impl Deref for PictureTensor {
    type Target = Tensor<f32>;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Own(tensor) => tensor,
            Self::Shared { tensor, .. } => tensor,
        }
    }
}
