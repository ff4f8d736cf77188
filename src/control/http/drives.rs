//! What sound drives over HTTP.

use axum::Json as JsonAnswer;
use axum::extract::{Path, State};

use super::Context;
use super::body::Json;
use crate::control::contract::DrivenState;
use crate::control::{ApiResult, Member};
use crate::style::look::Drive;

/// `GET /api/v1/streams/{name}/drives`
pub async fn state(State(context): State<Context>, Path(name): Path<String>) -> ApiResult<JsonAnswer<DrivenState>> {
    Ok(JsonAnswer(match context.hub.member(&name)? {
        Member::Running(stream) => stream.driven(),
        Member::Down(state, _) => state.driven.clone(),
    }))
}

/// `PUT /api/v1/streams/{name}/drives/{parameter}`
pub async fn set(
    State(context): State<Context>,
    Path((name, parameter)): Path<(String, String)>,
    Json(drive): Json<Drive>,
) -> ApiResult<JsonAnswer<DrivenState>> {
    context.hub.get(&name)?.set_drive(&parameter, Some(drive)).map(JsonAnswer)
}

/// `DELETE /api/v1/streams/{name}/drives/{parameter}`
pub async fn remove(
    State(context): State<Context>,
    Path((name, parameter)): Path<(String, String)>,
) -> ApiResult<JsonAnswer<DrivenState>> {
    context.hub.get(&name)?.set_drive(&parameter, None).map(JsonAnswer)
}
