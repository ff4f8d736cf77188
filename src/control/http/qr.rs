//! An address as a QR code, for the camera of a phone.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use serde::Deserialize;

use super::problem::problem;
use crate::control::contract::Code;

/// The query of the code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QrQuery {
    text: String,
}

/// `GET /api/v1/qr?text=`: an SVG picture, dark on light with the margin that readers need.
pub async fn show(query: Result<Query<QrQuery>, QueryRejection>) -> Response {
    let refused = |what: String| problem(Code::Invalid, what);
    let text = match query {
        Ok(Query(QrQuery { text })) => text,
        Err(error) => return refused(error.body_text()),
    };
    match QrCode::with_error_correction_level(&text, EcLevel::M) {
        Ok(code) => {
            let picture = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
            ([(header::CONTENT_TYPE, "image/svg+xml")], picture).into_response()
        }
        Err(error) => refused(format!("the text does not fit into a QR code: {error}")),
    }
}
