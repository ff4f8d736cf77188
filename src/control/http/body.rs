//! Request bodies within limits of size and time, and JSON that says what is wrong with it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::problem::problem;
use crate::control::contract::Code;
use crate::suggest::suggestion;

/// The largest JSON body: a look with every style of a large catalog takes a few kilobytes.
const LARGEST_JSON: usize = 64 * 1024;

/// How long a client may take to send one.
const JSON_PATIENCE: Duration = Duration::from_secs(10);

/// A JSON body, strictly read.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let (head, body) = request.into_parts();
        if !is_of_type(&head.headers, "application/json") {
            let detail = "send JSON, with the header `Content-Type: application/json`";
            return Err(problem(Code::WrongType, detail));
        }
        let bytes = read(&head.headers, body, LARGEST_JSON, JSON_PATIENCE).await?;
        // Read as a value of its own first: a struct would be read from an array too, and of a doubled key the last counts.
        let read = serde_json::from_slice::<Object>(&bytes).and_then(|_| serde_json::from_slice(&bytes));
        read.map(Self).map_err(|error| {
            let what = error.to_string();
            let hint = suggestion(&what);
            let code = if error.is_data() { Code::Invalid } else { Code::BadRequest };
            problem(code, format!("the JSON body cannot be used: {what}{hint}"))
        })
    }
}

/// A JSON object in which no object has a key twice.
struct Object;

/// Any JSON value of that kind.
struct Value;

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Strict { expected: "a JSON object" }).map(|Value| Self)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Strict { expected: "JSON" })
    }
}

struct Strict {
    expected: &'static str,
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if let Some(doubled) = keys.replace(key) {
                return Err(A::Error::custom(format!("`{doubled}` is there twice")));
            }
            map.next_value::<Value>()?;
        }
        Ok(Value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        while values.next_element::<Value>()?.is_some() {}
        Ok(Value)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value)
    }
}

/// Whether the body is of that type, as its sender says.
pub fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(wanted)
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// It is longer, does not come within `patience`, or breaks off.
pub async fn read(headers: &HeaderMap, body: Body, limit: usize, patience: Duration) -> Result<Bytes, Response> {
    let too_large = || {
        let detail = format!("the body is larger than {} KiB", limit / 1024);
        let mut response = problem(Code::TooLarge, detail);
        // What it still sends is not read.
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        response
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(patience, to_bytes(body, limit)).await {
        Err(_) => {
            let seconds = patience.as_secs();
            Err(problem(Code::TooSlow, format!("the body did not come within {seconds} seconds")))
        }
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_limit(&error) => Err(too_large()),
        Ok(Err(error)) => Err(problem(Code::BadRequest, format!("the body broke off: {error}"))),
    }
}

fn is_limit(error: &axum::Error) -> bool {
    use std::error::Error;
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_with_each_key_once_are_taken() {
        let why =
            |text: &str| serde_json::from_str::<Object>(text).err().map_or(String::new(), |error| error.to_string());
        for right in ["{}", r#"{"a": [1, -1, 0.5, null, true, "a", {"a": 1}, {"a": 2}], "b": {"a": 1}}"#] {
            assert_eq!(why(right), "", "{right}");
        }
        for wrong in ["[]", r#"[{"a": 1}, 0.5]"#, "1", "null", r#""a""#] {
            assert!(why(wrong).contains("expected a JSON object"), "{wrong}: {}", why(wrong));
        }
        for doubled in [r#"{"a": 1, "a": 1}"#, r#"{"b": [{"a": {}, "b": 1, "a": 2}]}"#, r#"{"a": 1, "\u0061": 1}"#] {
            assert!(why(doubled).contains("`a` is there twice"), "{doubled}: {}", why(doubled));
        }
    }
}
