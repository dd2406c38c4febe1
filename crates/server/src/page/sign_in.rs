//! Signing in: a holder of a token asks for a one-time link, whoever opens it gets a session's cookie.
//!
//! The cookie is `HttpOnly` and `SameSite=Strict`, and `Secure` where the request came by https. It opens the pages and
//! nothing else: the API wants a token. Cookies do not know ports, so the cookie's name does: two servers on one machine
//! do not sign each other's readers out.

use std::time::Instant;

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Redirect, Response},
};
use maud::html;
use serde::Deserialize;
use windlass_api::{SignInAnswer, token};
use windlass_plan::access::Operation;

use super::{
    layout,
    session::{CODE_LIFE, SESSION_LIFE},
    viewer,
};
use crate::{AppState, error::ApiError, native::Caller};

/// The most of a cookie header that is looked at, in bytes.
const COOKIES: usize = 8 << 10;

/// `POST /api/v1/sign-in`: makes a one-time link for the holder of a token.
pub(super) async fn code(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<SignInAnswer>, ApiError> {
    viewer::may_look(caller.may(Operation::ReadObjects)?)?;
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let missing = || ApiError::new(StatusCode::UNAUTHORIZED, "unauthenticated", "a token is needed");
    let token = header.and_then(token::of_header).ok_or_else(missing)?;
    let code = state.sessions.code(token::hash(&token), random()?, Instant::now());
    Ok(Json(SignInAnswer { path: format!("/sign-in?code={code}"), seconds: CODE_LIFE.as_secs() }))
}

fn random() -> Result<[u8; 32], ApiError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "random", error.to_string()))?;
    Ok(random)
}

#[derive(Deserialize)]
pub(super) struct SignInQuery {
    #[serde(default)]
    code: String,
    /// Where to go then; the loop where absent.
    #[serde(default)]
    to: String,
}

/// `GET /sign-in?code=…`: exchanges the code for a session.
pub(super) async fn exchange(
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(query): Query<SignInQuery>,
) -> Result<Response, ApiError> {
    let Some(secret) = state.sessions.exchange(&query.code, random()?, Instant::now()) else {
        return Ok(needed(
            StatusCode::FORBIDDEN,
            "This link was used before or is too old; each is good once, for five minutes.",
            None,
        ));
    };
    let secure = if is_https(&headers) { "; Secure" } else { "" };
    let cookie = format!(
        "{}={secret}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}",
        cookie_name(&headers),
        SESSION_LIFE.as_secs()
    );
    let to = if is_local(&query.to) { query.to } else { "/".to_owned() };
    // A page that goes on by itself rather than a redirect: a browser sends no strict cookie along a redirect that
    // another site's link began.
    let page = layout::going_on("Signed in", &to, html! { h1 { "Signed in" } p { a href=(to) { "Go on" } } });
    Ok(([(header::SET_COOKIE, cookie)], page).into_response())
}

/// `POST /sign-out`: ends the session. The door lets no other site's form through, by `Origin`.
pub(super) async fn sign_out(State(state): State<AppState>, headers: HeaderMap) -> Response {
    if let Some(secret) = secret_of(&headers) {
        state.sessions.end(&secret, Instant::now());
    }
    let cookie = format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict", cookie_name(&headers));
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

/// Says how to sign in.
pub(super) fn needed(status: StatusCode, why: &str, again: Option<&str>) -> Response {
    let body = html! {
        h1 { "Sign in" }
        p { (why) }
        p { "Where the server runs, ask for a link:" }
        pre { code { "windlass open" } }
        p.quiet { "With another server or token: " code { "windlass open --server URL --token TOKEN" } }
    };
    let page = match again {
        Some(path) => layout::going_on("Sign in", path, body),
        None => layout::bare("Sign in", body),
    };
    (status, page).into_response()
}

/// Answers a request for a page that the door refused.
pub(crate) async fn refuse(uri: &Uri, headers: &HeaderMap, refusal: ApiError) -> Response {
    let (status, message) = refusal.parts();
    let response = if status == StatusCode::UNAUTHORIZED {
        // A browser that comes from another site's link keeps strict cookies back; asked from here, it sends them.
        let from_elsewhere = headers.get("sec-fetch-site").is_some_and(|value| value == "cross-site");
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let again = (from_elsewhere && is_local(path)).then_some(path);
        needed(status, "The page is for people who hold a token of this server.", again)
    } else {
        let body = html! { h1 { "This page cannot be shown" } p { (message) } };
        (status, layout::bare("This page cannot be shown", body)).into_response()
    };
    super::guarded(response).await
}

/// Returns the secret of the session that a request carries.
pub(super) fn secret_of(headers: &HeaderMap) -> Option<String> {
    let name = cookie_name(headers);
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookies = cookies.filter(|text| text.len() <= COOKIES).flat_map(|text| text.split(';'));
    let mut pairs = cookies.filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value.to_owned())
}

/// Returns the hash of the token that a request's session stands for.
pub(crate) fn token_of(state: &AppState, headers: &HeaderMap) -> Option<[u8; 32]> {
    state.sessions.token(&secret_of(headers)?, Instant::now())
}

fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("");
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let port: String = port.chars().filter(char::is_ascii_digit).collect();
    format!("windlass_session_{port}")
}

/// Whether a browser reached us by https: a proxy in front says so. Claiming it falsely only makes a cookie stricter.
fn is_https(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// Whether a path leads to a page of ours: absolute, without another host in it.
fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && path.len() < 2048
        && path.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_paths_are_gone_on_to() {
        for good in ["/", "/projects/default/runs/train-3", "/tracking/0a?x=y%20z"] {
            assert!(is_local(good), "{good}");
        }
        for bad in ["", "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/a b"] {
            assert!(!is_local(bad), "{bad}");
        }
    }

    #[test]
    fn the_session_is_the_cookie_of_this_port() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost:7070".parse().unwrap());
        headers.insert(header::COOKIE, "a=b; windlass_session_8080=other; windlass_session_7070=mine".parse().unwrap());
        assert_eq!(secret_of(&headers).as_deref(), Some("mine"));
        headers.insert(header::HOST, "localhost:9090".parse().unwrap());
        assert_eq!(secret_of(&headers), None);
    }
}
