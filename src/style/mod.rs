//! Networks and their styles: manifests, the catalog, pixel passes and the painter that runs ONNX Runtime.

pub mod catalog;
pub mod geometry;
pub mod manifest;
pub mod onnx;
pub mod painter;
pub mod propose;
pub mod tensor;
pub mod trial;

pub use catalog::{Catalog, Choice};
pub use geometry::Size;
pub use painter::Painter;
