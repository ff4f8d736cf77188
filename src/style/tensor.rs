//! Pixels to tensors and back.
