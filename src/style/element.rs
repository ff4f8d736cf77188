//! The types that elements of a network's tensors have.

use serde::{Deserialize, Serialize};

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    #[default]
    F32,
    F16,
    U8,
    I32,
    I64,
    Bool,
}

impl Element {
    /// True if a picture can be made of such elements.
    pub fn holds_pictures(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::U8)
    }

    /// As a manifest writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::U8 => "u8",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::Bool => "bool",
        }
    }
}
