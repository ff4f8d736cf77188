//! Sessions of browsers: whoever shows the token gets a random id for it, which opens this server and no other.

use std::collections::VecDeque;
use std::sync::Mutex;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::Context;
use super::problem::problem;
use crate::control::contract::Code;
use crate::random;
use crate::sync::Locked;

/// Sessions that are known; one more ends the oldest.
const MOST_SESSIONS: usize = 256;

/// The sessions that were opened since the start.
pub struct Sessions {
    /// Browsers send a cookie to all ports of a host: with the port in its name, those of two servers do not replace
    /// each other.
    cookie: String,
    ids: Mutex<VecDeque<String>>,
}

impl Sessions {
    /// For the server at `port`.
    pub fn new(port: u16) -> Self {
        Self { cookie: format!("impasto_session_{port}"), ids: Mutex::default() }
    }

    /// True if the cookie of an open session is shown.
    pub fn is_shown(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let ids = self.ids.locked();
        let is_known = |shown: &str| ids.iter().any(|id| bool::from(id.as_bytes().ct_eq(shown.as_bytes())));
        pairs.into_iter().any(|(name, shown)| name == self.cookie && is_known(shown))
    }

    /// The cookie of a new session.
    fn open(&self) -> Result<String, getrandom::Error> {
        let id = random::id()?;
        let cookie = format!("{}={id}; HttpOnly; SameSite=Strict; Path=/", self.cookie);
        let mut ids = self.ids.locked();
        ids.push_back(id);
        if ids.len() > MOST_SESSIONS {
            ids.pop_front();
        }
        Ok(cookie)
    }
}

/// `POST /api/v1/session`: opens a session for whoever shows the token. Its cookie cannot be read by scripts, and is not
/// sent along from other sites.
pub async fn open_session(State(context): State<Context>) -> Response {
    let failed = |what: String| problem(Code::OutputFailed, format!("no session can be opened: {what}"));
    let cookie = match context.sessions.open() {
        Ok(cookie) => cookie,
        Err(error) => return failed(error.to_string()),
    };
    match HeaderValue::from_str(&cookie) {
        Ok(cookie) => (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response(),
        Err(error) => failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cookie_of_an_open_session_is_taken() {
        let (sessions, other) = (Sessions::new(8080), Sessions::new(8081));
        let shown = |sessions: &Sessions, cookie: &str| {
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(cookie).unwrap())]);
            sessions.is_shown(&headers)
        };
        let pair = |cookie: String| cookie.split(';').next().unwrap().to_string();
        let (first, second) = (pair(sessions.open().unwrap()), pair(sessions.open().unwrap()));
        assert_ne!(first, second);
        assert!(shown(&sessions, &format!("a=b; {first}")) && shown(&sessions, &second));
        assert!(!shown(&other, &first) && !shown(&other, &first.replace("8080", "8081")));
        for wrong in ["impasto_session_8080=", "impasto_session_8080", "", &first[..first.len() - 1]] {
            assert!(!shown(&sessions, wrong), "{wrong}");
        }
        assert!(!sessions.is_shown(&HeaderMap::new()));
        for _ in 0..MOST_SESSIONS - 1 {
            sessions.open().unwrap();
        }
        assert!(!shown(&sessions, &first) && shown(&sessions, &second), "the oldest one has ended");
    }
}
