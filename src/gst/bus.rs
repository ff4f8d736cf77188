//! Turns messages of a pipeline's bus into one line a user can act on.

use gstreamer as gst;
use gstreamer::prelude::*;

/// An error message as "element: what happened (detail)".
pub fn describe(error: &gst::message::Error) -> String {
    let element = error.src().map(|source| source.name().to_string()).unwrap_or_default();
    if error.debug().is_some_and(|debug| debug.contains("reason not-negotiated")) {
        return format!("{element}: nothing here reads this format of pixels or samples (not-negotiated)");
    }
    if error.error().matches(gst::StreamError::TypeNotFound) {
        return "what comes is no film, picture or stream that is known here; is it the right file or address?".into();
    }
    let what = error.error().message().trim_end_matches('.').to_string();
    // The debug text is "file.c(line): function (): /path/to:element:\ndetail"; only the detail helps a user.
    let detail = error.debug().and_then(|debug| {
        let detail = debug.split('\n').skip(1).collect::<Vec<_>>().join(" ").trim().to_string();
        (!detail.is_empty() && !detail.contains("streaming stopped, reason")).then_some(detail)
    });
    match detail {
        Some(detail) if let Some(answer) = answer_of_a_server(&detail) => answer,
        Some(detail) => format!("{element}: {what} ({detail})"),
        None => format!("{element}: {what}"),
    }
}

/// What a web server answered, and what to do, of a detail as `souphttpsrc` has it: "REASON (STATUS), URL: ..., Redirect to: ...".
fn answer_of_a_server(detail: &str) -> Option<String> {
    let (answer, rest) = detail.split_once(", URL: ")?;
    let (reason, status) = answer.rsplit_once(" (")?;
    let status: u16 = status.strip_suffix(')')?.parse().ok()?;
    let elsewhere =
        rest.rsplit_once("Redirect to: ").map(|(_, address)| address).filter(|&address| address != "(NULL)");
    let advice = match status {
        300..=399 => match elsewhere {
            Some(address) => {
                format!("it leads to {address}, where it is not followed to: name that address if it is meant")
            }
            None => "it leads elsewhere, where it is not followed to".into(),
        },
        401 | 403 | 407 => "are name and password right (http://NAME:PASSWORD@HOST/...), and may they see it?".into(),
        404 | 410 => "is the address right?".into(),
        500.. => "it is the server's own trouble, which may pass".into(),
        _ => "does it give films to others, such as a browser?".into(),
    };
    Some(format!("the server answers {status} ({reason}): {advice}"))
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
    fn answers_of_servers_are_told_with_what_to_do() {
        let told = |detail: &str| answer_of_a_server(detail).unwrap_or_default();
        let nowhere = "Not Found (404), URL: http://h/x, Redirect to: (NULL)";
        assert_eq!(told(nowhere), "the server answers 404 (Not Found): is the address right?");
        let elsewhere = told("Found (302), URL: http://h/x, Redirect to: file:///etc/passwd");
        assert!(elsewhere.starts_with("the server answers 302 (Found): it leads to file:///etc/passwd"), "{elsewhere}");
        assert_eq!(answer_of_a_server("Could not connect (7), while reading"), None);
    }

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
