//! The show of a stream over HTTP: what is on air, and commands to it.

use axum::Json as JsonAnswer;
use axum::extract::{Path, State};

use super::Context;
use super::body::Json;
use crate::control::contract::{ShowRequest, ShowState};
use crate::control::{ApiResult, Member};

/// `GET /api/v1/streams/{name}/show`
pub async fn state(State(context): State<Context>, Path(name): Path<String>) -> ApiResult<JsonAnswer<ShowState>> {
    Ok(JsonAnswer(match context.hub.member(&name)? {
        Member::Running(stream) => stream.show(),
        Member::Down(state, _) => state.show.clone(),
    }))
}

/// `PUT /api/v1/streams/{name}/show`
pub async fn command(
    State(context): State<Context>,
    Path(name): Path<String>,
    Json(request): Json<ShowRequest>,
) -> ApiResult<JsonAnswer<ShowState>> {
    context.hub.get(&name)?.command_show(request).map(JsonAnswer)
}
