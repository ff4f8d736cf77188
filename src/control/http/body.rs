//! Request bodies within limits of size and time, and JSON that says what is wrong with it.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::de::DeserializeOwned;

use super::problem::problem;
use crate::style::catalog::suggestion;

/// The largest JSON body: a look with every style of a large catalog takes a few kilobytes.
const LARGEST_JSON: usize = 64 * 1024;

/// How long a client may take to send one.
const JSON_PATIENCE: Duration = Duration::from_secs(10);

/// A JSON body, strictly read.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let (head, body) = request.into_parts();
        if !is_json(&head.headers) {
            let detail = "send JSON, with the header `Content-Type: application/json`";
            return Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let bytes = read(&head.headers, body, LARGEST_JSON, JSON_PATIENCE).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let what = error.to_string();
            let hint = suggestion(&what);
            let status = if error.is_data() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
            problem(status, format!("the JSON body cannot be used: {what}{hint}"))
        })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// It is longer, does not come within `patience`, or breaks off.
pub async fn read(headers: &HeaderMap, body: Body, limit: usize, patience: Duration) -> Result<Bytes, Response> {
    let too_large = || {
        let detail = format!("the body is larger than {} KiB", limit / 1024);
        let mut response = problem(StatusCode::PAYLOAD_TOO_LARGE, detail);
        // What it still sends is not read.
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        response
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(patience, to_bytes(body, limit)).await {
        Err(_) => {
            let seconds = patience.as_secs();
            Err(problem(StatusCode::REQUEST_TIMEOUT, format!("the body did not come within {seconds} seconds")))
        }
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_limit(&error) => Err(too_large()),
        Ok(Err(error)) => Err(problem(StatusCode::BAD_REQUEST, format!("the body broke off: {error}"))),
    }
}

fn is_limit(error: &axum::Error) -> bool {
    use std::error::Error;
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
