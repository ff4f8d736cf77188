//! Impasto paints video with neural style networks: camera, file or stream in; RTSP, file or virtual camera out.

pub mod error;
pub mod style;
