//! How a provider fails, and what an attempt says of it: a typed error, with the provider's status and in its own words.

use std::{sync::Arc, time::Duration};

use orch_config::{Profile, kind::WorkerKind, retry::RetryClass};
use orch_opencode::simulator::{Answer, Finish, Script, When};
use orch_workers::OpenCodeWorker;
use orch_workflow::{
    attempt::{AttemptError, ErrorCode},
    port::{Dispatch, StepExecutor as _},
};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    live::Real,
    world::{self, outcome, profile},
};

/// One way of failing, and the error that it must become.
struct Row {
    word: &'static str,
    answer: Answer,
    code: ErrorCode,
    status: Option<u16>,
    /// In the message.
    says: &'static str,
}

impl Row {
    /// Whether it may be over by the next try: the provider is in trouble, by its status or, without one, by its words.
    fn passes(&self) -> bool {
        self.status.is_some_and(|status| status >= 500) || self.word == "<overloaded>"
    }
}

fn row(word: &'static str, answer: Answer, code: ErrorCode, status: Option<u16>, says: &'static str) -> Row {
    Row { word, answer, code, status, says }
}

/// What the host does not repeat, or not for long.
fn at_once() -> Vec<Row> {
    use ErrorCode::{Auth, ContentFilter, Length, Model, RateLimited};
    let cut = |finish| Answer::speaking().say("half of").finish(finish);
    vec![
        row("<400>", Answer::error(400, "not with me"), Model, Some(400), "not with me"),
        row("<401>", Answer::error(401, "no such key"), Auth, Some(401), "no such key"),
        row("<403>", Answer::error(403, "not for you"), Auth, Some(403), "not for you"),
        row("<404>", Answer::error(404, "no such model"), Model, Some(404), "no such model"),
        row("<422>", Answer::http(422, "plain words"), Model, Some(422), "plain words"),
        row(
            "<429 reset>",
            Answer::rate_limited(Some(Duration::from_secs(600))),
            RateLimited,
            Some(429),
            "imit",
        ),
        row("<filtered>", cut(Finish::ContentFilter), ContentFilter, None, "content filter"),
        row("<malformed>", Answer::malformed(), Model, None, "JSON"),
        row("<overloaded>", Answer::speaking().say("half of").then_overloaded(), Model, None, "verloaded"),
        row("<length>", cut(Finish::Length), Length, None, "output limit"),
    ]
}

/// What the host tries five times more, for about 69 seconds.
fn after_a_minute() -> Vec<Row> {
    use ErrorCode::{Model, RateLimited};
    vec![
        // `Connection reset by server` or `The socket connection was closed unexpectedly`, whatever the host saw first.
        row("<cut>", Answer::speaking().say("half of").then_cut(), Model, None, "onnection "),
        row("<429>", Answer::rate_limited(None), RateLimited, Some(429), "imit"),
        row("<500>", Answer::error(500, "it broke"), Model, Some(500), "it broke"),
        row("<503>", Answer::error(503, "overloaded, come back"), Model, Some(503), "overloaded, come back"),
        row("<529>", Answer::error(529, "Overloaded"), Model, Some(529), "Overloaded"),
    ]
}

/// Web pages in the place of an answer, from something between the host and its provider. The host puts words of its own in
/// the place of the page.
fn pages() -> Vec<Row> {
    use ErrorCode::{Auth, Loop, Model};
    let page = |status| {
        let page = "<!doctype html><html><head><title>Sign in</title></head><body>Welcome</body></html>";
        Answer::http(status, page).header("content-type", "text/html")
    };
    vec![
        row("<page 200>", Answer::html(), Loop, None, "with nothing"),
        row("<page 403>", page(403), Auth, Some(403), "blocked by a gateway or proxy"),
        row("<page 502>", page(502), Model, Some(502), "Bad Gateway"),
    ]
}

/// What the host says of a provider that it cannot reach, whatever is in the way: nobody listens, no TLS is spoken there, a
/// proxy of its environment is not there.
const OUT_OF_REACH: &str =
    "Cannot connect to API: Unable to connect. Is the computer able to access the url?";

fn script(rows: &[Row]) -> Script {
    let rule = |script: Script, row: &Row| script.on(When::prompt(row.word), row.answer.clone());
    rows.iter().fold(Script::new(), rule)
}

/// How the error differs from the row; nothing if it does not.
fn differs(row: &Row, error: Option<&AttemptError>) -> Option<String> {
    let same = error.is_some_and(|error| {
        (error.code, error.status) == (row.code, row.status)
            && error.message.contains(row.says)
            && error.reset_at.is_some() == (row.code == ErrorCode::RateLimited)
            && (error.retry_class() == Some(RetryClass::Transient)) == row.passes()
    });
    (!same).then(|| format!("{} {}: {error:?}", row.word, row.says))
}

fn dispatch(worker: &str, number: usize, prompt: &str) -> Dispatch {
    let mut dispatch = world::dispatch(WorkerKind::Agent, prompt);
    dispatch.worker = worker.parse().unwrap();
    // A run of its own has a session of its own: a transcript without the failures before.
    dispatch.id.run = format!("run_{number}").parse().unwrap();
    dispatch
}

/// All at the same time, each in a session of its own.
async fn play(real: &Real, profiles: Vec<Profile>, rows: Vec<(Row, String)>) {
    let pool = Arc::new(real.pool(profiles));
    let mut running = JoinSet::new();
    for (number, (row, worker)) in rows.into_iter().enumerate() {
        let pool = Arc::clone(&pool);
        running.spawn(async move {
            let dispatch = dispatch(&worker, number, row.word);
            let placement = pool.place(&dispatch).await.unwrap();
            let task = pool.send(&placement.locator, &dispatch).await.unwrap();
            (row, world::outcome_within(task, Duration::from_secs(150)).await.1)
        });
    }
    let mut different = Vec::new();
    while let Some(ended) = running.join_next().await {
        let (row, settled) = ended.unwrap();
        different.extend(differs(&row, settled.error.as_ref()));
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    pool.shutdown(Duration::from_secs(5)).await;
}

fn by_the_worker(rows: Vec<Row>) -> Vec<(Row, String)> {
    rows.into_iter().map(|row| (row, "w".to_owned())).collect()
}

#[tokio::test]
async fn every_failure_of_a_provider_is_a_typed_error_in_its_own_words() {
    let mut different = Vec::new();
    for row in at_once() {
        let simulator = world::simulator(script(std::slice::from_ref(&row))).await;
        let profile = Arc::new(profile("w", WorkerKind::Agent));
        let worker = OpenCodeWorker::agent(profile, world::host(&simulator)).with_patience(world::patience());
        let (_, task) = world::start(&worker, &dispatch("w", 0, row.word)).await;
        different.extend(differs(&row, outcome(task).await.1.error.as_ref()));
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// The same on a real host, and what only a real one meets: web pages, a conversation that is too long, and providers that
/// are out of reach, or behind a proxy of the host's environment.
#[tokio::test]
async fn every_failure_is_the_same_on_a_real_host() {
    let rows: Vec<_> = at_once().into_iter().chain(after_a_minute()).chain(pages()).collect();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = script(&rows)
        .on(When::prompt("<overflow>"), Answer::context_overflow())
        .on(When::prompt("<proxied>"), Answer::error(400, "through the proxy"));
    let script = script.summary(Answer::context_overflow());
    let provider = |url: String| {
        let models = json!({ "m": { "name": "M", "tool_call": true, "limit": { "context": 100_000, "output": 8_000 } } });
        json!({ "npm": "@ai-sdk/openai-compatible", "options": { "baseURL": url, "apiKey": "k" }, "models": models })
    };
    // The model stands for the proxy of plain requests; that of encrypted ones is not there.
    let proxies = |model: &str| {
        vec![
            ("HTTP_PROXY", model.to_owned()),
            ("HTTPS_PROXY", format!("http://127.0.0.1:{port}")),
            ("NO_PROXY", "127.0.0.1".to_owned()),
        ]
    };
    let Some(real) = Real::start_behind(script, proxies, |_, settings| {
        let model = settings["provider"]["stub"]["options"]["baseURL"].as_str().unwrap();
        let no_tls = model.replace("http://", "https://");
        settings["provider"]["refused"] = provider(format!("http://127.0.0.1:{port}/v1"));
        settings["provider"]["no-tls"] = provider(no_tls);
        settings["provider"]["proxied"] = provider("http://models.invalid/v1".to_owned());
        settings["provider"]["no-proxy"] = provider("https://models.invalid/v1".to_owned());
    })
    .await
    else {
        return;
    };
    let of = |id: &str| {
        let mut profile = profile(id, WorkerKind::Agent);
        profile.model = Some(format!("{id}/m"));
        profile
    };
    let mut rows = by_the_worker(rows);
    let too_long = row("<overflow>", Answer::context_overflow(), ErrorCode::ContextOverflow, None, "context");
    rows.push((too_long, "w".to_owned()));
    for provider in ["refused", "no-tls", "no-proxy"] {
        rows.push((row("anything", Answer::empty(), ErrorCode::Model, None, OUT_OF_REACH), provider.into()));
    }
    let proxied = row("<proxied>", Answer::empty(), ErrorCode::Model, Some(400), "through the proxy");
    rows.push((proxied, "proxied".to_owned()));
    let profiles = ["refused", "no-tls", "proxied", "no-proxy"].map(of);
    play(&real, profiles.into_iter().chain([profile("w", WorkerKind::Agent)]).collect(), rows).await;
    real.end().await;
}
