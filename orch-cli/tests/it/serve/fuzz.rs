//! Requests that nobody would write, at a service that goes on: each gets its answer, and none makes it fall over.

#[expect(unreachable_pub, dead_code, reason = "what damages input belongs to a crate that is not published")]
#[path = "../../../../fuzz/src/lib.rs"]
mod damage;

use std::{collections::BTreeMap, path::Path};

use orch::opencode::simulator::{Script, When};
use reqwest::{Method, header};
use tokio::{runtime::Handle, task::block_in_place};

use self::damage::{Corpus, files};
use super::client::Service;
use crate::world::{World, failure};

/// For each operation; a long hunt asks for more with `ORCH_FUZZ_RUNS`.
const RUNS: u64 = 200;

/// What bodies are damaged with, beside single bytes.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\",
    "\n",
    "null",
    "true",
    "-1",
    "1e999",
    "18446744073709551616",
    "\"task\"",
    "\"workflow\"",
    "\"gate\"",
    "\"decision\"",
    "\"retry\"",
    "\"abort\"",
    "\"by\"",
    "\"../../etc\"",
    "\\ud800",
    "\u{feff}",
    "译",
    "\u{202e}",
    "\0",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_body_is_answered_and_the_service_goes_on() {
    // A run that fails and waits, so that there is something to decide.
    let script = Script::new().on(When::prompt("waits for somebody"), failure()).otherwise("done");
    let world = World::new(script).await;
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    let run = service.run("two", "waits for somebody").await;
    listener.until("run.paused").await;
    drop(listener);

    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/serve");
    let mut given = 0;
    let mut answered = BTreeMap::<u16, u32>::new();
    for (folder, path) in [
        ("decisions", format!("/v1/runs/{run}/decisions")),
        ("answers", format!("/v1/runs/{run}/answers")),
        ("runs", "/v1/runs".to_owned()),
        ("tasks", "/v1/tasks".to_owned()),
        ("hosts", "/v1/hosts".to_owned()),
    ] {
        let corpus = Corpus::new(files(&corpora.join(folder)).unwrap(), PIECES);
        let thrown = corpus.throw(RUNS, |body| {
            let request = service
                .bare(Method::POST, &path)
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_vec());
            // Not to be answered in time is a panic, and so is a body that is no JSON.
            let reply = block_in_place(|| Handle::current().block_on(service.send(request)));
            if reply.status != 200 {
                let (status, code) = reply.refusal();
                // The one thing that is not the client's fault is a host that is away.
                assert!(status < 500 || (status == 502 && code.starts_with("orch::host::")), "{reply:?}");
            }
            *answered.entry(reply.status).or_default() += 1;
        });
        given += thrown.unwrap_or_else(|broken| {
            let body = String::from_utf8_lossy(&broken.bytes);
            panic!("{path} broke at seed {}, run {}: {body:?}", broken.seed, broken.run)
        });
    }
    println!("serve: {given} executions, {answered:?}");
    assert!(answered[&200] > 10 && answered[&400] > 100 && answered.len() > 3, "{answered:?}");
    assert_eq!(service.get("/v1/health").await.status, 200);
    assert!(service.get("/v1/runs").await.ok()["runs"].as_array().is_some_and(|runs| runs.len() > 1));
}
