//! The web page: files of `src/web` and the gallery of painted previews, embedded in the binary.

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::problem::problem;
use crate::control::contract::Code;
use crate::hex::hex;

#[derive(RustEmbed)]
#[folder = "src/web/"]
struct Files;

/// What each style of our networks paints, as NETWORK/STYLE.jpg.
#[derive(RustEmbed)]
#[folder = "models/gallery/previews/"]
#[allow_missing = true]
struct Gallery;

/// Where the gallery lies, and the list of what is in it.
const GALLERY: &str = "gallery/";
const GALLERY_INDEX: &str = "gallery/index.json";

/// Everything that is no route of the API.
pub async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return problem(Code::MethodNotAllowed, "pages can only be read");
    }
    let path = match uri.path() {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    if path == GALLERY_INDEX {
        return axum::Json(previews()).into_response();
    }
    let file = path.strip_prefix(GALLERY).map_or_else(|| Files::get(path), Gallery::get);
    let Some(file) = file else {
        return problem(Code::NotFound, format!("there is no page /{path}; the web page is at /"));
    };
    // Browsers ask each time whether it changed: a new version is seen at once, and an old one is not sent again.
    let tag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..8]));
    let caching = [(header::CACHE_CONTROL, "no-cache".to_string()), (header::ETAG, tag.clone())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, content_type(path))], file.data.into_owned()).into_response()
}

/// The styles that have a preview, as NETWORK/STYLE: a page asks only for what there is.
fn previews() -> Vec<String> {
    Gallery::iter().filter_map(|path| Some(path.strip_suffix(".jpg")?.to_string())).collect()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
