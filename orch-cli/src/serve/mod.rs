//! `orch serve`: the runs of a project over HTTP on the loopback, for front ends that are not Rust.
//!
//! One service for each project and state directory: `address` finds it, `guard` says who may come in, `driver` holds an
//! orchestrator for each host, `feed` brings the events of all runs into one order, `route` has the operations, from
//! which `openapi` makes the document, and `presence` tells when nobody needs the service any more.

mod actions;
mod address;
mod detach;
mod driver;
mod fault;
mod feed;
mod guard;
mod listen;
mod openapi;
mod presence;
mod request;
mod route;
mod service;

use std::{net::Ipv4Addr, path::Path};

use axum::middleware;
use orch::{RunId, workflow::attempt::Timestamp};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

pub(crate) use self::openapi::document;
use self::{
    address::{Address, Claim, Seat, claim},
    driver::Drivers,
    feed::Feed,
    guard::{Guard, guard},
    presence::Presence,
    service::{Service, now},
};
use crate::{
    args::ServeArgs,
    command::{print, print_json},
    exit::{Exit, Failure},
    project::Project,
    token::Token,
};

/// Serves until nobody needs it, or says where the one is that does.
pub(crate) async fn serve(project: Project, args: ServeArgs, json: bool) -> Result<Exit, Failure> {
    if args.detach {
        return detach::detach(&project, &args, json).await;
    }
    if args.leads_session {
        // Whoever started it may go, and close its terminal. It fails where it is so already.
        let _ = nix::unistd::setsid();
    }
    let state = project.project_state()?;
    match claim(&state).await? {
        Claim::Taken(address) => announce(&address, &state, Found::Running, json)?,
        Claim::Mine(seat) => run(project, args, seat, &state, json).await?,
    }
    Ok(Exit::Success)
}

/// What a run waits for, as the service of this state directory says that drives it: it knows more of its worker than the
/// journal. `None` where another process drives the run.
pub(crate) async fn why(state: &Path, driver: u32, run: &RunId) -> Option<Value> {
    let service = address::find(state).await.filter(|service| service.pid == driver)?;
    service.get(&format!("/v1/runs/{run}/why")).await?.get_mut("data").map(Value::take)
}

async fn run(project: Project, args: ServeArgs, seat: Seat, state: &Path, json: bool) -> Result<(), Failure> {
    let (presence, feed) = (Presence::new(), Feed::new());
    let directory = project.directory().to_owned();
    let drivers = Drivers::new(project, args.host, feed.clone(), presence.clone()).await?;
    feed.begin(&drivers.home().await).await?;

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let address = Address {
        url: format!("http://127.0.0.1:{port}"),
        token: Token::random()?,
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let (leave, leaving) = watch::channel(false);
    let started_at = now();
    let service = Service {
        project: directory,
        drivers: drivers.clone(),
        feed: feed.clone(),
        presence: presence.clone(),
        instance: instance(started_at),
        started_at,
        leaving,
    };
    let guarded = Guard::new(address.token.clone(), port, presence.clone());
    let router = route::router(service).layer(middleware::from_fn_with_state(guarded, guard));

    seat.publish(&address)?;
    announce(&address, state, Found::Started, json)?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let over = async {
        tokio::select! {
            () = presence.empty_for(args.linger) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        seat.withdraw();
        // Everybody who listens has gone already.
        let _ = leave.send(true);
    };
    let warming = {
        let drivers = drivers.clone();
        tokio::spawn(async move { drivers.warm_up().await })
    };
    tokio::select! {
        () = listen::listen(listener, router, over) => {}
        never = feed.watch(async || drivers.home().await) => match never {},
    }
    warming.abort();
    drivers.shutdown().await;
    Ok(())
}

/// Differs from that of every earlier service of the project.
fn instance(started_at: Timestamp) -> String {
    format!("{:x}{:x}", started_at.0, std::process::id())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Started,
    Running,
}

/// Says where the service is; the token is in the file and nowhere else.
fn announce(address: &Address, state: &Path, found: Found, json: bool) -> Result<(), Failure> {
    let file = address::file(state);
    if json {
        return print_json(&json!({
            "url": address.url, "pid": address.pid, "version": address.version, "file": file,
            "started": found == Found::Started,
        }));
    }
    let verb = if found == Found::Started { "serving at" } else { "already served at" };
    print(&format!("{verb} {} by process {}; the token is in {}", address.url, address.pid, file.display()))
}
