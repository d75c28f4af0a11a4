//! The OpenAPI document, generated from the operations that are served.

use aide::openapi::{Info, OpenApi, ReferenceOr, SecurityScheme};

use super::route;

const SCHEME: &str = "token";

/// The document as it is committed.
pub(crate) fn document() -> serde_json::Result<String> {
    aide::generate::extract_schemas(true);
    aide::generate::infer_responses(true);
    let mut api = OpenApi {
        info: Info {
            title: "orch serve".to_owned(),
            description: Some(
                "The runs of one project, on the loopback of this machine. Start the service with `orch serve`; its \
                 address and token are in `serve.json` in the project's state directory."
                    .to_owned(),
            ),
            version: "1".to_owned(),
            ..Info::default()
        },
        ..OpenApi::default()
    };
    drop(route::routes().finish_api(&mut api));
    let components = api.components.get_or_insert_default();
    let scheme = SecurityScheme::Http {
        scheme: "bearer".to_owned(),
        bearer_format: None,
        description: Some("the token in `serve.json`".to_owned()),
        extensions: Default::default(),
    };
    components.security_schemes.insert(SCHEME.to_owned(), ReferenceOr::Item(scheme));
    api.security.push([(SCHEME.to_owned(), Vec::new())].into_iter().collect());
    serde_json::to_string_pretty(&api).map(|text| text + "\n")
}
