//! What the library logs, in GStreamer's debug log: `GST_DEBUG=impasto:INFO`.

use std::io::Write;
use std::sync::LazyLock;

use gstreamer as gst;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

pub static CATEGORY: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("impasto", gst::DebugColorFlags::empty(), Some("Painting with neural style networks"))
});

/// From now on. The plugin has a copy of `tracing` of its own, so that this takes nothing from the program that loads it.
pub fn hand_over() {
    let subscriber = tracing_subscriber::fmt()
        // ONNX Runtime tells every optimisation it makes.
        .with_env_filter("info,ort=warn")
        .without_time()
        .with_level(false)
        .with_target(false)
        .with_ansi(false)
        .with_writer(DebugLog)
        .finish();
    // A program that registers the plugin as a library may have its own.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

struct DebugLog;

/// One line on its way into the log.
struct Line(gst::DebugLevel);

impl<'a> MakeWriter<'a> for DebugLog {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(gst::DebugLevel::Info)
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        Line(match *metadata.level() {
            Level::ERROR => gst::DebugLevel::Error,
            Level::WARN => gst::DebugLevel::Warning,
            _ => gst::DebugLevel::Info,
        })
    }
}

impl Write for Line {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        let line = String::from_utf8_lossy(text);
        gst::log_with_level!(CATEGORY, self.0, "{}", line.trim_end());
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
