//! What the server answers to: the table of routes and what lies behind them.

use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, delete, get, patch, post, put};
use axum::{Json as JsonAnswer, Router, middleware};
use serde::Deserialize;

use super::body::Json;
use super::problem::problem;
use super::{
    Context, drives, events, exposition, guard, midi, openapi, pages, paintings, photo, presets, preview, qr,
    recordings, session, show, whep,
};
use crate::capture::camera::{CameraDescription, describe_all};
use crate::control::contract::{
    Change, Code, ConfigState, LookNow, MediaFile, OutputState, OutputWish, RecordNow, RecordRequest, SaveNow,
    SettingsNow, SettingsPatch, SourceRequest, StreamState,
};
use crate::control::text::is_shown_as_written;
use crate::control::{ApiError, ApiResult, HttpPlan, Member, media, run_blocking};
use crate::engine::LookedAt;
use crate::output::PreviewOf;
use crate::output::display::{self, Monitor};
use crate::style::manifest::StyleSummary;
use crate::style::{Look, LookPatch};

/// A method on a path, and what answers it.
struct Route {
    #[allow(dead_code, reason = "the test that compares the routes with the OpenAPI document reads it")]
    method: &'static str,
    /// With placeholders, as in the OpenAPI document.
    path: &'static str,
    answers: fn() -> MethodRouter<Context>,
}

const fn route(method: &'static str, path: &'static str, answers: fn() -> MethodRouter<Context>) -> Route {
    Route { method, path, answers }
}

/// Every route of the API.
const ROUTES: &[Route] = &[
    route("GET", "/api/v1/styles", || get(styles)),
    route("POST", "/api/v1/styles", || post(paintings::keep)),
    route("DELETE", "/api/v1/styles/{name}", || delete(paintings::remove)),
    route("GET", "/api/v1/streams", || get(streams)),
    route("GET", "/api/v1/streams/{name}", || get(stream)),
    route("PATCH", "/api/v1/streams/{name}", || patch(set_settings)),
    route("GET", "/api/v1/streams/{name}/look", || get(look)),
    route("PUT", "/api/v1/streams/{name}/look", || put(set_look)),
    route("PATCH", "/api/v1/streams/{name}/look", || patch(patch_look)),
    route("POST", "/api/v1/streams/{name}/preset", || post(presets::paint)),
    route("GET", "/api/v1/streams/{name}/show", || get(show::state)),
    route("PUT", "/api/v1/streams/{name}/show", || put(show::command)),
    route("GET", "/api/v1/streams/{name}/drives", || get(drives::state)),
    route("PUT", "/api/v1/streams/{name}/drives/{parameter}", || put(drives::set)),
    route("DELETE", "/api/v1/streams/{name}/drives/{parameter}", || delete(drives::remove)),
    route("POST", "/api/v1/streams/{name}/undo", || post(undo)),
    route("POST", "/api/v1/streams/{name}/save", || post(save)),
    route("POST", "/api/v1/streams/{name}/pause", || post(pause)),
    route("POST", "/api/v1/streams/{name}/resume", || post(resume)),
    route("POST", "/api/v1/streams/{name}/source", || post(set_source)),
    route("POST", "/api/v1/streams/{name}/record", || post(record)),
    route("GET", "/api/v1/streams/{name}/outputs", || get(outputs)),
    route("POST", "/api/v1/streams/{name}/outputs", || post(add_output)),
    route("DELETE", "/api/v1/streams/{name}/outputs/{id}", || delete(remove_output)),
    route("GET", "/api/v1/qr", || get(qr::show)),
    route("POST", "/api/v1/streams/{name}/snapshot", || post(snapshot)),
    route("GET", "/api/v1/streams/{name}/preview", || get(show_preview)),
    route("POST", "/api/v1/streams/{name}/whep", || post(whep::admit)),
    route("DELETE", "/api/v1/streams/{name}/whep/{viewer}", || delete(whep::dismiss)),
    route("GET", "/api/v1/sources/preview", || get(look_at_source)),
    route("GET", "/api/v1/cameras", || get(cameras)),
    route("GET", "/api/v1/monitors", || get(monitors)),
    route("GET", "/api/v1/media", || get(media_files)),
    route("GET", "/api/v1/presets", || get(presets::all)),
    route("PUT", "/api/v1/presets/{name}", || put(presets::put)),
    route("DELETE", "/api/v1/presets/{name}", || delete(presets::remove)),
    route("GET", "/api/v1/midi", || get(midi::state)),
    route("POST", "/api/v1/midi/learn", || post(midi::learn)),
    route("DELETE", "/api/v1/midi/learn", || delete(midi::cancel)),
    route("PUT", "/api/v1/midi/bindings/{control}", || put(midi::bind)),
    route("DELETE", "/api/v1/midi/bindings/{control}", || delete(midi::unbind)),
    route("GET", "/api/v1/recordings", || get(recordings::all)),
    route("GET", "/api/v1/recordings/{file}", || get(recordings::show)),
    route("PATCH", "/api/v1/recordings/{file}", || patch(recordings::rename)),
    route("DELETE", "/api/v1/recordings/{file}", || delete(recordings::remove)),
    route("POST", "/api/v1/paint", || post(photo::paint)),
    route("GET", "/api/v1/config", || get(config)),
    route("GET", "/api/v1/events", || get(events::events)),
    route("GET", "/api/v1/openapi.json", || get(openapi)),
    route("POST", "/api/v1/session", || post(session::open_session)),
    route("GET", "/metrics", || get(exposition::metrics)),
    route("GET", "/healthz", || get(healthy)),
    route("GET", "/readyz", || get(ready)),
];

/// All of it, behind the guard.
pub fn router(context: Context) -> Router {
    let router = ROUTES.iter().fold(Router::new(), |router, route| router.route(route.path, (route.answers)()));
    router
        .route("/api/{*path}", any(no_such_route))
        .method_not_allowed_fallback(wrong_method)
        .fallback(pages::page)
        .layer(middleware::from_fn_with_state(context.clone(), guard::guard))
        .with_state(context)
}

async fn no_such_route(Path(path): Path<String>) -> ApiError {
    ApiError::NotFound(format!("there is no /api/{path}; GET /api/v1/openapi.json describes what there is"))
}

async fn wrong_method() -> Response {
    let detail = "this path does not take that method; GET /api/v1/openapi.json describes what there is";
    problem(Code::MethodNotAllowed, detail)
}

async fn styles(State(context): State<Context>) -> JsonAnswer<Vec<StyleSummary>> {
    JsonAnswer(context.networks.now().styles().collect())
}

async fn cameras() -> ApiResult<JsonAnswer<Vec<CameraDescription>>> {
    run_blocking(|| Ok(describe_all())).await.map(JsonAnswer)
}

/// None where there is nothing to ask; what is missing is told to who adds an output.
async fn monitors() -> ApiResult<JsonAnswer<Vec<Monitor>>> {
    run_blocking(|| Ok(display::monitors().unwrap_or_default())).await.map(JsonAnswer)
}

async fn media_files(State(context): State<Context>) -> ApiResult<JsonAnswer<Vec<MediaFile>>> {
    run_blocking(move || Ok(media::list(&context.plan.media))).await.map(JsonAnswer)
}

async fn streams(State(context): State<Context>) -> JsonAnswer<Vec<StreamState>> {
    JsonAnswer(context.hub.all().iter().map(|(_, member)| member.state()).collect())
}

async fn config(State(context): State<Context>) -> JsonAnswer<ConfigState> {
    JsonAnswer(context.hub.config())
}

async fn stream(State(context): State<Context>, Path(name): Path<String>) -> ApiResult<JsonAnswer<StreamState>> {
    Ok(JsonAnswer(context.hub.member(&name)?.state()))
}

async fn look(State(context): State<Context>, Path(name): Path<String>) -> ApiResult<JsonAnswer<Look>> {
    Ok(JsonAnswer(context.hub.member(&name)?.state().look))
}

async fn set_look(
    State(context): State<Context>,
    Path(name): Path<String>,
    Json(look): Json<Look>,
) -> ApiResult<JsonAnswer<Change<LookNow>>> {
    Ok(JsonAnswer(context.hub.get(&name)?.set_look(look).await?))
}

async fn patch_look(
    State(context): State<Context>,
    Path(name): Path<String>,
    Json(patch): Json<LookPatch>,
) -> ApiResult<JsonAnswer<Change<LookNow>>> {
    Ok(JsonAnswer(context.hub.get(&name)?.patch_look(patch).await?))
}

async fn undo(State(context): State<Context>, Path(name): Path<String>) -> ApiResult<JsonAnswer<Change<LookNow>>> {
    Ok(JsonAnswer(context.hub.get(&name)?.undo().await?))
}

async fn save(State(context): State<Context>, Path(name): Path<String>) -> ApiResult<JsonAnswer<SaveNow>> {
    context.hub.save(&name).await.map(JsonAnswer)
}

async fn set_settings(
    State(context): State<Context>,
    Path(name): Path<String>,
    Json(patch): Json<SettingsPatch>,
) -> ApiResult<JsonAnswer<Change<SettingsNow>>> {
    Ok(JsonAnswer(context.hub.get(&name)?.set_settings(patch).await?))
}

async fn pause(State(context): State<Context>, Path(name): Path<String>) -> ApiResult<JsonAnswer<Change<SettingsNow>>> {
    Ok(JsonAnswer(context.hub.get(&name)?.set_paused(true).await?))
}

async fn resume(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> ApiResult<JsonAnswer<Change<SettingsNow>>> {
    Ok(JsonAnswer(context.hub.get(&name)?.set_paused(false).await?))
}

async fn set_source(
    State(context): State<Context>,
    Path(name): Path<String>,
    Json(requested): Json<SourceRequest>,
) -> ApiResult<JsonAnswer<StreamState>> {
    check_source(&context, &requested.source)?;
    Ok(JsonAnswer(context.hub.set_source(&name, requested).await?))
}

/// A source that may not be set over HTTP may not be looked at either.
fn check_source(context: &Context, source: &str) -> ApiResult<()> {
    if !is_shown_as_written(source) {
        let what = "the source has line ends, direction marks or the like in it";
        return Err(ApiError::Failed(crate::error::Error::usage(what)));
    }
    context.plan.sources.check(source)
}

#[derive(Deserialize)]
struct SourceQuery {
    source: String,
}

async fn look_at_source(
    State(context): State<Context>,
    query: Result<Query<SourceQuery>, axum::extract::rejection::QueryRejection>,
) -> ApiResult<Response> {
    let asked = "say which one: ?source=NAME, as for `impasto run --source`";
    let Query(SourceQuery { source }) = query.map_err(|_| crate::error::Error::usage(asked))?;
    check_source(&context, &source)?;
    let places = context.look_at_a_source()?;
    let (viewer, looked_at) = run_blocking(move || {
        let HttpPlan { templates, sources, .. } = &*context.plan;
        Ok(LookedAt::open(&source, templates, sources.0.is_empty())?)
    })
    .await?;
    Ok(preview::show(viewer, (looked_at, places)))
}

async fn record(
    State(context): State<Context>,
    Path(name): Path<String>,
    Json(requested): Json<RecordRequest>,
) -> ApiResult<JsonAnswer<RecordNow>> {
    let stream = context.hub.get(&name)?;
    if requested.stop {
        return Ok(JsonAnswer(stream.stop_recording().await?));
    }
    let file = context.recordings.new_file(requested.file, &name)?;
    Ok(JsonAnswer(stream.start_recording(&file).await?))
}

async fn outputs(State(context): State<Context>, Path(name): Path<String>) -> ApiResult<JsonAnswer<Vec<OutputState>>> {
    Ok(JsonAnswer(context.hub.member(&name)?.state().outputs))
}

/// Answers with all outputs, as they are then.
async fn add_output(
    State(context): State<Context>,
    Path(name): Path<String>,
    Json(wish): Json<OutputWish>,
) -> ApiResult<JsonAnswer<Vec<OutputState>>> {
    let stream = context.hub.get(&name)?;
    if let OutputWish::Recording { file } = wish {
        stream.start_recording(&context.recordings.new_file(file, &name)?).await?;
        return Ok(JsonAnswer(stream.outputs()));
    }
    Ok(JsonAnswer(stream.add_output(wish).await?))
}

async fn remove_output(
    State(context): State<Context>,
    Path((name, id)): Path<(String, String)>,
) -> ApiResult<JsonAnswer<Vec<OutputState>>> {
    Ok(JsonAnswer(context.hub.get(&name)?.remove_output(id).await?))
}

async fn snapshot(State(context): State<Context>, Path(name): Path<String>) -> ApiResult<impl IntoResponse> {
    let png = context.hub.get(&name)?.snapshot().await?;
    Ok(([(header::CONTENT_TYPE, "image/png")], png))
}

/// The query of the preview.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PreviewQuery {
    #[serde(default)]
    which: PreviewOf,
}

async fn show_preview(
    State(context): State<Context>,
    Path(name): Path<String>,
    query: Result<Query<PreviewQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let which = match query {
        Ok(Query(query)) => query.which,
        Err(_) => return problem(Code::Invalid, "`which` is `painted` or `source`"),
    };
    let place = context.long_answer();
    match place.and_then(|place| Ok((place, context.hub.get(&name)?))) {
        Ok((place, stream)) => preview::show(stream.preview(which), place),
        Err(refusal) => refusal.into_response(),
    }
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi::document())
}

async fn healthy() -> &'static str {
    "ok\n"
}

/// Ready is who has a stream that runs, and none that runs and cannot paint.
async fn ready(State(context): State<Context>) -> Response {
    let members = context.hub.all();
    let mut running = members.iter().filter_map(|(name, member)| match member {
        Member::Running(stream) => Some((name, stream.why_unpainted())),
        Member::Down(..) => None,
    });
    let Some(first) = running.next() else {
        return problem(Code::NotRunning, "no stream runs; GET /api/v1/streams says why");
    };
    let unpainted = std::iter::once(first).chain(running).find_map(|(name, why)| Some((name, why?)));
    match unpainted {
        Some((name, why)) => problem(Code::NotRunning, format!("stream `{name}` paints nothing: {why}")),
        None => "ready\n".into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::problem::status;
    use super::*;
    use crate::control::contract::Problem;
    use crate::error::Conflict;

    #[test]
    fn the_openapi_document_describes_exactly_the_routes() {
        let document: Value = serde_json::from_str(openapi::document()).unwrap();
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
                methods.map(move |method| (method.to_uppercase(), path.clone()))
            })
            .collect();
        let routes = ROUTES.iter().map(|route| (route.method.to_string(), route.path.to_string())).collect();
        assert_eq!(described, routes);
    }

    #[test]
    fn the_openapi_document_shows_each_refusal() {
        let document: Value = serde_json::from_str(openapi::document()).unwrap();
        let responses = document["components"]["responses"].as_object().unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
                let told = operation["responses"].as_object().unwrap();
                let expected = ["401", "403", "421"].into_iter().skip(usize::from(path.ends_with('z')));
                assert!(expected.into_iter().all(|code| told.contains_key(code)), "{method} {path}");
                for (code, response) in told.iter().filter(|(code, _)| code.starts_with(['4', '5'])) {
                    let name = response["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
                    let example = &responses[name]["content"]["application/problem+json"]["example"];
                    let example: Problem = serde_json::from_value(example.clone()).unwrap();
                    let status = status(example.code);
                    assert_eq!(status.as_str(), code, "{method} {path}");
                    assert_eq!(
                        (example.status, Some(example.title.as_str())),
                        (status.as_u16(), status.canonical_reason())
                    );
                }
            }
        }
    }

    #[test]
    fn the_openapi_document_names_every_code() {
        let codes = [
            Code::BadRequest,
            Code::Unauthorized,
            Code::Forbidden,
            Code::NotFound,
            Code::MethodNotAllowed,
            Code::TooSlow,
            Code::TooLarge,
            Code::WrongType,
            Code::NoSuchRange,
            Code::WrongHost,
            Code::Invalid,
            Code::Unreadable,
            Code::NetworkFailed,
            Code::OutputFailed,
            Code::Busy,
            Code::NotRunning,
        ];
        let conflicts = [
            Conflict::Superseded,
            Conflict::Ended,
            Conflict::Exists,
            Conflict::Full,
            Conflict::Recording,
            Conflict::NotRecording,
            Conflict::NothingRecorded,
            Conflict::NothingToUndo,
        ];
        let document: Value = serde_json::from_str(openapi::document()).unwrap();
        let named = &document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
        let all: Vec<Code> = codes.into_iter().chain(conflicts.map(Code::Conflict)).collect();
        assert_eq!(serde_json::from_value::<Vec<Code>>(named.clone()).unwrap(), all);
        assert_eq!(&serde_json::to_value(&all).unwrap(), named);
    }
}
