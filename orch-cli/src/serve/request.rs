//! What a request may bring, and how much of it, and how slowly.

use std::time::Duration;

use aide::{OperationInput, generate::GenContext, openapi::Operation};
use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{StatusCode, header, request::Parts},
};
use futures_util::StreamExt as _;
use orch::RunId;
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::timeout;

use super::fault::Fault;

/// The largest body, in bytes.
pub(super) const MAX_BODY: usize = 16 * 1024 * 1024;
/// How much of a body that is too large is taken all the same and thrown away: most clients write the whole before they
/// read an answer, and would see a broken connection instead of it.
const DISCARDED: usize = MAX_BODY;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A JSON body: whole, small and quick enough, and of the shape that is asked for.
pub(super) struct Body<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, _: &S) -> Result<Self, Fault> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let message = format!("the body is {kind:?}, not application/json");
            return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "orch::serve::not-json", message));
        }
        let text = timeout(BODY_TIME, read(request)).await.map_err(|_| {
            let message = format!("the body did not arrive within {} s", BODY_TIME.as_secs());
            Fault::new(StatusCode::REQUEST_TIMEOUT, "orch::serve::slow-body", message)
        })??;
        let mut json = serde_json::Deserializer::from_slice(&text);
        let value = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| Fault::malformed(format!("the body at {}: {}", error.path(), error.inner())))?;
        json.end().map_err(|error| Fault::malformed(format!("after the body: {error}")))?;
        Ok(Self(value))
    }
}

async fn read(request: Request) -> Result<Vec<u8>, Fault> {
    let too_large = || {
        let message = format!("the body is larger than {MAX_BODY} bytes");
        Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "orch::serve::too-large", message)
    };
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let announced = announced.and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY + DISCARDED) {
        return Err(too_large());
    }
    let (mut text, mut taken) = (Vec::new(), 0);
    let mut chunks = request.into_body().into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Fault::malformed(format!("the body broke off: {error}")))?;
        taken += chunk.len();
        if taken <= MAX_BODY {
            text.extend_from_slice(&chunk);
        } else if taken <= MAX_BODY + DISCARDED {
            text = Vec::new();
        } else {
            return Err(too_large());
        }
    }
    if taken > MAX_BODY {
        return Err(too_large());
    }
    Ok(text)
}

impl<T: JsonSchema> OperationInput for Body<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Json::<T>::operation_input(ctx, operation);
    }
}

/// What stands behind the `?`.
pub(super) struct Query<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let axum::extract::Query(query) = axum::extract::Query::try_from_uri(&parts.uri)
            .map_err(|error| Fault::malformed(format!("the query: {error}")))?;
        Ok(Self(query))
    }
}

impl<T: JsonSchema> OperationInput for Query<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        axum::extract::Query::<T>::operation_input(ctx, operation);
    }
}

/// The run that the path names.
pub(super) struct OfRun(pub(super) RunId);

#[derive(Deserialize, JsonSchema)]
struct RunPath {
    /// The run's id.
    run: String,
}

impl<S: Send + Sync> FromRequestParts<S> for OfRun {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let Path(RunPath { run }) = Path::from_request_parts(parts, state)
            .await
            .map_err(|error| Fault::malformed(format!("the path: {error}")))?;
        run_id(&run).map(Self)
    }
}

impl OperationInput for OfRun {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Path::<RunPath>::operation_input(ctx, operation);
    }
}

/// A run id that a client gave.
pub(super) fn run_id(text: &str) -> Result<RunId, Fault> {
    RunId::new(text)
        .map_err(|error| Fault::new(StatusCode::BAD_REQUEST, "orch::run::invalid-id", error.to_string()))
}
