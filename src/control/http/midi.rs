//! What the controls of a MIDI device do, over HTTP.

use axum::Json as JsonAnswer;
use axum::extract::{Path, State};

use super::Context;
use super::body::Json;
use crate::control::midi::{Control, MidiState, MidiTarget};
use crate::control::{ApiResult, run_blocking};
use crate::error::{Error, Result};

/// `GET /api/v1/midi`
pub async fn state(State(context): State<Context>) -> JsonAnswer<MidiState> {
    JsonAnswer(context.midi.state())
}

/// `POST /api/v1/midi/learn`
pub async fn learn(State(context): State<Context>, Json(target): Json<MidiTarget>) -> ApiResult<JsonAnswer<MidiState>> {
    context.hub.member(&target.stream)?;
    context.midi.learn(target).map(JsonAnswer)
}

/// `DELETE /api/v1/midi/learn`
pub async fn cancel(State(context): State<Context>) -> JsonAnswer<MidiState> {
    JsonAnswer(context.midi.cancel())
}

/// `PUT /api/v1/midi/bindings/{control}`
pub async fn bind(
    State(context): State<Context>,
    Path(control): Path<String>,
    Json(target): Json<MidiTarget>,
) -> ApiResult<JsonAnswer<MidiState>> {
    let control = read(&control)?;
    context.hub.member(&target.stream)?;
    run_blocking(move || context.midi.bind(control, target)).await.map(JsonAnswer)
}

/// `DELETE /api/v1/midi/bindings/{control}`
pub async fn unbind(State(context): State<Context>, Path(control): Path<String>) -> ApiResult<JsonAnswer<MidiState>> {
    let control = read(&control)?;
    run_blocking(move || context.midi.unbind(control)).await.map(JsonAnswer)
}

fn read(control: &str) -> Result<Control> {
    control.parse().map_err(Error::usage)
}
