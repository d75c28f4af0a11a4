//! What a client is told when a request cannot be carried out.

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as Described, StatusCode as DescribedStatus},
};
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::exit::{Exit, Failure};

/// Why a request was refused or failed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(super) struct Fault {
    #[serde(skip)]
    status: StatusCode,
    /// A stable machine code, such as `orch::run::unknown`.
    code: String,
    /// What went wrong, and where.
    message: String,
    /// The way out.
    help: Option<String>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), help: None }
    }

    /// The request itself is wrong.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "orch::serve::malformed", message)
            .help("the shapes are in the OpenAPI document: `orch schema --openapi`")
    }

    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

impl From<orch::Error> for Fault {
    fn from(error: orch::Error) -> Self {
        use orch::ErrorKind as Kind;
        let status = match (error.kind(), error.code()) {
            (_, "orch::run::unknown" | "orch::run::unknown-ask" | "orch::plan::unknown-workflow") => {
                StatusCode::NOT_FOUND
            }
            (_, "orch::task::by-a-worker") => StatusCode::FORBIDDEN,
            (_, "orch::run::decision-not-allowed" | "orch::run::invalid-decision") => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            (Kind::Usage | Kind::Config, _) => StatusCode::UNPROCESSABLE_ENTITY,
            (Kind::Host, _) => StatusCode::BAD_GATEWAY,
            (Kind::Locked | Kind::Refused, _) => StatusCode::CONFLICT,
            (Kind::ShutDown, _) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            status,
            code: error.code().to_owned(),
            message: error.to_string(),
            help: error.help().map(str::to_owned),
        }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        let status = match failure.exit {
            _ if failure.code == "orch::task::not-theirs" => StatusCode::FORBIDDEN,
            Exit::Usage => StatusCode::UNPROCESSABLE_ENTITY,
            Exit::Locked => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let Failure { code, message, help, .. } = failure;
        Self { status, code, message, help }
    }
}

/// Every operation may answer with one.
impl OperationOutput for Fault {
    type Inner = Self;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<Described> {
        Json::<Self>::operation_response(ctx, operation)
    }

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<DescribedStatus>, Described)> {
        Self::operation_response(ctx, operation).map(|described| (None, described)).into_iter().collect()
    }
}
