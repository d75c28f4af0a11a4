//! What a host says of itself, held against what we rely on; and what we rely on, against the calls that we make.

use std::collections::BTreeSet;

use orch_opencode::{
    HostErrorKind, HttpOpenCode, MessageId, NewSession, OpenCode, PermissionId, PermissionReply, Prompt,
    QuestionId, SessionChange, SessionId, SessionQuery, Toast, ToastVariant,
    drift::{Capability, Operation, Standing, compare, operations},
};
use serde_json::Value;

use crate::scripted_server::{Act, ScriptedServer};

/// The document of the real 1.18.33, as far as it concerns us.
fn recorded() -> Value {
    serde_json::from_str(include_str!("../fixtures/opencode-1.18.33/openapi.json")).unwrap()
}

/// What does not work, each with how far it is there.
fn troubled(document: &Value) -> Vec<(&'static str, Standing)> {
    let capabilities = compare(document).into_iter();
    let troubled = capabilities.filter(|capability| capability.standing != Standing::Works);
    troubled.map(|Capability { name, standing, .. }| (name, standing)).collect()
}

#[test]
fn everything_works_with_the_recorded_document() {
    for capability in compare(&recorded()) {
        assert_eq!(
            (capability.standing, capability.differences),
            (Standing::Works, vec![]),
            "{}",
            capability.name
        );
    }
}

#[test]
fn an_operation_that_is_gone_is_missing_and_nothing_else_is() {
    for Operation { method, path, .. } in operations() {
        let mut document = recorded();
        document["paths"][*path].as_object_mut().unwrap().remove(&method.to_ascii_lowercase()).unwrap();
        let found = troubled(&document);
        assert_eq!(found.len(), 1, "{method} {path}: {found:?}");
        assert_eq!(found[0].1, Standing::Missing, "{method} {path}");
        let differences: Vec<_> = compare(&document).into_iter().flat_map(|one| one.differences).collect();
        assert_eq!(differences, [format!("{method} {path} is not there")]);
    }
}

/// Every single field matters to somebody.
#[test]
fn a_field_that_is_gone_is_told() {
    let mut gone = 0;
    for operation in operations() {
        let Operation { method, path, query, sends, needs, reads, .. } = operation;
        for (kind, fields, least) in [
            ("takes no parameter", query, Standing::Degraded),
            ("takes no", sends, Standing::Missing),
            ("answers no", needs, Standing::Missing),
            ("answers no", reads, Standing::Degraded),
        ] {
            for field in *fields {
                let mut document = recorded();
                let name = field.trim_end_matches("{}").rsplit(['.', ']', '}']).next().unwrap();
                remove(&mut document, name);
                let told = format!("{method} {path} {kind} {field}");
                let found = compare(&document).into_iter().find(|one| one.differences.contains(&told));
                let found = found.unwrap_or_else(|| panic!("not told: {told}"));
                assert!(found.standing >= least, "{told}: {found:?}");
                gone += 1;
            }
        }
    }
    assert!(gone > 150, "{gone}");
}

/// An older caller does not know what a newer host wants.
#[test]
fn what_must_be_sent_now_and_is_not_is_told() {
    let mut wanted = 0;
    for Operation { method, path, .. } in operations() {
        let mut document = recorded();
        let operation = &mut document["paths"][*path][method.to_ascii_lowercase()];
        let parameter = serde_json::json!({ "name": "novelty", "in": "query", "required": true });
        operation["parameters"].as_array_mut().unwrap().push(parameter);
        let mut told = vec![format!("{method} {path} wants a parameter novelty")];
        let body = &mut operation["requestBody"]["content"]["application/json"]["schema"];
        if body["properties"].is_object() {
            body["required"] = serde_json::json!(["novelty"]);
            told.push(format!("{method} {path} wants a novelty"));
            wanted += 1;
        }
        let differences: Vec<_> = compare(&document).into_iter().flat_map(|one| one.differences).collect();
        assert_eq!(differences, told);
        assert_eq!(troubled(&document)[0].1, Standing::Missing, "{method} {path}");
    }
    assert!(wanted > 5, "{wanted}");
}

/// What the check does not look at: a change of this kind shows in the live tests only.
#[test]
fn a_field_of_another_type_is_not_noticed() {
    let mut document = recorded();
    document["components"]["schemas"]["Session"]["properties"]["id"] =
        serde_json::json!({ "type": "integer" });
    assert_eq!(troubled(&document), []);
}

#[test]
fn an_event_that_is_gone_or_poorer_is_told() {
    let names = ["session.idle", "permission.asked", "message.part.delta", "session.error"];
    for name in names {
        let mut document = recorded();
        let payloads =
            document["components"]["schemas"]["GlobalEvent"]["properties"]["payload"]["anyOf"].take();
        let (kept, gone): (Vec<_>, Vec<_>) =
            payloads.as_array().unwrap().iter().cloned().partition(|payload| {
                let payload = match payload["$ref"].as_str() {
                    Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
                    None => payload,
                };
                !payload["properties"]["type"].to_string().contains(&format!("\"{name}\""))
            });
        assert_eq!(gone.len(), 1, "{name}");
        document["components"]["schemas"]["GlobalEvent"]["properties"]["payload"]["anyOf"] = kept.into();
        let differences: Vec<_> = compare(&document).into_iter().flat_map(|one| one.differences).collect();
        assert_eq!(differences, [format!("there is no event {name}")]);
    }
    let mut document = recorded();
    remove(&mut document, "delta");
    assert_eq!(troubled(&document), [("results", Standing::Missing)]);
}

/// What is open, or said in another way, is no difference.
#[test]
fn what_can_still_be_used_is_no_difference() {
    let mut document = recorded();
    document["paths"]["/session/{sessionID}/prompt_async"]["post"]["requestBody"]["content"]["application/json"]
        ["schema"]["properties"]["parts"]["items"] = true.into();
    assert_eq!(troubled(&document), []);
}

#[test]
fn a_document_that_is_none_has_nothing_and_a_circle_ends() {
    for document in ["null", "[]", r#"{"paths": 7}"#, r#""<html>""#] {
        let document = serde_json::from_str(document).unwrap();
        assert!(compare(&document).iter().all(|one| one.standing == Standing::Missing), "{document}");
    }
    let mut document = recorded();
    document["components"]["schemas"]["Session"] =
        serde_json::json!({ "$ref": "#/components/schemas/Session" });
    assert!(troubled(&document).contains(&("sessions", Standing::Missing)));
}

/// Removes every property and every parameter of this name.
fn remove(value: &mut Value, name: &str) {
    match value {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                properties.remove(name);
            }
            if let Some(Value::Array(parameters)) = object.get_mut("parameters") {
                parameters.retain(|parameter| parameter["name"] != name);
            }
            object.values_mut().for_each(|value| remove(value, name));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| remove(value, name)),
        _ => {}
    }
}

/// The table is complete, and has nothing that is not used.
#[tokio::test]
async fn what_is_relied_on_is_what_is_called() {
    let gone = || Act::json(404, r#"{"name":"NotFoundError","data":{"message":"gone"}}"#);
    let server = ScriptedServer::start(vec![
        Act::json(200, r#"{"healthy":true,"version":"1"}"#),
        Act::json(200, "{}"),
        Act::json(200, "[]"),
        // The catalogue, and what is configured of it.
        Act::json(200, r#"{"providers":[],"default":{}}"#),
        Act::json(200, "{}"),
        // A fork that is made a child.
        Act::json(200, r#"{"id":"ses_1","directory":"/project","time":{"created":1,"updated":1}}"#),
        Act::json(200, "[]"),
        Act::json(200, r#"{"sessionID":"ses_1"}"#),
        Act::json(200, r#"{"id":"ses_1","directory":"/project","time":{"created":1,"updated":1}}"#),
        // The skills, and the directories in which they are looked up.
        Act::json(200, "[]"),
        Act::json(200, r#"{"home":"/h","config":"/c","worktree":"/w","directory":"/d"}"#),
        gone(),
    ])
    .await;
    let host = HttpOpenCode::builder(server.url(), "/project").build().unwrap();
    host.health().await.unwrap();
    host.description().await.unwrap();
    host.agents().await.unwrap();
    host.catalog().await.unwrap();
    let (session, message) = (SessionId::parse("ses_1").unwrap(), MessageId::parse("msg_1").unwrap());
    let (permission, question) = (PermissionId::parse("per_1").unwrap(), QuestionId::parse("que_1").unwrap());
    let orphan = host.adopt(&session, &SessionId::parse("ses_2").unwrap()).await.unwrap_err();
    assert_eq!(orphan.kind(), HostErrorKind::Mismatch);
    // From here on nothing is there any more, but everything is asked for.
    let refused = [
        host.skills().await.is_err(),
        host.create_session(NewSession::default()).await.is_err(),
        host.session(&session).await.is_err(),
        host.sessions(SessionQuery::default()).await.is_err(),
        host.children(&session).await.is_err(),
        host.update_session(&session, SessionChange::default()).await.is_err(),
        host.delete_session(&session).await.is_err(),
        host.abort(&session).await.is_err(),
        host.fork(&session, None).await.is_err(),
        host.prompt(&session, Prompt::text("hello")).await.is_err(),
        host.messages(&session).await.is_err(),
        host.message(&session, &message).await.is_err(),
        host.statuses().await.is_err(),
        host.permissions().await.is_err(),
        host.reply_permission(&permission, PermissionReply::Once).await.is_err(),
        host.questions().await.is_err(),
        host.reply_question(&question, vec![]).await.is_err(),
        host.reject_question(&question).await.is_err(),
        host.toast(Toast::new(ToastVariant::Info, "hello")).await.is_err(),
        host.append_prompt("hello").await.is_err(),
        host.clear_prompt().await.is_err(),
        host.submit_prompt().await.is_err(),
        host.open_sessions().await.is_err(),
        host.select_session(&session).await.is_err(),
        host.publish_command("session.child.first").await.is_err(),
        host.events().await.is_err(),
    ];
    assert_eq!(refused, [true; 26]);

    let called: BTreeSet<String> = server.requests().iter().map(|request| template(request)).collect();
    let mut relied: BTreeSet<String> =
        operations().map(|Operation { method, path, .. }| format!("{method} {path}")).collect();
    relied.insert("GET /doc".to_owned());
    assert_eq!(called, relied);
}

/// The operation that a request calls: what names a single thing becomes a parameter.
fn template(request: &str) -> String {
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let path = target.split('?').next().unwrap();
    let part = |part: &str| match part.split('_').next().unwrap() {
        "ses" => "{sessionID}".to_owned(),
        "msg" => "{messageID}".to_owned(),
        "per" | "que" => "{requestID}".to_owned(),
        _ => part.to_owned(),
    };
    format!("{method} {}", path.split('/').map(part).collect::<Vec<_>>().join("/"))
}
