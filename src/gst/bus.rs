//! Turns messages of a pipeline's bus into one line a user can act on.

use gstreamer as gst;
use gstreamer::prelude::*;

/// An error message as "element: what happened (detail)".
pub fn describe(error: &gst::message::Error) -> String {
    let element = error.src().map(|source| source.name().to_string()).unwrap_or_default();
    if error.debug().is_some_and(|debug| debug.contains("reason not-negotiated")) {
        return format!("{element}: nothing here reads this format of pixels or samples (not-negotiated)");
    }
    let what = error.error().message().trim_end_matches('.').to_string();
    // The debug text is "file.c(line): function (): /path/to:element:\ndetail"; only the detail helps a user.
    let detail = error.debug().and_then(|debug| {
        let detail = debug.split('\n').skip(1).collect::<Vec<_>>().join(" ").trim().to_string();
        (!detail.is_empty() && !detail.contains("streaming stopped, reason")).then_some(detail)
    });
    match detail {
        Some(detail) => format!("{element}: {what} ({detail})"),
        None => format!("{element}: {what}"),
    }
}

/// The next end of a running pipeline: `Ok` on end of stream, `Err` with the reason on an error.
///
/// Waits at most `patience`; `None` if the pipeline is still running then.
pub fn wait_for_end(bus: &gst::Bus, patience: gst::ClockTime) -> Option<Result<(), String>> {
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    // The timed pop counts its own start as time: without patience it would never see a message.
    let message = bus.pop_filtered(&kinds).or_else(|| bus.timed_pop_filtered(patience, &kinds))?;
    Some(match message.view() {
        gst::MessageView::Error(error) => Err(describe(error)),
        _ => Ok(()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_waits_is_found_without_patience() {
        crate::gst::init().unwrap();
        let bus = gst::Bus::new();
        assert_eq!(wait_for_end(&bus, gst::ClockTime::ZERO), None);
        bus.post(gst::message::Latency::new()).unwrap();
        bus.post(gst::message::Eos::new()).unwrap();
        assert_eq!(wait_for_end(&bus, gst::ClockTime::ZERO), Some(Ok(())));
    }
}
