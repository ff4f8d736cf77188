//! Who may ask: the names the server answers to, pages of its own only, and the token.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq;

use super::Context;
use super::problem::problem;
use crate::control::contract::Code;

/// Turns away what a page of another site could send, and whoever lacks the token; sets the headers that keep pages of
/// other sites from showing ours.
pub async fn guard(State(context): State<Context>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&context, request.headers(), request.uri()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refusal(context: &Context, headers: &HeaderMap, uri: &Uri) -> Option<Response> {
    if percent_decode_str(uri.path()).decode_utf8().is_err() {
        return Some(problem(Code::BadRequest, "the path is not text in UTF-8"));
    }
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let host = uri.authority().map(axum::http::uri::Authority::as_str).or(text(header::HOST)).unwrap_or_default();
    if !is_own_name(host, &context.plan.hosts) {
        let detail = format!(
            "`{host}` is not a name of this server: use its address, or add the name to [control] hosts in the config"
        );
        return Some(problem(Code::WrongHost, detail));
    }
    // Browsers tell where a request comes from; other clients send neither header.
    let elsewhere = text(header::ORIGIN).is_some_and(|origin| !is_same_origin(origin, host))
        || text(header::HeaderName::from_static("sec-fetch-site")).is_some_and(|site| site.ends_with("-site"))
            && is_guarded(uri.path());
    if elsewhere {
        return Some(problem(Code::Forbidden, "pages of other sites may not use this server"));
    }
    match &context.plan.token {
        Some(token)
            if is_guarded(uri.path()) && !shows_token(headers, token) && !context.sessions.is_shown(headers) =>
        {
            let detail = "this needs the token: send the header `Authorization: Bearer TOKEN`";
            let mut response = problem(Code::Unauthorized, detail);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            Some(response)
        }
        _ => None,
    }
}

/// The page itself holds no secret, and health checks know none.
fn is_guarded(path: &str) -> bool {
    path.starts_with("/api/") || path == "/metrics"
}

/// An address, `localhost`, or a name that the config allows: a name that somebody else made point here is none of
/// these, so that a page of that name cannot reach the server either.
fn is_own_name(host: &str, hosts: &[String]) -> bool {
    let name = without_port(host);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    address || name.eq_ignore_ascii_case("localhost") || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_same_origin(origin: &str, host: &str) -> bool {
    let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    own.is_some_and(|own| own.eq_ignore_ascii_case(host))
}

fn shows_token(headers: &HeaderMap, token: &str) -> bool {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
    shown.is_some_and(|(scheme, shown)| {
        scheme.eq_ignore_ascii_case("bearer") && shown.trim().as_bytes().ct_eq(token.as_bytes()).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_names_are_answered_to() {
        let hosts = ["studio.lan".to_string()];
        for own in
            ["127.0.0.1:8080", "127.0.0.1", "localhost:8080", "LOCALHOST", "[::1]:8080", "[::1]", "studio.lan:80"]
        {
            assert!(is_own_name(own, &hosts), "{own}");
        }
        for other in
            ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "", ":80"]
        {
            assert!(!is_own_name(other, &hosts), "{other}");
        }
    }

    #[test]
    fn only_own_pages_may_ask() {
        assert!(is_same_origin("http://127.0.0.1:8080", "127.0.0.1:8080"));
        for origin in ["http://127.0.0.1:3000", "http://evil.example", "null", "", "http://127.0.0.1:80801"] {
            assert!(!is_same_origin(origin, "127.0.0.1:8080"), "{origin}");
        }
    }

    #[test]
    fn the_token_is_read_from_its_header() {
        let shows = |name, value: &str| {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
            shows_token(&headers, "secret")
        };
        for right in ["Bearer secret", "bearer secret", "BEARER  secret"] {
            assert!(shows(header::AUTHORIZATION, right), "{right}");
        }
        for wrong in ["Bearer secre", "Bearer secret2", "Bearer ", "secret", "Basic secret"] {
            assert!(!shows(header::AUTHORIZATION, wrong), "{wrong}");
        }
        assert!(!shows(header::COOKIE, "impasto_token=secret") && !shows_token(&HeaderMap::new(), "secret"));
    }
}
