//! Impasto paints video with neural style networks: camera, file or stream in; RTSP or file out.
//!
//! The path of a frame: [`capture`] maps decoded pictures into slots of a [`frame::ring`]; the stylise threads of
//! [`engine`] paint them with a [`style::Painter`]; [`output`] and [`convert`] take the painted buffers.
//! The path of a command: `cli` parses it, [`config`] resolves it into a checked plan, [`daemon`] or [`convert`]
//! carries it out. [`control`] changes a running stream: HTTP API, web page and `impasto ctl`.

// Some of what serves worker processes and cameras alone has no caller on other systems.
#![cfg_attr(not(linux), allow(dead_code))]

mod as_text;
mod atomic_file;
mod back_off;
pub mod capture;
pub mod cli;
pub mod config;
pub mod control;
mod convert;
pub mod daemon;
pub mod engine;
pub mod environment;
pub mod error;
mod ffmpeg;
pub mod frame;
pub mod gst;
mod hex;
mod jpeg;
mod lanes;
mod machine;
pub mod metrics;
pub mod output;
pub mod paintings;
mod picture;
mod random;
pub mod redact;
#[cfg_attr(linux, path = "shared_memory/linux.rs")]
#[cfg_attr(not(linux), path = "shared_memory/elsewhere.rs")]
mod shared_memory;
pub mod shutdown;
pub mod style;
mod suggest;
pub mod sync;
mod url;
#[cfg(linux)]
mod v4l2;
