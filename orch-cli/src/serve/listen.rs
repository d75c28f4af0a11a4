//! The listener: plain HTTP/1.1 on the loopback, with bounds on how many come and how slowly they speak.

use std::{future::Future, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{sleep, timeout},
};

/// The most connections at once; more wait to be accepted.
const CONNECTIONS: usize = 1024;
/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The largest head of a request, in bytes.
const HEAD_BYTES: usize = 64 * 1024;
/// How long requests that are being carried out may take at the end.
const FINISH: Duration = Duration::from_secs(5);

/// Serves until `leave`, then lets what was begun come to its end.
pub(super) async fn listen(listener: TcpListener, router: Router, leave: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES);
    let accept = async {
        loop {
            // It is never closed.
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Too many files are open, most likely: whoever waits is taken up when some are closed.
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let service = TowerToHyperService::new(router.clone());
            let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended early");
                }
                drop(permit);
            });
        }
    };
    tokio::select! {
        () = accept => {}
        () = leave => {}
    }
    drop(listener);
    if timeout(FINISH, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still being carried out at the end");
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use axum::routing::get;
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        sync::watch,
    };

    use super::*;

    /// Paused, time goes on only when nothing else can: whoever would be served is before a wait is over.
    #[tokio::test(start_paused = true)]
    async fn the_most_connections_are_served_at_once_and_one_more_when_one_has_ended() {
        // Both ends of each are in this process.
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (served, mut serving) = watch::channel(0);
        let gate = Arc::new(Semaphore::new(0));
        let held = Arc::clone(&gate);
        let answer = get(move || {
            let (served, held) = (served.clone(), Arc::clone(&held));
            async move {
                served.send_modify(|count| *count += 1);
                held.acquire().await.is_ok().to_string()
            }
        });
        tokio::spawn(listen(listener, Router::new().route("/", answer), pending()));
        let ask = async || {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
            connection
        };
        let mut asked = Vec::new();
        for _ in 0..CONNECTIONS {
            asked.push(ask().await);
        }
        serving.wait_for(|count| *count == CONNECTIONS).await.unwrap();
        let mut one_more = ask().await;
        let more = timeout(Duration::from_secs(1), serving.wait_for(|count| *count > CONNECTIONS)).await;
        assert!(more.is_err(), "it was served beside all the others");
        gate.add_permits(1);
        let mut answer = String::new();
        one_more.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
