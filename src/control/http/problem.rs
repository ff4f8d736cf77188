//! Refusals as RFC 9457 problem documents.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::control::ApiError;
use crate::control::contract::{Code, Problem};
use crate::error::Error;
use crate::redact::redact;

/// How long those should wait who came too early, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// A problem document as response.
pub fn problem(code: Code, detail: impl Into<String>) -> Response {
    let status = status(code);
    let problem = Problem {
        r#type: "about:blank".into(),
        title: status.canonical_reason().unwrap_or_default().into(),
        status: status.as_u16(),
        code,
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
            Self::NotFound(what) => problem(Code::NotFound, what),
            Self::Conflict(conflict, what) => problem(Code::Conflict(conflict), what),
            Self::Busy(what) => problem(Code::Busy, what),
            Self::Down(what) => problem(Code::NotRunning, what),
            Self::Failed(error) => problem(code(&error), error.to_string()),
        }
    }
}

/// Who can mend it: the one who asked, or the one who runs the daemon.
fn code(error: &Error) -> Code {
    match error {
        Error::Usage(_) => Code::Invalid,
        Error::Input(_) => Code::Unreadable,
        Error::Model(_) => Code::NetworkFailed,
        Error::Output(_) => Code::OutputFailed,
        Error::Conflict(conflict, _) => Code::Conflict(*conflict),
        Error::Interrupted(_) => Code::NotRunning,
    }
}

/// The status that goes with each code.
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::BadRequest => StatusCode::BAD_REQUEST,
        Code::Unauthorized => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Code::Conflict(_) => StatusCode::CONFLICT,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::WrongType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::NoSuchRange => StatusCode::RANGE_NOT_SATISFIABLE,
        Code::WrongHost => StatusCode::MISDIRECTED_REQUEST,
        Code::Invalid | Code::Unreadable => StatusCode::UNPROCESSABLE_ENTITY,
        Code::NetworkFailed | Code::OutputFailed => StatusCode::INTERNAL_SERVER_ERROR,
        Code::Busy | Code::NotRunning => StatusCode::SERVICE_UNAVAILABLE,
    }
}
