//! Impasto paints video with neural style networks: camera, file or stream in; RTSP or file out.
//!
//! The path of a frame: [`capture`] maps decoded pictures into slots of a [`frame::ring`]; the stylise threads of
//! [`engine`] paint them with a [`style::Painter`]; [`output`] and [`convert`] take the painted buffers.
//! The path of a command: `cli` parses it, [`config`] resolves it into a checked plan, [`daemon`] or [`convert`]
//! carries it out. [`control`] changes a running stream: HTTP API, web page and `impasto ctl`.

mod atomic_file;
mod back_off;
pub mod capture;
pub mod cli;
pub mod config;
pub mod control;
pub mod convert;
pub mod daemon;
pub mod engine;
pub mod error;
mod ffmpeg;
pub mod frame;
pub mod gst;
mod jpeg;
mod machine;
pub mod metrics;
pub mod output;
pub mod picture;
mod random;
pub mod redact;
pub mod shutdown;
pub mod style;
mod suggest;
mod sync;
mod url;
mod v4l2;
