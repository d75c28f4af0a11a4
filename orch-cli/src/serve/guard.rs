//! Who may come in: whoever speaks to the loopback address itself, comes from no web page, and knows the token.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::Response,
};

use super::{fault::Fault, presence::Presence};
use crate::token::Token;

/// What a request is measured by.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    token: Token,
    /// `127.0.0.1:PORT` and `localhost:PORT`.
    names: [String; 2],
    presence: Presence,
}

impl Guard {
    pub(super) fn new(token: Token, port: u16, presence: Presence) -> Self {
        Self { token, names: [format!("127.0.0.1:{port}"), format!("localhost:{port}")], presence }
    }

    fn check(&self, request: &Request) -> Result<(), Fault> {
        let headers = request.headers();
        // A page of a site whose name was pointed at this machine says that name.
        let named = request
            .uri()
            .authority()
            .map_or_else(|| one(headers, header::HOST), |authority| Some(authority.as_str()));
        if !named.is_some_and(|named| self.names.iter().any(|name| name.eq_ignore_ascii_case(named))) {
            return Err(forbidden("orch::serve::foreign-host", "the request is for another host"));
        }
        if headers.contains_key(header::ORIGIN) && !self.is_own_origin(headers) {
            return Err(forbidden("orch::serve::foreign-origin", "the request comes from a web page"));
        }
        let given = one(headers, header::AUTHORIZATION).and_then(|value| value.split_once(' '));
        match given {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && self.token.is(token.trim()) => {
                Ok(())
            }
            _ => Err(Fault::new(
                StatusCode::UNAUTHORIZED,
                "orch::serve::unauthorized",
                "the token is missing or wrong",
            )
            .help(
                "send `Authorization: Bearer …` with the token in serve.json; `orch serve` says where it is",
            )),
        }
    }

    fn is_own_origin(&self, headers: &HeaderMap) -> bool {
        let origin = one(headers, header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
        origin.is_some_and(|origin| self.names.iter().any(|name| name == origin))
    }
}

/// The value of a header that is there once.
fn one(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn forbidden(code: &str, message: &str) -> Fault {
    Fault::new(StatusCode::FORBIDDEN, code, message)
}

/// Lets a request in, or answers it. Who is in counts as a client.
pub(super) async fn guard(
    State(guard): State<Guard>,
    request: Request,
    next: Next,
) -> Result<Response, Fault> {
    guard.check(&request)?;
    let _stay = guard.presence.enter();
    Ok(next.run(request).await)
}
