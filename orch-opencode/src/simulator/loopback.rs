//! An HTTP server on a free loopback port whose connections can be cut at any moment.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::Router;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A running server. Dropping it ends the server and every connection at once.
#[derive(Debug)]
pub(super) struct Loopback {
    address: SocketAddr,
    life: CancellationToken,
    connections: Connections,
}

/// The token that ends the connections accepted from now on.
#[derive(Debug, Clone)]
struct Connections(Arc<Mutex<CancellationToken>>);

impl Loopback {
    /// Serves `router` on a port that the system picks.
    pub(super) async fn start(router: Router, life: CancellationToken) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let connections = Connections(Arc::new(Mutex::new(life.child_token())));
        let listener = CuttableListener { listener, life: life.clone(), connections: connections.clone() };
        let stop = life.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = axum::serve(listener, router) => {}
            }
        });
        Ok(Self { address, life, connections })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Resets every open connection; new ones are served.
    pub(super) fn cut_connections(&self) {
        self.connections.cut(&self.life);
    }

    pub(super) fn stop(&self) {
        self.life.cancel();
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Connections {
    fn cut(&self, life: &CancellationToken) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        current.cancel();
        *current = life.child_token();
    }

    fn current(&self) -> CancellationToken {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct CuttableListener {
    listener: TcpListener,
    life: CancellationToken,
    connections: Connections,
}

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (CuttableStream, SocketAddr) {
        loop {
            // A failed accept concerns one connection that is gone already, or a lack of file descriptors that
            // only time can cure.
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let cut = self.connections.current();
                    return (CuttableStream::new(stream, cut), address);
                }
                Err(_) if self.life.is_cancelled() => std::future::pending().await,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails with "connection reset" once its token is cancelled, even when it is idle.
struct CuttableStream {
    stream: TcpStream,
    token: CancellationToken,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl CuttableStream {
    fn new(stream: TcpStream, token: CancellationToken) -> Self {
        let cut = Box::pin(token.clone().cancelled_owned());
        Self { stream, token, cut }
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            // Polled to completion once, the future must not be polled again.
            Poll::Ready(()) => {
                self.cut = Box::pin(self.token.clone().cancelled_owned());
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
