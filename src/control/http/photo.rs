//! The photo service: paints uploaded photographs, two at a time, behind the live picture.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use image::ImageFormat;
use percent_encoding::percent_decode_str;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Context;
use super::body;
use super::connections::{Connection, Place, Places};
use crate::capture::Treatment;
use crate::control::{ApiError, ApiResult};
use crate::convert::pictures;
use crate::error::{Error, Result};
use crate::machine::make_way;
use crate::picture::{self, Bounds, Format, Original};
use crate::style::geometry::MAX_SIDE;
use crate::style::look::ResolvedLook;
use crate::style::onnx::{Loaded, SessionOptions};
use crate::style::tensor::{Finish, PixelOrder};
use crate::style::{Catalog, Choice, Look, LookPatch, MaskFinder, Size, SizedNetwork};
use crate::sync::Locked;

/// The largest upload.
pub(super) const LARGEST_FILE: usize = 32 * 1024 * 1024;

/// How long an upload may take.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(60);

/// The largest photograph: unpacked it takes four bytes a pixel, three times over.
const MOST_PIXELS: usize = 40_000_000;

/// Larger photographs are painted in this box and scaled back, which bounds time and memory.
const ROOM: Size = Size::new(1920, 1920);

/// Uploads at a time; one more takes the place of the one that the server has awaited longest.
const MOST_UPLOADS: usize = 8;

/// An upload that pauses for so long may lose its place; who needs one waits a little longer for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const PLACE_PATIENCE: Duration = Duration::from_secs(2);

/// Photographs at a time that have come and wait to be painted; more are asked to come again.
const MOST_WAITING: usize = 4;

/// Photographs at a time that are painted: a network that never returns keeps those of others waiting only if it has company.
const MOST_PAINTED: usize = 2;

/// How much the live picture goes first where both want a core: 0 to 19.
const NICENESS: i32 = 10;

/// Paints photographs with networks of its own.
pub struct Photo {
    session: SessionOptions,
    /// The network that painted last.
    loaded: Arc<Mutex<Option<Loaded>>>,
    uploads: Places,
    waiting: Arc<Semaphore>,
    turn: Arc<Semaphore>,
    /// A network paints one at a time.
    turns: Mutex<BTreeMap<PathBuf, Weak<Semaphore>>>,
}

impl Photo {
    pub fn new(session: SessionOptions) -> Self {
        // One thread: the other cores are for the live picture.
        let session = SessionOptions { threads: Some(1), spin: false, ..session };
        let (waiting, turn) = (Arc::new(Semaphore::new(MOST_WAITING)), Arc::new(Semaphore::new(MOST_PAINTED)));
        let uploads = Places::new(MOST_UPLOADS, MOST_UPLOADS, LONGEST_PAUSE);
        Self { session, loaded: Arc::default(), uploads, waiting, turn, turns: Mutex::default() }
    }

    /// Whose permit the network of that path paints with.
    fn turn_of(&self, network: &Path) -> Arc<Semaphore> {
        let mut turns = self.turns.locked();
        turns.retain(|_, turn| turn.strong_count() > 0);
        let known = turns.get(network).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let turn = Arc::new(Semaphore::new(1));
            turns.insert(network.into(), Arc::downgrade(&turn));
            turn
        })
    }

    /// The place of an upload, as soon as there is one.
    pub(super) async fn upload(&self, connection: &Arc<Connection>) -> ApiResult<Place> {
        let wait = async {
            loop {
                match self.uploads.take(connection) {
                    Some(place) => return place,
                    None => tokio::time::sleep(LONGEST_PAUSE / 10).await,
                }
            }
        };
        let full = |_| ApiError::Busy(format!("{MOST_UPLOADS} pictures are on their way; try again in a moment"));
        tokio::time::timeout(PLACE_PATIENCE, wait).await.map_err(full)
    }

    /// Paints on a thread of its own, when it is its turn.
    async fn paint(
        &self,
        file: axum::body::Bytes,
        choice: Choice,
        format: Format,
        place: OwnedSemaphorePermit,
    ) -> ApiResult<Vec<u8>> {
        let closed = |_| ApiError::Down("the server stops".into());
        // First that of the network: whoever waits for it keeps nobody else from painting.
        let own = self.turn_of(&choice.network.path).acquire_owned().await.map_err(closed)?;
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(closed)?;
        let (loaded, session) = (Arc::clone(&self.loaded), self.session.clone());
        let (reply, answer) = oneshot::channel();
        let work = move || {
            // Where it cannot, the photograph just comes sooner, and the live picture is a little slower.
            make_way(NICENESS);
            let painted = paint_file(&file, &choice, format, &loaded, &session);
            drop((turn, own, place));
            // Who asked may be gone.
            let _ = reply.send(painted);
        };
        let spawned = std::thread::Builder::new().name("photo".into()).spawn(work);
        spawned.map_err(|error| Error::output(format!("thread photo does not start: {error}")))?;
        let broken = |_| Error::input("the photograph cannot be painted: its decoder gave up");
        Ok(answer.await.map_err(broken)??)
    }
}

/// `POST /api/v1/paint`
pub async fn paint(State(context): State<Context>, request: Request) -> Response {
    match answer(context, request).await {
        Ok((kind, painted)) => ([(header::CONTENT_TYPE, kind)], painted).into_response(),
        Err(refused) => refused,
    }
}

async fn answer(context: Context, request: Request) -> Result<(&'static str, Vec<u8>), Response> {
    let (head, body) = request.into_parts();
    let choice = choice(&context.networks.now(), &head.uri).map_err(|error| ApiError::from(error).into_response())?;
    let full = |_| ApiError::Busy(format!("{MOST_WAITING} photographs wait to be painted; try again in a moment"));
    let connection = head.extensions.get::<Arc<Connection>>().cloned();
    let unknown = || ApiError::Down("the connection is gone".into()).into_response();
    let upload = context.photo.upload(&connection.ok_or_else(unknown)?).await.map_err(IntoResponse::into_response)?;
    let file = body::read(&head.headers, body, LARGEST_FILE, UPLOAD_PATIENCE).await?;
    let place = Arc::clone(&context.photo.waiting).try_acquire_owned().map_err(|error| full(error).into_response())?;
    drop(upload);
    let (format, kind) = wanted(&head.headers);
    let painted = context.photo.paint(file, choice, format, place).await;
    painted.map(|painted| (kind, painted)).map_err(IntoResponse::into_response)
}

/// What the query asks for: parts of a look, and `network`. That is a name of the catalog: clients open no files here.
///
/// # Errors
/// An unknown part, or a value that cannot be; an unknown style or network, or a network that lacks a style.
fn choice(catalog: &Catalog, uri: &Uri) -> Result<Choice> {
    // A look is read strictly by itself, so the network is taken out before.
    let is_network = |part: &&str| part.split('=').next() == Some("network");
    let (network, look): (Vec<&str>, Vec<&str>) = uri.query().unwrap_or_default().split('&').partition(is_network);
    let network = match network.as_slice() {
        [] => None,
        [one] => Some(percent_decode_str(one.split_once('=').map_or("", |(_, name)| name)).decode_utf8_lossy()),
        _ => return Err(Error::usage("`network` is there twice")),
    };
    let look = Uri::builder().path_and_query(format!("/?{}", look.join("&"))).build().map_err(Error::usage)?;
    let Query(look) = Query::<LookPatch>::try_from_uri(&look).map_err(|error| Error::usage(error.body_text()))?;
    let look = Look::default().patched(&look);
    match network.as_deref() {
        None | Some("") => catalog.resolve(&look, None),
        Some(network) => Choice::of(catalog.named(network)?, &look),
    }
}

/// JPEG if that is all the client takes; PNG otherwise.
fn wanted(headers: &HeaderMap) -> (Format, &'static str) {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    match accept.contains("image/jpeg") && !accept.contains("image/png") {
        true => (Format::Jpeg, "image/jpeg"),
        false => (Format::Png, "image/png"),
    }
}

fn paint_file(
    file: &[u8],
    choice: &Choice,
    format: Format,
    loaded: &Mutex<Option<Loaded>>,
    session: &SessionOptions,
) -> Result<Vec<u8>> {
    let unreadable = |what: String| Error::input(format!("the photograph: {what}"));
    if !matches!(image::guess_format(file), Ok(ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) {
        return Err(unreadable("is no JPEG, PNG or WebP file".into()));
    }
    let Original { picture, tags, .. } =
        Original::decode(file, Bounds { side: MAX_SIDE, pixels: MOST_PIXELS }).map_err(unreadable)?;
    let (picture, _) = pictures::lay_on_background(picture, Treatment::default(), format != Format::Jpeg);

    let known = loaded.locked().take().filter(|loaded| loaded.is_current(&choice.network));
    let network = match known {
        Some(network) => network,
        None => Loaded::open(&choice.network, &session.for_pictures())?,
    };
    *loaded.locked() = Some(network.clone());

    let size = Size::new(picture.width() as usize, picture.height() as usize);
    let bounding_box = (size.width > ROOM.width || size.height > ROOM.height).then_some(ROOM);
    let mut sized = SizedNetwork::new(network, bounding_box)?;
    sized.prepare(size, PixelOrder::Rgbx)?;
    let ResolvedLook { weights, beside, strength, colours, mask, .. } = &choice.resolved;
    let mut finder = mask.is_on().then(|| MaskFinder::open(session)).transpose()?;
    let (beside, mut other) = (beside.as_ref().filter(|_| mask.is_on()), Vec::new());
    let painted = pictures::paint_picture(picture, |source, painted| {
        let second = beside.map(|weights| sized.paint_beside(weights, source, &mut other)).transpose()?;
        let second = second.map(|(picture, _)| picture);
        let mask = finder.as_mut().map(|finder| finder.find(source, mask, second)).transpose()?;
        sized.set_weights(weights);
        let mut finish = Finish { source, strength: *strength, colours: *colours, under: None, filter: None, mask };
        sized.paint(source, Some(&mut finish), painted).map(|_| ())
    })?;
    drop(sized);
    let mut file = Vec::new();
    picture::encode(&mut file, format, painted, &tags).map_err(Error::output)?;
    Ok(file)
}
