//! A camera as a PipeWire node, for machines without the loopback module: a native stream that drives its readers.

use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use pipewire as pw;
use pipewire::properties::properties;
use pipewire::spa::param::ParamType;
use pipewire::spa::param::format::{FormatProperties, MediaSubtype, MediaType};
use pipewire::spa::param::video::VideoFormat;
use pipewire::spa::pod::{ChoiceValue, Object, Pod, Property, Value, object, property, serialize::PodSerializer};
use pipewire::spa::sys as spa_sys;
use pipewire::spa::utils::{Choice, ChoiceEnum, ChoiceFlags, Direction, Fraction, Id, Rectangle, SpaTypes};
use pipewire::stream::{Stream, StreamFlags, StreamListener, StreamRc, StreamState};
use pipewire::sys as pw_sys;

use super::{Sink, poll};
use crate::error::{Error, Result};
use crate::output::idle::Usage;
use crate::style::Size;

/// How long PipeWire may take to answer when the camera is set up.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// Buffers between us and the readers: wished, fewest, most.
const BUFFERS: (i32, i32, i32) = (4, 2, 8);

const UNREACHABLE: &str = "PipeWire cannot be reached";
const ADVICE: &str = "is it running (`systemctl --user status pipewire`)";

/// The node as it lives in PipeWire's graph. Everything runs on the thread of the virtual camera.
pub(super) struct Node {
    // Dropped in this order: what listens before what it listens to.
    _core_listener: pw::core::Listener,
    _stream_listener: StreamListener<Buffers>,
    stream: StreamRc,
    core_lost: Rc<RefCell<Option<String>>>,
    frame: Rc<RefCell<Vec<u8>>>,
    _core: pw::core::CoreRc,
    main_loop: pw::main_loop::MainLoopRc,
}

impl Node {
    /// Makes the node and waits until PipeWire has taken it.
    pub(super) fn open(size: Size, fps: u32) -> Result<Self> {
        let node = Self::connect(size, fps).map_err(|error| {
            Error::output(format!(
                "virtual camera: {UNREACHABLE}: {error}; {ADVICE}? `--camera-out auto` uses a v4l2loopback device instead"
            ))
        })?;
        let deadline = Instant::now() + CONNECT_PATIENCE;
        loop {
            match node.stream.state() {
                StreamState::Paused | StreamState::Streaming => return Ok(node),
                StreamState::Error(why) => return Err(node.failed(&why)),
                _ if Instant::now() > deadline => return Err(node.failed("it does not take the node")),
                _ => {}
            }
            node.iterate(Duration::from_millis(20));
            node.check()?;
        }
    }

    /// Whether PipeWire answers.
    ///
    /// # Errors
    /// It does not: why, and what to look at.
    pub(super) fn reach() -> Result<()> {
        reach().map(|_| ()).map_err(|error| Error::output(format!("{UNREACHABLE}: {error}; {ADVICE}?")))
    }

    fn connect(size: Size, fps: u32) -> Result<Self, pw::Error> {
        let (main_loop, core) = reach()?;
        let core_lost = Rc::new(RefCell::new(None));
        let core_listener = {
            let core_lost = Rc::clone(&core_lost);
            let lost = move |id, _, _, message: &str| {
                // Errors of single objects come to their own listeners.
                if id == pw::core::PW_ID_CORE {
                    *core_lost.borrow_mut() = Some(message.to_string());
                }
            };
            core.add_listener_local().error(lost).register()
        };

        let stream = StreamRc::new(
            core.clone(),
            "impasto",
            properties! {
                *pw::keys::MEDIA_TYPE => "Video",
                *pw::keys::MEDIA_CATEGORY => "Capture",
                *pw::keys::MEDIA_CLASS => "Video/Source",
                // Portals and browsers offer nodes of this role.
                *pw::keys::MEDIA_ROLE => "Camera",
                *pw::keys::NODE_NAME => "impasto",
                *pw::keys::NODE_DESCRIPTION => "Impasto",
            },
        )?;
        let frame = Rc::new(RefCell::new(Vec::new()));
        let stream_listener = {
            let frame = Rc::clone(&frame);
            let stride = size.width as i32 * 2;
            stream
                .add_local_listener::<Buffers>()
                .add_buffer(|_, all, buffer| all.0.push(buffer))
                .remove_buffer(|_, all, buffer| all.0.retain(|kept| *kept != buffer))
                .state_changed(|stream, all, _, now| {
                    if now == StreamState::Paused {
                        all.take_back(stream);
                    }
                })
                .param_changed(move |stream, _, id, format| {
                    if id == ParamType::Format.as_raw() && format.is_some() {
                        let buffers = bytes_of(buffers(size));
                        let params = &mut [Pod::from_bytes(&buffers)]
                            .map(|pod| pod.unwrap_or_else(|| unreachable!("just made")));
                        let _ = stream.update_params(params);
                    }
                })
                .process(move |stream, _| fill(stream, &frame.borrow(), stride))
                .register()?
        };
        let format = bytes_of(format(size, fps));
        let params = &mut [Pod::from_bytes(&format)].map(|pod| pod.unwrap_or_else(|| unreachable!("just made")));
        stream.connect(Direction::Output, None, StreamFlags::DRIVER | StreamFlags::MAP_BUFFERS, params)?;
        Ok(Self {
            _core_listener: core_listener,
            _stream_listener: stream_listener,
            stream,
            core_lost,
            frame,
            _core: core,
            main_loop,
        })
    }

    fn iterate(&self, patience: Duration) {
        self.main_loop.loop_().iterate(pw::loop_::Timeout::Finite(patience));
    }

    fn check(&self) -> Result<()> {
        match (self.core_lost.borrow().as_deref(), self.stream.state()) {
            (Some(why), _) => Err(self.failed(why)),
            (None, StreamState::Error(why)) => Err(self.failed(&why)),
            (None, StreamState::Unconnected) => Err(self.failed("the connection was closed")),
            _ => Ok(()),
        }
    }

    fn failed(&self, why: &str) -> Error {
        Error::output(format!("virtual camera PipeWire stopped: {why}; trying again"))
    }
}

impl Sink for Node {
    fn wait(&mut self, wake: BorrowedFd, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let [woken, served] = poll([wake, self.main_loop.loop_().fd()], left);
            if served {
                self.iterate(Duration::ZERO);
            }
            if woken || !served {
                return;
            }
        }
    }

    fn write(&mut self, frame: &[u8]) -> Result<()> {
        self.check()?;
        let mut kept = self.frame.borrow_mut();
        kept.clear();
        kept.extend_from_slice(frame);
        drop(kept);
        if self.stream.state() == StreamState::Streaming {
            // Calls `fill` and passes the buffer on. It fails between two readers, when there is nobody to pass it to.
            let _ = self.stream.trigger_process();
        }
        Ok(())
    }

    fn usage(&mut self) -> Usage {
        match self.stream.state() {
            StreamState::Streaming => Usage::Watched,
            StreamState::Paused => Usage::Absent,
            _ => Usage::Unknown,
        }
    }
}

/// All buffers of the stream.
#[derive(Default)]
struct Buffers(Vec<*mut pw_sys::pw_buffer>);

impl Buffers {
    /// Takes back what a reader held that is gone. PipeWire forgets the buffer that was on its way to a killed reader;
    /// after as many kills as there are buffers, none would be left.
    fn take_back(&self, stream: &Stream) {
        for buffer in &self.0 {
            // JUSTIFICATION: there is no safe call for a buffer that was queued before.
            // SAFETY: the pointer came with add_buffer and leaves the list with remove_buffer, so it is one of this
            // stream's. Buffers that are in one of its queues are refused. Nobody reads them while it is paused.
            unsafe { stream.queue_raw_buffer(*buffer) };
        }
        // What is queued now are old pictures: back to the free ones.
        let _ = stream.flush(false);
    }
}

/// Copies the frame into the next free buffer; readers that hold them all miss this frame.
fn fill(stream: &Stream, frame: &[u8], stride: i32) {
    let Some(mut buffer) = stream.dequeue_buffer() else { return };
    let Some(data) = buffer.datas_mut().first_mut() else { return };
    let size = match data.data() {
        Some(memory) if memory.len() >= frame.len() => {
            memory[..frame.len()].copy_from_slice(frame);
            frame.len() as u32
        }
        _ => 0,
    };
    let chunk = data.chunk_mut();
    *chunk.offset_mut() = 0;
    *chunk.stride_mut() = stride;
    *chunk.size_mut() = size;
}

/// What the node delivers: YUYV as webcams do, BT.601 in limited range.
fn format(size: Size, fps: u32) -> Object {
    let colour = |key: u32, value: u32| Property::new(key, Value::Id(Id(value)));
    let mut format = object!(
        SpaTypes::ObjectParamFormat,
        ParamType::EnumFormat,
        property!(FormatProperties::MediaType, Id, MediaType::Video),
        property!(FormatProperties::MediaSubtype, Id, MediaSubtype::Raw),
        property!(FormatProperties::VideoFormat, Id, VideoFormat::YUY2),
        property!(
            FormatProperties::VideoSize,
            Rectangle,
            Rectangle { width: size.width as u32, height: size.height as u32 }
        ),
        property!(FormatProperties::VideoFramerate, Fraction, Fraction { num: fps, denom: 1 }),
    );
    format.properties.extend([
        colour(spa_sys::SPA_FORMAT_VIDEO_colorRange, spa_sys::SPA_VIDEO_COLOR_RANGE_16_235),
        colour(spa_sys::SPA_FORMAT_VIDEO_colorMatrix, spa_sys::SPA_VIDEO_COLOR_MATRIX_BT601),
        colour(spa_sys::SPA_FORMAT_VIDEO_transferFunction, spa_sys::SPA_VIDEO_TRANSFER_SRGB),
        colour(spa_sys::SPA_FORMAT_VIDEO_colorPrimaries, spa_sys::SPA_VIDEO_COLOR_PRIMARIES_BT709),
    ]);
    format
}

fn buffers(size: Size) -> Object {
    let int = |key: u32, value: usize| Property::new(key, Value::Int(value as i32));
    let choice = |key: u32, choice: ChoiceEnum<i32>| {
        Property::new(key, Value::Choice(ChoiceValue::Int(Choice(ChoiceFlags::empty(), choice))))
    };
    let (default, min, max) = BUFFERS;
    let memory = (1 << spa_sys::SPA_DATA_MemPtr) | (1 << spa_sys::SPA_DATA_MemFd);
    Object {
        type_: SpaTypes::ObjectParamBuffers.as_raw(),
        id: ParamType::Buffers.as_raw(),
        properties: vec![
            choice(spa_sys::SPA_PARAM_BUFFERS_buffers, ChoiceEnum::Range { default, min, max }),
            int(spa_sys::SPA_PARAM_BUFFERS_blocks, 1),
            int(spa_sys::SPA_PARAM_BUFFERS_size, size.width * size.height * 2),
            int(spa_sys::SPA_PARAM_BUFFERS_stride, size.width * 2),
            choice(spa_sys::SPA_PARAM_BUFFERS_dataType, ChoiceEnum::Flags { default: memory, flags: Vec::new() }),
        ],
    }
}

fn bytes_of(object: Object) -> Vec<u8> {
    let written = PodSerializer::serialize(std::io::Cursor::new(Vec::new()), &Value::Object(object));
    written.unwrap_or_else(|_| unreachable!("memory takes it")).0.into_inner()
}

fn reach() -> Result<(pw::main_loop::MainLoopRc, pw::core::CoreRc), pw::Error> {
    pw::init();
    let main_loop = pw::main_loop::MainLoopRc::new(None)?;
    let core = pw::context::ContextRc::new(&main_loop, None)?.connect_rc(None)?;
    Ok((main_loop, core))
}
