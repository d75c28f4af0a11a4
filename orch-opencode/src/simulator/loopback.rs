//! An HTTP server on a free loopback port whose connections can be cut, and whose port can be closed, at will.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A running server. Dropping it ends the server and every connection at once.
#[derive(Debug)]
pub(super) struct Loopback {
    address: SocketAddr,
    life: CancellationToken,
    connections: Connections,
    /// What is wanted, and what is the case.
    port: watch::Sender<Port>,
    port_is: watch::Receiver<Port>,
}

/// The token that ends the connections accepted from now on.
#[derive(Debug, Clone)]
struct Connections(Arc<Mutex<CancellationToken>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Open,
    Closed,
}

impl Loopback {
    /// Serves `router` on a port that the system picks.
    pub(super) async fn start(router: Router, life: CancellationToken) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let connections = Connections(Arc::new(Mutex::new(life.child_token())));
        let (port, wanted) = watch::channel(Port::Open);
        let (reached, port_is) = watch::channel(Port::Open);
        let listener = CuttableListener {
            listener: Some(listener),
            address,
            connections: connections.clone(),
            wanted,
            reached,
        };
        let stop = life.clone();
        tokio::spawn(async move {
            let service = router.into_make_service_with_connect_info::<Connection>();
            tokio::select! {
                () = stop.cancelled() => {}
                _ = axum::serve(listener, service) => {}
            }
        });
        Ok(Self { address, life, connections, port, port_is })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Resets every open connection; new ones are served.
    pub(super) fn cut_connections(&self) {
        self.connections.cut(&self.life);
    }

    /// Closes the port and resets every connection.
    pub(super) async fn refuse(&self) {
        self.reach(Port::Closed).await;
        self.cut_connections();
    }

    /// Opens the port again.
    pub(super) async fn accept(&self) {
        self.reach(Port::Open).await;
    }

    async fn reach(&self, port: Port) {
        self.port.send_replace(port);
        // An error means that the server has ended: no port to wait for.
        let _ = self.port_is.clone().wait_for(|is| *is == port).await;
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

    fn next(&self) -> CancellationToken {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).child_token()
    }
}

/// The connection that a request came in on.
#[derive(Debug, Clone)]
pub(super) struct Connection(CancellationToken);

impl Connection {
    /// Resets this connection and no other.
    pub(super) fn cut(&self) {
        self.0.cancel();
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        Self(stream.io().token.clone())
    }
}

struct CuttableListener {
    listener: Option<TcpListener>,
    address: SocketAddr,
    connections: Connections,
    wanted: watch::Receiver<Port>,
    reached: watch::Sender<Port>,
}

impl CuttableListener {
    /// Closes or opens the port as wanted.
    async fn obey(&mut self) {
        let wanted = *self.wanted.borrow_and_update();
        self.listener = match wanted {
            Port::Closed => None,
            Port::Open => TcpListener::bind(self.address).await.ok(),
        };
        if (wanted == Port::Open) == self.listener.is_some() {
            self.reached.send_replace(wanted);
        }
    }
}

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (CuttableStream, SocketAddr) {
        /// Between two tries at what only time can cure: no file descriptors left, the port taken meanwhile.
        const PAUSE: Duration = Duration::from_millis(20);
        loop {
            let wanted = *self.wanted.borrow();
            let Some(listener) = &self.listener else {
                if wanted == Port::Open {
                    tokio::time::sleep(PAUSE).await;
                    self.obey().await;
                } else if self.wanted.changed().await.is_ok() {
                    self.obey().await;
                } else {
                    std::future::pending::<()>().await;
                }
                continue;
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => Some(accepted),
                Ok(()) = self.wanted.changed() => None,
            };
            match accepted {
                Some(Ok((stream, address))) => {
                    return (CuttableStream::new(stream, self.connections.next()), address);
                }
                Some(Err(_)) => tokio::time::sleep(PAUSE).await,
                None => self.obey().await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
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
            Poll::Ready(()) => {
                // A future that has completed must not be polled again.
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
