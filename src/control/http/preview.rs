//! The live preview: JPEG pictures one after the other in one answer, as browsers show them in an image.

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::output::Viewer;

/// Shows what `viewer` sees until the client or the stream goes; `kept` is dropped then. A slow client gets fewer pictures,
/// never old ones.
pub fn show(viewer: Viewer, kept: impl Send + 'static) -> Response {
    let parts = stream::unfold((viewer, kept), |(mut viewer, kept)| async move {
        let jpeg = viewer.next().await?;
        let mut part =
            format!("--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len()).into_bytes();
        part.extend_from_slice(&jpeg);
        part.extend_from_slice(b"\r\n");
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(part)), (viewer, kept)))
    });
    ([(header::CONTENT_TYPE, "multipart/x-mixed-replace; boundary=picture")], Body::from_stream(parts)).into_response()
}
