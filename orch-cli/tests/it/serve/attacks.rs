//! Those who should not get in, and those who would keep others out.

use std::{fs, path::Path};

use orch::opencode::simulator::Script;
use reqwest::{Method, header};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
};

use super::client::{Service, reply};
use crate::world::{World, within};

async fn service() -> (World, Service) {
    let world = World::new(Script::new()).await;
    let service = Service::start(&world).await;
    (world, service)
}

/// Every operation, and what is none, for whoever does not know the token.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_without_the_token() {
    let (world, service) = service().await;
    let document: serde_json::Value =
        serde_json::from_str(&world.orch(["schema", "--openapi"]).await.stdout).unwrap();
    let mut paths: Vec<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
    paths.extend(["/".to_owned(), "/v1/none".to_owned()]);
    assert!(paths.len() > 20);
    let token = &service.token;
    let wrong = [
        None,
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(format!("Bearer {}", &token[1..])),
        Some(format!("Bearer {token}0")),
        Some(format!("Bearer {token} {token}")),
        Some(format!("Basic {token}")),
        Some(token.clone()),
    ];
    for path in &paths {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
            for given in &wrong {
                let mut request = service.bare(method.clone(), path);
                if let Some(given) = given {
                    request = request.header(header::AUTHORIZATION, given);
                }
                let refused = reply(request.send().await.unwrap()).await;
                assert_eq!(
                    refused.refusal(),
                    (401, "orch::serve::unauthorized"),
                    "{method} {path} {given:?}"
                );
            }
        }
    }
    let in_the_query = service.bare(Method::GET, &format!("/v1/health?token={token}"));
    assert_eq!(reply(in_the_query.send().await.unwrap()).await.status, 401);
    let twice = service.bare(Method::GET, "/v1/health").bearer_auth("x").bearer_auth(token);
    assert_eq!(reply(twice.send().await.unwrap()).await.status, 401);
}

/// A page of a site whose name was pointed at this machine, with the token or without.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_host_is_refused() {
    let (_world, service) = service().await;
    let port = service.authority().rsplit_once(':').unwrap().1;
    for host in ["evil.example", "127.0.0.1", "127.0.0.1:1", "0.0.0.0", "", &format!("evil.example:{port}")] {
        let request = service.bare(Method::GET, "/v1/health").header(header::HOST, host);
        let refused = service.send(request).await;
        assert_eq!(refused.refusal(), (403, "orch::serve::foreign-host"), "{host:?}");
    }
    let (token, own) = (&service.token, service.authority());
    let bearer = format!("authorization: Bearer {token}\r\nconnection: close");
    let absolute = format!("GET http://evil.example/v1/health HTTP/1.1\r\nhost: {own}\r\n{bearer}\r\n\r\n");
    assert!(service.say(&absolute).await.starts_with("HTTP/1.1 403"));
    let twice = format!("GET /v1/health HTTP/1.1\r\nhost: {own}\r\nhost: evil.example\r\n{bearer}\r\n\r\n");
    let answer = service.say(&twice).await;
    assert!(answer.starts_with("HTTP/1.1 403") || answer.starts_with("HTTP/1.1 400"), "{answer}");
    let local = service.bare(Method::GET, "/v1/health").header(header::HOST, format!("localhost:{port}"));
    assert_eq!(service.send(local).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_origin_is_refused() {
    let (_world, service) = service().await;
    for origin in ["https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "file://", ""] {
        for method in [Method::GET, Method::OPTIONS, Method::POST] {
            let request = service.bare(method, "/v1/runs").header(header::ORIGIN, origin);
            let refused = service.send(request).await;
            assert_eq!(refused.refusal(), (403, "orch::serve::foreign-origin"), "{origin:?}");
        }
    }
    let own = service.bare(Method::GET, "/v1/health").header(header::ORIGIN, &service.url);
    assert_eq!(service.send(own).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused() {
    const CAP: usize = 16 * 1024 * 1024;
    let (_world, service) = service().await;
    let body = |bytes: usize| {
        let empty = json!({ "workflow": "last", "task": "" }).to_string();
        json!({ "workflow": "last", "task": "x".repeat(bytes - empty.len()) }).to_string()
    };
    let post = |body: reqwest::Body| {
        service.bare(Method::POST, "/v1/runs").header(header::CONTENT_TYPE, "application/json").body(body)
    };
    let at_the_cap = service.send(post(body(CAP).into())).await;
    assert_eq!(at_the_cap.refusal(), (422, "orch::run::task-too-long"));
    for past_it in [CAP + 1, 2 * CAP] {
        let refused = service.send(post(body(past_it).into())).await;
        assert_eq!(refused.refusal(), (413, "orch::serve::too-large"), "{past_it}");
    }

    // One that does not say how large it is, and never ends.
    let (token, own) = (&service.token, service.authority());
    let mut stream = service.raw().await;
    let head = format!(
        "POST /v1/runs HTTP/1.1\r\nhost: {own}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(0x10_0000));
    let mut megabytes = 0;
    // It ends when the service closes the connection.
    let write = async {
        while stream.write_all(chunk.as_bytes()).await.is_ok() {
            megabytes += 1;
        }
    };
    within("the connection to be closed", write).await;
    assert!((32..48).contains(&megabytes), "{megabytes} MiB were taken");
    #[cfg(target_os = "linux")]
    assert!(most_memory(service.pid) < 256, "{} MiB", most_memory(service.pid));
    assert_eq!(service.get("/v1/health").await.status, 200);
}

/// The most memory that a process has had, in MiB: of a body, what arrives and what is read from it.
#[cfg(target_os = "linux")]
fn most_memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// However deep: what belongs to no field is not kept, and what does is not read deeper than 128.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nests_without_end_is_refused() {
    let (_world, service) = service().await;
    for depth in [127, 128, 129, 1_000_000] {
        let nested = "[".repeat(depth) + &"]".repeat(depth);
        for body in [
            nested.clone(),
            format!(r#"{{"workflow":"last","task":{nested}}}"#),
            format!(r#"{{"x":{nested}}}"#),
        ] {
            let request =
                service.bare(Method::POST, "/v1/runs").header(header::CONTENT_TYPE, "application/json");
            let refused = service.send(request.body(body)).await;
            assert_eq!(refused.refusal(), (400, "orch::serve::malformed"), "{depth}");
        }
    }
    assert_eq!(service.get("/v1/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_the_largest_size_is_read_and_one_of_twice_that_is_not() {
    const CAP: usize = 64 * 1024;
    let (_world, service) = service().await;
    let (token, own) = (&service.token, service.authority());
    let head = |bytes: usize| {
        let start = format!(
            "GET /v1/health HTTP/1.1\r\nhost: {own}\r\nauthorization: Bearer {token}\r\nconnection: close\r\nx: "
        );
        let end = "\r\n\r\n";
        format!("{start}{}{end}", "y".repeat(bytes - start.len() - end.len()))
    };
    assert!(service.say(&head(CAP)).await.starts_with("HTTP/1.1 200"));
    let mut stream = service.raw().await;
    // It is refused before it has been read to its end.
    let _ = stream.write_all(head(2 * CAP).as_bytes()).await;
    let mut answer = Vec::new();
    let _ = within("the refusal", stream.read_to_end(&mut answer)).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_is_refused_with_a_body() {
    let (_world, service) = service().await;
    let deep = "[".repeat(200) + &"]".repeat(200);
    let rows = [
        ("application/json", "", 400, "orch::serve::malformed"),
        ("application/json", "{", 400, "orch::serve::malformed"),
        ("application/json", "null", 400, "orch::serve::malformed"),
        ("application/json", "{} {}", 400, "orch::serve::malformed"),
        ("application/json", "\u{0}", 400, "orch::serve::malformed"),
        ("application/json", &deep, 400, "orch::serve::malformed"),
        ("text/plain", "{}", 415, "orch::serve::not-json"),
        ("application/x-www-form-urlencoded", "workflow=last", 415, "orch::serve::not-json"),
    ];
    for (kind, body, status, code) in rows {
        let request =
            service.bare(Method::POST, "/v1/runs").header(header::CONTENT_TYPE, kind).body(body.to_owned());
        assert_eq!(service.send(request).await.refusal(), (status, code), "{kind} {body:?}");
    }
    for (path, status, code) in [
        ("/v1/none", 404, "orch::serve::no-route"),
        ("/v1/runs?limit=many", 400, "orch::serve::malformed"),
        ("/v1/runs?lmit=1", 400, "orch::serve::malformed"),
        ("/v1/events?from=yesterday", 400, "orch::serve::malformed"),
        ("/v1/events?from=run_x:y", 400, "orch::serve::malformed"),
        ("/v1/runs/%ff", 400, "orch::serve::malformed"),
    ] {
        assert_eq!(service.get(path).await.refusal(), (status, code), "{path}");
    }
    assert_eq!(service.delete("/v1/runs").await.refusal(), (405, "orch::serve::method"));
    for garbage in ["\r\n\r\n\r\n", "GET\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}", "GET / HTTP/9.9\r\n\r\n"] {
        let answer = service.say(garbage).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{garbage:?}: {answer:?}");
    }
    let endless = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(1024 * 1024));
    let mut stream = service.raw().await;
    let mut answer = Vec::new();
    // It may be cut off before it has read everything.
    let _ = stream.write_all(endless.as_bytes()).await;
    let _ = within("the refusal", stream.read_to_end(&mut answer)).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(service.get("/v1/health").await.status, 200);
}

/// Nobody who is slow keeps others out, and all of them are sent away. The waits of the service are what is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_and_slow_bodies_are_timed_out_and_hold_up_nobody() {
    let (_world, service) = service().await;
    let (token, own) = (service.token.clone(), service.authority().to_owned());
    let authorized =
        format!("host: {own}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n");
    let mut slow = JoinSet::new();
    for _ in 0..50 {
        let mut head = service.raw().await;
        slow.spawn(async move {
            head.write_all(b"GET /v1/health HTTP/1.1\r\nhost:").await.unwrap();
            let mut answer = Vec::new();
            let _ = head.read_to_end(&mut answer).await;
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 408")
        });
        let mut body = service.raw().await;
        let request = format!("POST /v1/runs HTTP/1.1\r\n{authorized}content-length: 100\r\n\r\n{{");
        slow.spawn(async move {
            body.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let _ = body.read_to_end(&mut answer).await;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            answer.starts_with("HTTP/1.1 408") && answer.contains("orch::serve::slow-body")
        });
    }
    for _ in 0..20 {
        assert_eq!(service.get("/v1/health").await.status, 200);
    }
    let sent_away = within("the slow ones to be sent away", slow.join_all()).await;
    assert_eq!(sent_away, vec![true; 100]);
}

/// A token that only its owner can read is of no use when its directory, or another file, has it, too.
#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_in_no_other_file_and_not_in_the_process_table() {
    let world = World::new(Script::new().otherwise("done")).await;
    let started = world.command(["serve", "--detach", "--json", "--linger", "10m"]);
    let started = crate::world::output(&mut { started }).await;
    let service = Service::at(&started.json(), None);
    let mut listener = service.listen("").await;
    service.run("last", "a task").await;
    listener.until("run.finished").await;
    assert_eq!(service.bare(Method::GET, "/v1/health").send().await.unwrap().status(), 401);
    let mut searched = 0;
    search(&world.path("state"), &mut |path, text| {
        searched += 1;
        let known = path == service.file;
        assert_eq!(contains(text, service.token.as_bytes()), known, "{}", path.display());
    });
    assert!(searched > 3, "{searched}");
    for file in ["cmdline", "environ"] {
        let text = fs::read(format!("/proc/{}/{file}", service.pid)).unwrap();
        assert!(!contains(&text, service.token.as_bytes()), "{file}");
    }
    assert!(!started.stdout.contains(&service.token) && !started.stderr.contains(&service.token));
}

fn search(directory: &Path, found: &mut dyn FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { search(&path, found) } else { found(&path, &fs::read(&path).unwrap()) }
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
