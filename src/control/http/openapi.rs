//! The OpenAPI document: what is written in `openapi.json`, and the parameters of the look as they are declared.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::style::Look;
use crate::style::look::{Kind, MAX_WEIGHT, PARAMETERS, Parameter};

/// Whether a document describes what the server answers, a test of the routes tells.
const WRITTEN: &str = include_str!("../openapi.json");

static DOCUMENT: LazyLock<String> = LazyLock::new(|| whole().to_string());

/// The document, as the server shows it.
pub fn document() -> &'static str {
    &DOCUMENT
}

fn whole() -> Value {
    let mut document: Value = serde_json::from_str(WRITTEN).unwrap_or_default();
    let plain = serde_json::to_value(Look::default()).unwrap_or_default();
    let properties: Map<String, Value> = PARAMETERS
        .iter()
        .enumerate()
        .map(|(place, parameter)| (parameter.name.into(), property(parameter, place, &plain[parameter.name])))
        .collect();
    document["components"]["schemas"]["Look"]["properties"] = properties.into();
    if let Some(of_photo) = document["paths"]["/api/v1/paint"]["post"]["parameters"].as_array_mut() {
        of_photo.extend(PARAMETERS.iter().filter(|parameter| !parameter.is_of_time).map(of_query));
    }
    document
}

/// The schema of a parameter; what begins with `x-` is for the page, whose controls are made of it.
fn property(parameter: &Parameter, place: usize, plain: &Value) -> Value {
    let mut schema = value(parameter.kind);
    schema["title"] = parameter.title.into();
    schema["description"] = parameter.description().into();
    schema["default"] = plain.clone();
    schema["x-place"] = place.into();
    schema["x-word"] = parameter.word.into();
    schema["x-of-time"] = parameter.is_of_time.into();
    schema["x-of-styles-with"] = parameter.of_styles_with.into();
    schema["x-driven"] = parameter.driven.is_some().into();
    schema
}

/// What values a client may send.
fn value(kind: Kind) -> Value {
    let share = json!({ "type": "number", "minimum": 0, "maximum": 1 });
    match kind {
        Kind::Mix => {
            let weight = json!({ "type": "number", "minimum": 0, "maximum": MAX_WEIGHT });
            json!({ "oneOf": [{ "type": "object", "additionalProperties": weight }, { "type": "string" }] })
        }
        Kind::Share { word, ends } => {
            let mut schema = share.clone();
            if let Some(word) = word.filter(|word| word.is_live) {
                let null = word.is_null.then(|| json!({ "type": "null" }));
                let one = json!({ "type": "string", "enum": [word.text] });
                let all: Vec<Value> = [share, one].into_iter().chain(null).collect();
                schema = json!({ "oneOf": all, "x-switch": { "value": word.text, "title": word.title } });
            }
            if let Some(ends) = ends {
                schema["x-ends"] = json!(ends);
            }
            schema
        }
        Kind::Switch { .. } => json!({ "type": "boolean" }),
        Kind::Choice(words) => {
            let (words, titles): (Vec<_>, Vec<_>) = words.iter().copied().unzip();
            json!({ "type": "string", "enum": words, "x-titles": titles })
        }
        Kind::Text { placeholder, pattern } => {
            json!({ "type": "string", "pattern": format!("^({pattern})$"), "x-placeholder": placeholder })
        }
        Kind::Milliseconds { most, usual } => {
            json!({ "type": "integer", "minimum": 0, "maximum": most, "x-unit": "ms", "x-usual": usual })
        }
    }
}

/// The same in a query, which has only texts for what may be several things.
fn of_query(parameter: &Parameter) -> Value {
    let schema = value(parameter.kind);
    let schema = if schema["oneOf"].is_null() { schema } else { json!({ "type": "string" }) };
    json!({ "name": parameter.name, "in": "query", "description": format!("{}.", parameter.help), "schema": schema })
}
