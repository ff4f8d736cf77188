//! What a network hands on to itself from one picture to the next.

use serde::{Deserialize, Serialize};

use super::picture_tensor::Scale;

/// An input that gets what an output gave for the picture before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub input: String,
    /// Of the same type and shape; it may be that of the painted picture.
    pub output: String,
    /// What every element of the input is for the first picture, and for the first after a cut.
    #[serde(default)]
    pub initial: f32,
    /// The sides of the input beside those of the picture's input, where the network leaves them open.
    #[serde(default)]
    pub scale: Scale,
}
