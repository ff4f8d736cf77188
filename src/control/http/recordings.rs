//! The recordings over HTTP: the list, and one that is played or downloaded (by ranges of bytes), renamed or removed.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::Json as JsonAnswer;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use super::Context;
use super::body::Json;
use super::problem::problem;
use crate::control::contract::{Code, Recording, RecordingWish};
use crate::control::{ApiResult, run_blocking};

/// How much of a file is read at a time.
const PIECE: u64 = 256 * 1024;

/// `GET /api/v1/recordings`
pub async fn all(State(context): State<Context>) -> ApiResult<JsonAnswer<Vec<Recording>>> {
    run_blocking(move || context.recordings.list()).await.map(JsonAnswer)
}

/// `PATCH /api/v1/recordings/{file}`
pub async fn rename(
    State(context): State<Context>,
    Path(file): Path<String>,
    Json(RecordingWish { file: wanted }): Json<RecordingWish>,
) -> ApiResult<JsonAnswer<Recording>> {
    run_blocking(move || context.recordings.rename(&file, &wanted)).await.map(JsonAnswer)
}

/// `DELETE /api/v1/recordings/{file}`: answers with those that are left.
pub async fn remove(State(context): State<Context>, Path(file): Path<String>) -> ApiResult<JsonAnswer<Vec<Recording>>> {
    run_blocking(move || context.recordings.remove(&file)).await.map(JsonAnswer)
}

/// `GET /api/v1/recordings/{file}`: all of it, or the range of bytes that a player asks for.
pub async fn show(State(context): State<Context>, Path(file): Path<String>, headers: HeaderMap) -> Response {
    let kind = content_type(&file);
    let place = match context.long_answer() {
        Ok(place) => place,
        Err(refusal) => return refusal.into_response(),
    };
    let (file, found) = match run_blocking(move || context.recordings.open(&file)).await {
        Ok(opened) => opened,
        Err(refusal) => return refusal.into_response(),
    };
    let length = found.len();
    let version = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let tag = format!("\"{length:x}-{:x}\"", version.as_nanos());
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // A range of another version of the file would be glued to the wrong one.
    let is_same = text(header::IF_RANGE).is_none_or(|known| known == tag);
    let (status, range) = match text(header::RANGE).filter(|_| is_same).map_or(Asked::All, |text| asked(text, length)) {
        Asked::All => (StatusCode::OK, 0..length),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Nothing => {
            let detail = format!("the recording has {length} bytes: there is nothing in that range");
            let mut response = problem(Code::NoSuchRange, detail);
            response
                .headers_mut()
                .extend(format!("bytes */{length}").try_into().ok().map(|value| (header::CONTENT_RANGE, value)));
            return response;
        }
    };
    let head = [
        (header::CONTENT_TYPE, kind.to_string()),
        (header::CONTENT_LENGTH, (range.end - range.start).to_string()),
        (header::ACCEPT_RANGES, "bytes".into()),
        (header::ETAG, tag),
    ];
    let part = (status == StatusCode::PARTIAL_CONTENT)
        .then(|| [(header::CONTENT_RANGE, format!("bytes {}-{}/{length}", range.start, range.end - 1))]);
    (status, head, part, Body::from_stream(pieces(file, range, place))).into_response()
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// It is none that is understood, or asks for several.
    All,
    Part(Range<u64>),
    Nothing,
}

fn asked(header: &str, length: u64) -> Asked {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Asked::All;
    };
    let range = match (first.trim().parse(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..length,
        (Err(_), Ok(count)) if first.trim().is_empty() => length.saturating_sub(count)..length,
        _ => return Asked::All,
    };
    if range.is_empty() { Asked::Nothing } else { Asked::Part(range) }
}

/// Reads a part of the file piece by piece, as the client takes it.
fn pieces(file: File, range: Range<u64>, place: OwnedSemaphorePermit) -> impl stream::Stream<Item = io::Result<Bytes>> {
    stream::try_unfold((Arc::new(file), range, place), |(file, range, place)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let (from, length) = (range.start, PIECE.min(range.end - range.start));
        let source = Arc::clone(&file);
        let read = spawn_blocking(move || {
            let mut piece = vec![0; length as usize];
            source.read_exact_at(&mut piece, from).map(|()| piece)
        });
        let piece = read.await.map_err(io::Error::other)??;
        Ok(Some((Bytes::from(piece), (file, from + length..range.end, place))))
    })
}

fn content_type(file: &str) -> &'static str {
    match file.rsplit_once('.').map_or(String::new(), |(_, ending)| ending.to_lowercase()).as_str() {
        "mp4" | "m4v" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        _ => "video/x-matroska",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_players_write_them() {
        for (header, wanted) in [
            ("bytes=0-", Asked::Part(0..100)),
            ("bytes=10-19", Asked::Part(10..20)),
            ("bytes=90-999", Asked::Part(90..100)),
            ("bytes=-10", Asked::Part(90..100)),
            ("bytes=-999", Asked::Part(0..100)),
            ("bytes=99-18446744073709551615", Asked::Part(99..100)),
            ("bytes=100-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=5-2", Asked::All),
            ("bytes=0-1,5-6", Asked::All),
            ("bytes=a-b", Asked::All),
            ("bytes=-", Asked::All),
            ("lines=1-2", Asked::All),
        ] {
            assert_eq!(asked(header, 100), wanted, "{header}");
        }
        assert_eq!(asked("bytes=0-", 0), Asked::Nothing);
    }
}
