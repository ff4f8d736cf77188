//! Networks and their styles: manifests, the catalog, pixel passes and the painter that runs ONNX Runtime.

pub mod tensor;
