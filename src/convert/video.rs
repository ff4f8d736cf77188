//! A recorded video: decoder -> rings -> frame painters side by side -> encoder -> packets on disk -> joined file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use gstreamer as gst;
use gstreamer_video as gst_video;

use super::Conversion;
use super::cut::Window;
use super::encode::Encode;
use super::entry::{Entry, enter};
use super::job::Job;
use super::join::Join;
use super::parts::{Index, Parts};
use super::progress::{Event, Progress};
use super::reading::{Reading, reader_of};
use super::target::Target;
use super::watchdog::Watchdog;
use super::workers::{self, Workers};
use crate::capture::{End, Pace, Reader};
use crate::engine::{FramePainter, Inlet, Worker, stylise_in_order};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::frame::ring::ring;
use crate::gst::encoder::Encoder;
use crate::metrics::Counters;
use crate::shutdown::Shutdown;
use crate::style::Size;
use crate::style::onnx::Backend;

/// Slots of each worker's ring: one is painted, one waits.
const SLOTS: usize = 2;

/// Pictures that end so long before the file says are worth a note.
const MISSING_WORTH_A_NOTE: gst::ClockTime = gst::ClockTime::from_seconds(1);

/// What painting came to.
struct Painted {
    /// The part of IN that OUT holds; `None` for all of it.
    window: Option<Window>,
    /// Frames of this run.
    frames: u64,
    /// Why the pictures ended early.
    damage: Option<String>,
}

/// Paints the video `conversion.input` into `conversion.output`; tells what was painted.
///
/// # Errors
/// Input, network or output fail, or it was interrupted; OUT is not touched then, and what was painted is kept
/// for `resume`.
pub fn convert(conversion: &Conversion, shutdown: &Shutdown, progress: &mut Progress) -> Result<Index> {
    let Conversion { input, output, options, .. } = conversion;
    let target = Target::of(output)?;
    let encoder = conversion.encoder()?;
    target.check_args(&options.container_args)?;
    let reading = Reading::of(input, output, target, options.audio, &conversion.templates)?;
    let notes = target.notes(&reading.survey, options.audio)?;
    let job = Job::of(conversion, &encoder.launch)?;
    let parts = Parts::open(output, &job, options.resume)?;
    let before = parts.index()?;
    if options.resume && before.frames == 0 {
        progress.note("there is nothing to resume: beginning anew");
    }

    reading.notes.iter().chain(&notes).for_each(|note| progress.note(note));
    let work = Work {
        conversion,
        reader: reading.pictures,
        target: Some(target),
        encoder: &encoder,
        parts: &parts,
        before: &before,
    };
    let painted = paint(&work, shutdown, progress);
    let result = painted.and_then(|painted| {
        job.check_input(input)?;
        let index = parts.index()?;
        if let Some(damage) = painted.damage {
            progress.note(&format!("{damage}; the {} frames before that are converted", index.frames));
        }
        let window = painted.window;
        let is_whole = options.cut.is_whole() && options.rate.is_none();
        if let Some(expected) = reading.expected.filter(|expected| is_whole && *expected > index.frames) {
            let lost = expected - index.frames;
            progress.note(&format!("{lost} of {expected} pictures of the input are damaged and could not be decoded"));
        }
        let notes = match target {
            Target::Film(container) => {
                let (audio, container_args) = (options.audio, &options.container_args);
                let (index, survey, beside) = (&index, &reading.survey, reading.beside(input));
                Join { input, beside, job: &job, output, container, index, audio, container_args, survey, window }
                    .run(shutdown)?
            }
            Target::Animation(animation) => animation.write(&index, output, shutdown)?,
        };
        notes.iter().for_each(|note| progress.note(note));
        progress.done(output.display().to_string(), painted.frames);
        parts.remove()?;
        Ok(index)
    });
    if result.is_err() {
        keep_or_remove(&parts, "go on with --resume", progress);
    }
    result
}

/// Paints what is not painted yet of a segment into `parts`; the pictures keep their times. Returns how many frames this run
/// painted.
///
/// # Errors
/// As [`convert`].
pub fn paint_segment(
    conversion: &Conversion,
    encoder: &Encoder,
    parts: &Parts,
    shutdown: &Shutdown,
    progress: &mut Progress,
) -> Result<u64> {
    let reader = reader_of(&conversion.input, &conversion.templates)?;
    let work = Work { conversion, reader, target: None, encoder, parts, before: &parts.index()? };
    let painted = paint(&work, shutdown, progress);
    if painted.is_err() {
        keep_or_remove(parts, "the same command goes on with them", progress);
    }
    let painted = painted?;
    if let Some(damage) = painted.damage {
        progress.note(&format!("{damage}; the frames before that are converted"));
    }
    Ok(painted.frames)
}

/// After a failure: frames that are painted are kept, with advice, an empty folder is not.
fn keep_or_remove(parts: &Parts, advice: &str, progress: &Progress) {
    match parts.index() {
        Ok(index) if index.frames > 0 => progress.note(&format!(
            "{} painted frames are kept in {}; {advice}",
            index.frames,
            parts.folder().display()
        )),
        _ => {
            let _ = parts.remove();
        }
    }
}

/// What to paint, and into what.
struct Work<'a> {
    conversion: &'a Conversion,
    /// Who reads the pictures.
    reader: Reader,
    /// `None` for a segment, where frames keep their times.
    target: Option<Target>,
    encoder: &'a Encoder,
    parts: &'a Parts,
    before: &'a Index,
}

/// Paints every frame that is not painted yet.
fn paint(work: &Work, shutdown: &Shutdown, progress: &mut Progress) -> Result<Painted> {
    let &Work { conversion, reader, target, encoder, parts, before } = work;
    let Entry { gate, capture, opener, first } = enter(conversion, reader, before, target.is_none(), shutdown)?;
    let Some(mut caps) = first else {
        // Everything was painted before; only the joining is left.
        return Ok(Painted { window: gate.window(), frames: 0, damage: None });
    };
    // From here on the size is settled, whatever the stream does later.
    let info = gst_video::VideoInfo::from_caps(&caps).map_err(Error::input)?;
    capture.fix_caps(&size_caps(&info));
    let facts = capture.facts();
    let rate = conversion.options.rate;
    if let Some(rate) = rate {
        caps.make_mut().set("framerate", rate.fraction());
    }

    let picture = Size::new(info.width() as usize, info.height() as usize);
    target.map_or(Ok(()), |target| target.check_size(picture))?;
    let (workers, painters) = workers::open(&conversion.paint, &conversion.options, picture)?;
    let backend = painters.first().map_or(Backend::CPU, |painter| painter.network().backend());
    let frame_painters =
        painters.into_iter().map(|painter| FramePainter::new(painter, &caps)).collect::<Result<Vec<_>>>()?;
    let encode = Encode::start(&caps, facts.colours(), encoder, &conversion.templates, parts.append()?)?;
    progress.start(&start_event(conversion, encoder, picture, workers, backend, before.frames));
    facts.notes.iter().for_each(|note| progress.note(note));

    let counters = Arc::new(Counters::default());
    let (producers, consumers): (Vec<_>, Vec<_>) =
        frame_painters.iter().map(|_| ring(std::iter::repeat_with(Frame::default).take(SLOTS))).unzip();
    let (inlet, _) = Inlet::new(Pace::Unlimited, producers, Arc::clone(&counters), Box::new(|_, _| {}));
    let workers =
        consumers.into_iter().zip(frame_painters).map(|(ring, frame_painter)| Worker { ring, frame_painter }).collect();
    let _ = opener.inlet.send(Arc::clone(&inlet));

    let window = gate.window();
    let cut = conversion.options.cut;
    let length = facts.duration.map(|duration| match (target, window) {
        (None, _) => gst::ClockTime::try_from(cut.length(duration.into())).unwrap_or(duration),
        (_, Some(window)) => window.length(duration),
        (_, None) => duration,
    });
    let from = target.is_none().then(|| gst::ClockTime::try_from(cut.start()).ok()).flatten().unwrap_or_default();
    let published = AtomicU64::new(0);
    // OUT has those of an earlier run already, and those before a segment lie in another.
    let is_recalled = || published.fetch_add(1, Ordering::Relaxed) < gate.recalled();
    let publish = |buffer: gst::Buffer, frame: &Frame| {
        let Some(rate) = rate else {
            if is_recalled() {
                return Ok(());
            }
            let shown = |shown| window.map_or(shown, |window| window.shown(frame.pts, shown));
            return encode.push(buffer, frame.pts, frame.duration.map(shown));
        };
        let first = rate.count(frame.pts);
        let slots = first..first + frame.duration.map_or(1, |duration| rate.count(duration));
        slots.into_iter().filter(|_| !is_recalled()).try_for_each(|slot| {
            let begin = rate.time(slot);
            encode.push(buffer.clone(), begin, Some(rate.time(slot + 1) - begin))
        })
    };
    let mut watchdog = Watchdog {
        conversion,
        capture: &capture,
        gate: &gate,
        inlet: &inlet,
        encode: &encode,
        counters: &counters,
        length,
        from,
        before: before.last.map(|packet| packet.pts),
        seen: Default::default(),
        since: Instant::now(),
    };
    let (painted, end) = std::thread::scope(|scope| {
        let painting = scope.spawn(|| stylise_in_order(workers, &counters, &publish, &|| inlet.close()));
        let end = watchdog.run(&painting, shutdown, progress);
        (painting.join().unwrap_or_else(|_| Err(Error::model("a stylise thread panicked"))), end)
    });
    let position = encode.position().saturating_sub(from);
    let after = capture.facts();
    drop(capture);
    // The encoder's own failure tells more than the frame that it did not take.
    if let Some(failure) = painted.is_err().then(|| encode.failure()).flatten() {
        return Err(failure);
    }
    let end = end?;
    painted?;
    let frames = encode.pushed();
    if frames == 0 && gate.recalled() > 0 && !shutdown.is_given() {
        // All that was left to paint was for the painter alone.
        return gate.check().map(|()| Painted { window: gate.window(), frames, damage: None });
    }
    encode.finish()?;
    if shutdown.is_given() {
        return Err(Error::Interrupted(format!("interrupted after {} frames", before.frames + frames)));
    }
    gate.check()?;
    let damage = match end {
        End::Failed(reason) => Some(format!("the input is damaged: {reason}")),
        End::Finished if gate.is_over() => None,
        End::Finished => length.and_then(|length| cut_off(position, length)),
    };
    // Transparency shows in the course of the film.
    after.notes.iter().filter(|note| !facts.notes.contains(note)).for_each(|note| progress.note(note));
    if let Some(warning) = after.warning {
        progress.note(&format!("parts of the input could not be decoded: {warning}"));
    }
    Ok(Painted { window: gate.window(), frames, damage })
}

/// Says so if the pictures end well before the file does.
fn cut_off(position: gst::ClockTime, duration: gst::ClockTime) -> Option<String> {
    let missing = duration.saturating_sub(position);
    let long = missing > MISSING_WORTH_A_NOTE && missing.nseconds() > duration.nseconds() / 20;
    let seconds = |time: gst::ClockTime| time.nseconds() as f64 / 1e9;
    long.then(|| {
        format!(
            "the pictures end at {:.1} s of {:.1} s: the input is cut off, or its sound goes on longer",
            seconds(position),
            seconds(duration)
        )
    })
}

/// What later pictures are fitted into; a change of the frame rate may pass.
fn size_caps(info: &gst_video::VideoInfo) -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", "BGRx")
        .field("width", info.width() as i32)
        .field("height", info.height() as i32)
        .field("pixel-aspect-ratio", info.par())
        .build()
}

fn start_event<'a>(
    conversion: &'a Conversion,
    encoder: &Encoder,
    picture: Size,
    workers: Workers,
    backend: Backend,
    resumed_frames: u64,
) -> Event<'a> {
    let choice = &conversion.paint.choice;
    Event::Start {
        input: conversion.input.display().to_string(),
        output: conversion.output.display().to_string(),
        network: &choice.network.name,
        style: &choice.style.name,
        device: backend.name(),
        picture: picture.to_string(),
        workers: workers.count,
        threads: workers.threads,
        encoder: encoder.to_string(),
        resumed_frames,
    }
}
