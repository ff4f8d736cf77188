//! Paintings over HTTP: one sent becomes a style, and one that was kept is removed.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as JsonAnswer;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::connections::Connection;
use super::{Context, body, photo};
use crate::control::{ApiError, ApiResult, run_blocking};
use crate::error::Error;
use crate::style::manifest::StyleSummary;

/// How long an upload may take.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    name: String,
}

/// `POST /api/v1/styles`
pub async fn keep(State(context): State<Context>, request: Request) -> Response {
    match kept(context, request).await {
        Ok(style) => (StatusCode::CREATED, JsonAnswer(style)).into_response(),
        Err(refused) => refused,
    }
}

async fn kept(context: Context, request: Request) -> Result<StyleSummary, Response> {
    let (head, body) = request.into_parts();
    let unnamed = |_| ApiError::from(Error::usage("name the painting: `?name=NAME`, and nothing else")).into_response();
    let Query(Wish { name }) = Query::<Wish>::try_from_uri(&head.uri).map_err(unnamed)?;
    let connection = head.extensions.get::<Arc<Connection>>().cloned();
    let unknown = || ApiError::Down("the connection is gone".into()).into_response();
    let upload = context.photo.upload(&connection.ok_or_else(unknown)?).await.map_err(IntoResponse::into_response)?;
    let file = body::read(&head.headers, body, photo::LARGEST_FILE, UPLOAD_PATIENCE).await?;
    drop(upload);
    let keep = move || {
        context.gallery.keep(&name, &file, &context.networks.now())?;
        read_again(&context)?;
        let made = context.networks.now().styles().find(|style| style.painting && style.name == name);
        Ok(made.ok_or_else(|| Error::model(format!("`{name}` is kept, but no network paints like it; see the log")))?)
    };
    run_blocking(keep).await.map_err(IntoResponse::into_response)
}

/// `DELETE /api/v1/styles/{name}`: answers with the styles that are left.
pub async fn remove(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> ApiResult<JsonAnswer<Vec<StyleSummary>>> {
    let remove = move || {
        if !context.gallery.remove(&name)? {
            return Err(ApiError::NotFound(format!("there is no painting `{name}` that was kept here")));
        }
        read_again(&context)?;
        Ok(context.networks.now().styles().collect())
    };
    run_blocking(remove).await.map(JsonAnswer)
}

/// Hangs the paintings that there are now, and tells it.
fn read_again(context: &Context) -> ApiResult<()> {
    context.networks.read_again(|catalog| context.gallery.hang(catalog))?;
    context.hub.changes().notify_one();
    Ok(())
}
