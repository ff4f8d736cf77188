//! WHEP: a browser sends an SDP offer, and watches with the answer it gets.

use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::problem;
use super::{Context, body};
use crate::control::ApiResult;
use crate::control::contract::Code;

/// The content type of offers and answers.
const SDP: &str = "application/sdp";

/// The largest offer: those of browsers take some ten kilobytes.
const LARGEST_OFFER: usize = 64 * 1024;

/// How long a client may take to send one.
const OFFER_PATIENCE: Duration = Duration::from_secs(10);

/// `POST /api/v1/streams/{name}/whep`
pub async fn admit(State(context): State<Context>, Path(name): Path<String>, request: Request) -> Response {
    let (head, sent) = request.into_parts();
    if !body::is_of_type(&head.headers, SDP) {
        let detail = "send an SDP offer, with the header `Content-Type: application/sdp`";
        return problem(Code::WrongType, detail);
    }
    let offer = match body::read(&head.headers, sent, LARGEST_OFFER, OFFER_PATIENCE).await {
        Ok(offer) => offer,
        Err(refusal) => return refusal,
    };
    let Ok(offer) = String::from_utf8(offer.into()) else {
        return problem(Code::Invalid, "this is no SDP offer: it is not text in UTF-8");
    };
    let admitted = match context.hub.get(&name) {
        Ok(stream) => stream.admit(offer).await,
        Err(refusal) => Err(refusal),
    };
    match admitted {
        Ok(admitted) => {
            let place = format!("/api/v1/streams/{name}/whep/{}", admitted.id);
            let head = [(header::CONTENT_TYPE, SDP.to_string()), (header::LOCATION, place)];
            (StatusCode::CREATED, head, admitted.answer).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// `DELETE /api/v1/streams/{name}/whep/{viewer}`
pub async fn dismiss(
    State(context): State<Context>,
    Path((name, viewer)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    context.hub.get(&name)?.dismiss(viewer).await?;
    Ok(StatusCode::NO_CONTENT)
}
