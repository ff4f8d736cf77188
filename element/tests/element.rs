//! The element in GStreamer's own harness and under its own tools: what comes out, when, and what is said.

#[path = "../../tests/common/onnx.rs"]
#[allow(dead_code, reason = "these tests need some of them")]
mod onnx;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_check::Harness;
use gstreamer_controller::prelude::*;
use gstreamer_video as gst_video;
use gstreamer_video::VideoFormat;
use impasto::style::look::PARAMETERS;

const SIZE: (u32, u32) = (64, 48);
const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

fn start() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstimpasto::plugin_register_static().unwrap();
    });
}

/// An element that paints with the networks of a folder, on ONNX Runtime's CPU.
fn element(networks: &Path, styles: &str) -> gst::Element {
    start();
    let factory = gst::ElementFactory::make("impastostyle").property("models", networks.to_str().unwrap());
    factory.property("styles", styles).property("device", "cpu").property("fade-ms", 0_u32).build().unwrap()
}

fn caps(format: VideoFormat, (width, height): (u32, u32)) -> gst::Caps {
    let caps = gst_video::VideoCapsBuilder::new().format(format).width(width as i32).height(height as i32);
    caps.framerate(gst::Fraction::new(25, 1)).build()
}

/// A harness around `element` for pictures of that kind.
fn harness(element: &gst::Element, caps: &gst::Caps) -> Harness {
    let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
    harness.set_src_caps(caps.clone());
    harness
}

/// The picture of the test source that comes `number`th, in any format.
fn picture(caps: &gst::Caps, number: u64) -> gst::Buffer {
    let launch = format!("videotestsrc num-buffers={} pattern=smpte75 ! capsfilter caps=\"{caps}\"", number + 1);
    let mut source = Harness::new_parse(&launch);
    source.play();
    let mut buffer = (0..=number).map(|_| source.pull().unwrap()).last().unwrap();
    let writable = buffer.make_mut();
    writable.set_pts(number * FRAME);
    writable.set_duration(FRAME);
    buffer
}

fn bytes(buffer: &gst::Buffer) -> Vec<u8> {
    buffer.map_readable().unwrap().to_vec()
}

/// The red, green and blue of all pixels; the fourth byte of a pixel means nothing.
fn colours(bgrx: &gst::Buffer) -> Vec<u8> {
    bytes(bgrx).chunks(4).flat_map(|pixel| pixel[..3].to_vec()).collect()
}

fn negative(of: &[u8]) -> Vec<u8> {
    of.iter().map(|value| 255 - value).collect()
}

#[test]
fn each_picture_is_painted_and_keeps_its_time_size_and_format() {
    start();
    let networks = onnx::networks();
    for format in [VideoFormat::Bgrx, VideoFormat::Rgbx] {
        let caps = caps(format, SIZE);
        let mut harness = harness(&element(networks.path(), "negative"), &caps);
        for number in 0..3 {
            let source = picture(&caps, number);
            let painted = harness.push_and_pull(source.clone()).unwrap();
            assert_eq!(colours(&painted), negative(&colours(&source)), "{format:?} {number}");
            assert_eq!((painted.pts(), painted.duration()), (source.pts(), source.duration()));
        }
        let event = std::iter::from_fn(|| harness.try_pull_event()).find(|event| event.type_() == gst::EventType::Caps);
        let gst::EventView::Caps(event) = event.as_ref().expect("caps come out").view() else { unreachable!() };
        assert!(event.caps().is_subset(&caps), "{}", event.caps());
    }
}

#[test]
fn yuv_is_painted_as_rgb_is_and_comes_back_as_it_was() {
    start();
    let networks = onnx::networks();
    for format in [VideoFormat::I420, VideoFormat::Nv12] {
        let caps = caps(format, SIZE);
        let source = picture(&caps, 0);
        let paint = |styles| harness(&element(networks.path(), styles), &caps).push_and_pull(source.clone()).unwrap();
        // There and back, chroma of every other pixel loses something at the edges of the bars, also where nothing is painted.
        let mut converted = Harness::new_parse(&format!(
            "videoconvert ! capsfilter caps=video/x-raw,format=BGRx ! videoconvert ! capsfilter caps=\"{caps}\""
        ));
        converted.set_src_caps(caps.clone());
        let converted = bytes(&converted.push_and_pull(source.clone()).unwrap());
        assert!(bytes(&paint("same")) == converted, "{format:?}: a picture that is not changed");
        let luma = (SIZE.0 * SIZE.1) as usize;
        // Of white 235, of black 16.
        let sums =
            bytes(&paint("negative")).into_iter().zip(converted).take(luma).map(|(a, b)| f64::from(a) + f64::from(b));
        let mean = sums.map(|sum| (sum - 251.0).abs()).sum::<f64>() / luma as f64;
        assert!(mean < 2.0, "{format:?}: luma of the negative is {mean} levels off");
    }
}

#[test]
fn size_and_format_change_in_the_middle_of_a_stream() {
    start();
    let networks = onnx::networks();
    let element = element(networks.path(), "negative");
    let mut harness = harness(&element, &caps(VideoFormat::Bgrx, SIZE));
    for (format, size) in [
        (VideoFormat::Bgrx, SIZE),
        (VideoFormat::Bgrx, (96, 80)),
        (VideoFormat::I420, (64, 64)),
        (VideoFormat::Bgrx, (48, 48)),
    ] {
        let caps = caps(format, size);
        harness.set_src_caps(caps.clone());
        let source = picture(&caps, 0);
        let painted = harness.push_and_pull(source.clone()).unwrap();
        assert_eq!(painted.size(), source.size(), "{caps}");
        if format == VideoFormat::Bgrx {
            assert_eq!(colours(&painted), negative(&colours(&source)), "{caps}");
        }
    }
}

#[test]
fn the_frame_after_a_change_shows_it_also_with_another_network() {
    start();
    let networks = onnx::networks();
    let element = element(networks.path(), "same");
    let caps = caps(VideoFormat::Bgrx, SIZE);
    let mut harness = harness(&element, &caps);
    let source = picture(&caps, 0);
    let as_it_is = colours(&source);
    let mut paint = || colours(&harness.push_and_pull(source.clone()).unwrap());
    assert_eq!(paint(), as_it_is);
    element.set_property("styles", "negative");
    assert_eq!(paint(), negative(&as_it_is));
    element.set_property("strength", 0.0);
    assert_eq!(paint(), as_it_is);
    element.set_property("strength", 1.0);
    // Of the network `flipped`, and back.
    element.set_property("styles", "flipped");
    assert_eq!(paint(), negative(&as_it_is));
    element.set_property("styles", "plain");
    assert_eq!(paint(), as_it_is);
}

#[test]
fn a_controller_moves_the_strength_from_frame_to_frame() {
    start();
    let networks = onnx::networks();
    let element = element(networks.path(), "negative");
    element.set_property("fade-ms", 500_u32);
    let curve = gstreamer_controller::InterpolationControlSource::new();
    curve.set_mode(gstreamer_controller::InterpolationMode::Linear);
    element
        .add_control_binding(&gstreamer_controller::DirectControlBinding::new(&element, "strength", &curve))
        .unwrap();
    let curve = curve.upcast_ref::<gstreamer_controller::TimedValueControlSource>();
    assert!(curve.set(gst::ClockTime::ZERO, 0.0) && curve.set(4 * FRAME, 1.0));
    let caps = caps(VideoFormat::Bgrx, SIZE);
    let mut harness = harness(&element, &caps);
    for number in 0..5 {
        let source = picture(&caps, number);
        let painted = colours(&harness.push_and_pull(source.clone()).unwrap());
        let strength = number as f32 / 4.0;
        let expected = colours(&source).into_iter().map(|value| {
            let value = f32::from(value);
            value + (255.0 - 2.0 * value) * strength
        });
        let apart = painted.iter().zip(expected).map(|(painted, expected)| (f32::from(*painted) - expected).abs());
        assert!(apart.fold(0.0, f32::max) <= 1.0, "frame {number}");
    }
}

/// What an element on a bus says of a kind, in order.
fn said(bus: &gst::Bus, kind: gst::MessageType) -> Vec<String> {
    let message = std::iter::from_fn(|| bus.pop_filtered(&[kind]));
    message
        .map(|message| match message.view() {
            gst::MessageView::Error(error) => error.error().message().to_string(),
            gst::MessageView::Warning(warning) => warning.error().message().to_string(),
            _ => unreachable!(),
        })
        .collect()
}

#[test]
fn what_cannot_be_painted_is_told_before_the_first_frame() {
    start();
    let networks = onnx::networks();
    let nowhere = networks.path().join("nowhere");
    let somewhere = networks.path().to_str().unwrap();
    for (property, value, right, words) in [
        ("styles", "negativ", "same", "unknown style `negativ`; did you mean `negative`?"),
        ("styles", "same=x", "same", "styles: `same=x`: `x` is not a number"),
        ("styles", "same,flipped", "same", "only styles of one network can be mixed"),
        ("network", "pare", "", "unknown network `pare`; did you mean `pair`?"),
        ("size", "big", "native", "size: `big` is not a size like 640x360"),
        ("device", "warp", "cpu", "device: unknown device `warp`; there are auto, cpu"),
        ("mask", "dog", "off", "mask: "),
        ("models", nowhere.to_str().unwrap(), somewhere, "nowhere: No such file or directory"),
    ] {
        let element = element(networks.path(), "same");
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        element.set_property(property, value);
        assert!(element.set_state(gst::State::Paused).is_err(), "{property}={value}");
        let errors = said(&bus, gst::MessageType::Error);
        assert!(errors.len() == 1 && errors[0].contains(words), "{property}={value}: {errors:?}");
        // Put right, it starts.
        element.set_property(property, right);
        let starts = element.set_state(gst::State::Paused);
        assert!(starts.is_ok(), "{property}={right}: {:?}", said(&bus, gst::MessageType::Error));
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn what_cannot_be_painted_later_is_told_and_the_old_look_goes_on() {
    start();
    let networks = onnx::networks();
    let element = element(networks.path(), "negative");
    let caps = caps(VideoFormat::Bgrx, SIZE);
    let mut harness = harness(&element, &caps);
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let source = picture(&caps, 0);
    for (styles, words) in
        [("nobody", "unknown style `nobody`"), ("a=x", "`x` is not a number"), ("lost", "broken.onnx")]
    {
        element.set_property("styles", styles);
        for _ in 0..2 {
            let painted = harness.push_and_pull(source.clone()).unwrap();
            assert_eq!(colours(&painted), negative(&colours(&source)), "{styles}");
        }
        let warnings = said(&bus, gst::MessageType::Warning);
        assert!(warnings.len() == 1 && warnings[0].contains(words), "{styles}: {warnings:?}");
        assert!(warnings[0].ends_with("what was painted before goes on"), "{warnings:?}");
    }
    assert_eq!(said(&bus, gst::MessageType::Error), [""; 0]);
}

#[test]
fn what_comes_too_late_is_not_painted_and_the_end_comes_through() {
    start();
    let networks = onnx::networks();
    let element = element(networks.path(), "negative");
    let caps = caps(VideoFormat::Bgrx, SIZE);
    let mut harness = harness(&element, &caps);
    harness.push_and_pull(picture(&caps, 0)).unwrap();
    // The sink got the picture of 40 ms when 200 ms had been shown.
    let late = gst::event::Qos::builder(gst::QOSType::Underflow, 2.0, 160_000_000).timestamp(FRAME).build();
    assert!(harness.push_upstream_event(late));
    let received = harness.buffers_received();
    for number in 1..4 {
        harness.push(picture(&caps, number)).unwrap();
    }
    assert_eq!(harness.buffers_received(), received, "pictures that are over are dropped");
    harness.push(picture(&caps, 20)).unwrap();
    assert_eq!(harness.buffers_received(), received + 1);
    assert!(harness.push_event(gst::event::Eos::new()));
    assert!(std::iter::from_fn(|| harness.try_pull_event()).any(|event| event.type_() == gst::EventType::Eos));
}

#[test]
fn a_live_pipeline_waits_as_long_as_a_picture_takes() {
    start();
    let networks = onnx::networks();
    let caps = caps(VideoFormat::Bgrx, SIZE);
    let mut harness = harness(&element(networks.path(), "same"), &caps);
    harness.push_and_pull(picture(&caps, 0)).unwrap();
    harness.set_upstream_latency(FRAME);
    assert!(harness.query_latency().unwrap() > FRAME);
}

#[test]
fn every_parameter_of_the_look_is_a_property() {
    start();
    let networks = onnx::networks();
    let element = element(networks.path(), "same");
    for parameter in PARAMETERS {
        let property = parameter.name.replace('_', "-");
        let spec = element.find_property(&property).unwrap_or_else(|| panic!("no property {property}"));
        assert!(spec.flags().contains(gst::PARAM_FLAG_CONTROLLABLE), "{property}");
        assert!(spec.blurb().unwrap().starts_with(parameter.help), "{property}");
        // What was read can be set again, and is the same then.
        let value = element.property_value(&property);
        element.set_property_from_value(&property, &value);
        assert_eq!(format!("{:?}", element.property_value(&property)), format!("{value:?}"));
    }
    assert!(element.property::<f64>("stroke") < 0.0, "auto");
    element.set_property("stroke", 0.25);
    assert_eq!(element.property::<f64>("stroke"), 0.25);
    element.set_property("steadiness", -1.0);
    assert_eq!(element.property::<f64>("steadiness"), -1.0, "flow");
}

/// A tool of GStreamer that knows this plugin from its file.
fn tool(name: &str, folder: &Path) -> Command {
    // Cargo leaves it beside the tests.
    let built = std::env::current_exe().unwrap().with_file_name("libgstimpasto.so");
    let plugins = folder.join("plugins");
    std::fs::create_dir_all(&plugins).unwrap();
    let _ = std::os::unix::fs::symlink(built, plugins.join("libgstimpasto.so"));
    let mut command = Command::new(name);
    command.env("GST_PLUGIN_PATH", plugins).env("GST_REGISTRY", folder.join("registry")).env_remove("IMPASTO_MODELS");
    command.current_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".."));
    command
}

#[test]
fn the_tools_of_gstreamer_find_it_and_paint_with_the_networks_that_are_shipped() {
    let folder = tempfile::tempdir().unwrap();
    let inspected = tool("gst-inspect-1.0", folder.path()).arg("impastostyle").output().unwrap();
    let text = String::from_utf8_lossy(&inspected.stdout);
    for word in
        ["Neural style painter", "BGRx", "I420", "styles", "keep-colours", "steadiness", "device", "controllable"]
    {
        assert!(text.contains(word), "no {word} in {text}\n{}", String::from_utf8_lossy(&inspected.stderr));
    }
    let picture = folder.path().join("painted.png");
    let launch = format!(
        "videotestsrc num-buffers=2 ! video/x-raw,format=I420,width=320,height=192 ! impastostyle styles=starry_night \
         device=cpu ! videoconvert ! pngenc ! multifilesink location={}",
        picture.display()
    );
    let painted = tool("gst-launch-1.0", folder.path()).args(launch.split_whitespace()).output().unwrap();
    assert!(painted.status.success(), "{}", String::from_utf8_lossy(&painted.stderr));
    assert!(picture.metadata().unwrap().len() > 10_000);
    let wrong = "videotestsrc ! impastostyle styles=stary_night ! fakesink";
    let refused = tool("gst-launch-1.0", folder.path()).args(wrong.split_whitespace()).output().unwrap();
    let text = String::from_utf8_lossy(&refused.stderr).to_string();
    assert!(
        !refused.status.success() && text.contains("unknown style `stary_night`; did you mean `starry_night`?"),
        "{text}"
    );
}
