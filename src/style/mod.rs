//! Networks and their styles: manifests, the catalog, pixel passes and the painter that runs ONNX Runtime.

pub mod catalog;
pub mod constant;
mod draft;
pub mod element;
pub mod flow;
pub mod geometry;
mod likeness;
pub mod look;
pub mod manifest;
mod networks;
pub mod onnx;
mod paint_plan;
pub mod painter;
mod photo;
pub mod picture_tensor;
pub mod propose;
pub mod share;
pub mod size_rule;
pub mod sized_network;
pub mod state;
pub mod steadiness;
pub mod stroke;
pub mod tensor;
mod test_picture;
pub mod trial;
mod variants;
pub mod weights;

pub use catalog::{Catalog, Choice};
pub use geometry::{PaintSize, Size};
pub use look::{Look, LookPatch};
pub use networks::Networks;
pub use paint_plan::{MOST_PICTURE_PIXELS, PaintPlan};
pub use painter::Painter;
pub use sized_network::SizedNetwork;
pub use steadiness::Steadiness;
pub use stroke::Stroke;
