//! The client of the HTTP API, for the command line.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::{Agent, Body};

use super::contract::Problem;
use crate::error::{Error, Result};

/// How long the server may take to accept a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How long an answer may take to begin: a network that is loaded anew may need a while.
const ANSWER_PATIENCE: Duration = Duration::from_secs(120);

/// The largest picture that is taken.
const LARGEST_PICTURE: u64 = 512 * 1024 * 1024;

/// Speaks to one server.
pub struct Client {
    agent: Agent,
    /// Without a slash at its end.
    server: String,
    token: Option<String>,
}

impl Client {
    /// For the server at `http://ADDR:PORT`; nothing is sent yet.
    pub fn new(server: &str, token: Option<String>) -> Self {
        let server = server.trim_end_matches('/');
        let server = if server.contains("://") { server.to_string() } else { format!("http://{server}") };
        // A proxy that is set for the world outside does not know this machine.
        let config = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_PATIENCE))
            .timeout_recv_response(Some(ANSWER_PATIENCE));
        Self { agent: config.build().into(), server, token }
    }

    /// Reads what is at `path`.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.json(self.request(Method::GET, path, None, Vec::new())?)
    }

    /// Sends `body` as JSON and reads the answer.
    ///
    /// # Errors
    /// Nobody answers, or the request is refused: in the server's words.
    pub fn send<T: DeserializeOwned>(&self, method: Method, path: &str, body: &impl Serialize) -> Result<T> {
        let body = serde_json::to_vec(body).map_err(|error| Error::usage(format!("JSON: {error}")))?;
        self.json(self.request(method, path, Some("application/json"), body)?)
    }

    /// Posts a file and reads the answer.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn send_file<T: DeserializeOwned>(&self, path: &str, kind: &str, file: Vec<u8>) -> Result<T> {
        self.json(self.request(Method::POST, path, Some(kind), file)?)
    }

    /// Removes what is at `path`, and reads what is left.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.json(self.request(Method::DELETE, path, None, Vec::new())?)
    }

    /// Posts `body`, which may be empty, and reads a picture.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn picture(&self, path: &str, kind: &str, body: Vec<u8>, accept: &str) -> Result<Vec<u8>> {
        let request = self.head(Method::POST, path).header("Content-Type", kind).header("Accept", accept);
        let answer = self.run(request.body(body))?;
        answer.into_body().into_with_config().limit(LARGEST_PICTURE).read_to_vec().map_err(|error| self.broken(&error))
    }

    /// Calls `each` with every event (its name and data) until that says false or the server ends.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn events(&self, mut each: impl FnMut(&str, &str) -> Result<bool>) -> Result<()> {
        let answer = self.request(Method::GET, "/api/v1/events", None, Vec::new())?;
        let mut name = String::new();
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let line = line.map_err(|error| self.broken(&error))?;
            match line.split_once(": ") {
                Some(("event", text)) => name = text.to_string(),
                Some(("data", data)) if !each(&name, data)? => return Ok(()),
                _ => {}
            }
        }
        Err(Error::input(format!("{} ended", self.server)))
    }

    fn request(&self, method: Method, path: &str, kind: Option<&str>, body: Vec<u8>) -> Result<Response<Body>> {
        let mut request = self.head(method, path);
        if let Some(kind) = kind {
            request = request.header("Content-Type", kind);
        }
        self.run(request.body(body))
    }

    fn head(&self, method: Method, path: &str) -> ureq::http::request::Builder {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.server));
        match &self.token {
            Some(token) => request.header("Authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn run(&self, request: Result<Request<Vec<u8>>, ureq::http::Error>) -> Result<Response<Body>> {
        let unusable = |error| Error::usage(format!("--server {}: {error}", self.server));
        let mut answer = self.agent.run(request.map_err(unusable)?).map_err(|error| match error {
            ureq::Error::BadUri(what) => Error::usage(format!("--server {}: {what}", self.server)),
            error => Error::input(format!(
                "no answer from {}: {error}; is `impasto run` running there? Name another with --server",
                self.server
            )),
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let detail = answer.body_mut().read_json::<Problem>().map(|problem| problem.detail);
        let detail = detail.unwrap_or_else(|_| format!("{} answers {status}: is it Impasto?", self.server));
        Err(match status {
            StatusCode::UNAUTHORIZED => Error::usage(format!("{detail}; ctl takes it from IMPASTO_TOKEN")),
            status if status.is_client_error() => Error::usage(detail),
            _ => Error::output(detail),
        })
    }

    fn json<T: DeserializeOwned>(&self, mut answer: Response<Body>) -> Result<T> {
        answer.body_mut().read_json().map_err(|error| self.broken(&error))
    }

    fn broken(&self, error: &dyn std::fmt::Display) -> Error {
        Error::input(format!("the answer of {} broke off: {error}", self.server))
    }
}
