//! Refusals as RFC 9457 problem documents.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::control::ApiError;
use crate::control::contract::Problem;
use crate::error::Error;
use crate::redact::redact;

/// How long those should wait who came too early, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// A problem document as response.
pub fn problem(status: StatusCode, detail: impl Into<String>) -> Response {
    let problem = Problem {
        r#type: "about:blank".into(),
        title: status.canonical_reason().unwrap_or_default().into(),
        status: status.as_u16(),
        detail: redact(&detail.into()),
    };
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
    let mut response = (status, kind, serde_json::to_string(&problem).unwrap_or_default()).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound(what) => problem(StatusCode::NOT_FOUND, what),
            Self::Conflict(what) => problem(StatusCode::CONFLICT, what),
            Self::Later(what) => problem(StatusCode::SERVICE_UNAVAILABLE, what),
            Self::Failed(error) => problem(status(&error), error.to_string()),
        }
    }
}

/// Who can mend it: the one who asked, or the one who runs the daemon.
fn status(error: &Error) -> StatusCode {
    match error {
        Error::Usage(_) | Error::Input(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Model(_) | Error::Output(_) => StatusCode::INTERNAL_SERVER_ERROR,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::Interrupted(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
