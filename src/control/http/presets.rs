//! The presets over HTTP: all, one changed, one removed, and a stream painted as one says.

use axum::Json as JsonAnswer;
use axum::extract::{Path, State};

use super::Context;
use super::body::Json;
use crate::control::ApiResult;
use crate::control::contract::{Change, LookNow, Preset, PresetRequest, PresetWish};
use crate::control::run_blocking;

/// `GET /api/v1/presets`
pub async fn all(State(context): State<Context>) -> JsonAnswer<Vec<Preset>> {
    JsonAnswer(context.presets.all())
}

/// `PUT /api/v1/presets/{name}`
pub async fn put(
    State(context): State<Context>,
    Path(name): Path<String>,
    Json(wish): Json<PresetWish>,
) -> ApiResult<JsonAnswer<Preset>> {
    run_blocking(move || context.presets.put(&name, wish)).await.map(JsonAnswer)
}

/// `DELETE /api/v1/presets/{name}`: answers with those that are left.
pub async fn remove(State(context): State<Context>, Path(name): Path<String>) -> ApiResult<JsonAnswer<Vec<Preset>>> {
    run_blocking(move || context.presets.remove(&name)).await.map(JsonAnswer)
}

/// `POST /api/v1/streams/{name}/preset`
pub async fn paint(
    State(context): State<Context>,
    Path(stream): Path<String>,
    Json(PresetRequest { name }): Json<PresetRequest>,
) -> ApiResult<JsonAnswer<Change<LookNow>>> {
    let preset = context.presets.get(&name)?;
    Ok(JsonAnswer(context.hub.get(&stream)?.set_painted(preset.painted).await?))
}
