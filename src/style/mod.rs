//! Networks and their styles: manifests, the catalog, pixel passes and the painter that runs ONNX Runtime.

pub mod brush;
pub mod catalog;
pub mod geometry;
pub mod look;
pub mod manifest;
pub mod onnx;
pub mod painter;
pub mod propose;
pub mod tensor;
pub mod trial;

pub use brush::Brush;
pub use catalog::{Catalog, Choice};
pub use geometry::{PaintSize, Size};
pub use look::{Look, LookPatch};
pub use painter::Painter;
