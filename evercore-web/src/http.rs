//! An HTTP server as a service of the program.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use evercore::Report;
use evercore::service::{Lifecycle, Service, ServiceError};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;
use tracing::{debug, error, info, warn};

/// The default time that open requests have to finish after a stop.
const DRAIN: Duration = Duration::from_secs(10);

/// The default for the most open connections.
const MAX_CONNECTIONS: usize = 10_000;

/// The time in which the head of a request has to arrive, from the opening of the connection or the last answer on it.
/// Longer than proxies keep connections open, so that it is they who close idle ones.
const HEAD_WITHIN: Duration = Duration::from_secs(75);

/// The wait after a connection could not be accepted, for example because the process has no file handle left.
const PAUSE: Duration = Duration::from_millis(100);

/// An HTTP/1.1 server for an axum router, as a [`Service`]. Made by [`http`].
#[must_use = "a service does nothing until it is run"]
pub struct Http {
    name: String,
    /// Closed once the service stops.
    listener: Option<TcpListener>,
    router: Router,
    drain: Duration,
    max_connections: usize,
}

/// Makes a service of an axum router, under the name `http`.
///
/// It is ready as soon as it accepts connections. When it is to stop, it closes the listener and the connections without
/// an open request, also those that have sent nothing yet, and lets the open requests finish. Connections that are still
/// open after [`drain`](Http::drain) are closed: a client or a handler that hangs does not hold the program up. The same
/// happens at once if the service's future is dropped. (`axum::serve` waits for such connections without a limit, and
/// leaves them open if its future is dropped.)
///
/// A client has 75 seconds to send the head of its next request; then its connection is closed. Handlers can extract
/// [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo).
///
/// # Upgraded connections
/// Once a connection is upgraded, for example to a WebSocket, it belongs to its handler: it no longer counts as open, and
/// is neither drained nor closed by the server. Such a handler learns of the stop from a token in the extensions of its
/// request, [`Extension<CancellationToken>`](axum::Extension), and should then end the connection. The token is
/// cancelled as soon as the server is to stop, or is dropped; tasks that the handler has spawned end with the runtime at
/// the latest.
///
/// # Example
/// ```no_run
/// use evercore::EventStore;
/// use evercore::service::{Lifecycle, Service, ServiceError};
/// use evercore_web::{Health, http};
/// use tokio::net::TcpListener;
/// use tokio_util::sync::CancellationToken;
///
/// # async fn example(store: EventStore) -> Result<(), ServiceError> {
/// let listener = TcpListener::bind("0.0.0.0:8080").await?;
/// let mut server = http(listener, Health::new(&store).router());
/// let stop = CancellationToken::new();
/// server.run(&Lifecycle::new(stop)).await
/// # }
/// ```
pub fn http(listener: TcpListener, router: Router) -> Http {
    Http {
        name: "http".to_owned(),
        listener: Some(listener),
        router,
        drain: DRAIN,
        max_connections: MAX_CONNECTIONS,
    }
}

impl Http {
    /// Sets the name of the service. Default: `http`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets how long open requests have to finish after a stop. Default: 10 seconds. Choose less than the time that the
    /// supervisor of the service gives it.
    pub const fn drain(mut self, time: Duration) -> Self {
        self.drain = time;
        self
    }

    /// Sets the most connections that are open at the same time. Further ones wait in the backlog of the operating
    /// system. Default: 10,000; 0 counts as 1.
    pub const fn max_connections(mut self, number: usize) -> Self {
        self.max_connections = if number == 0 { 1 } else { number };
        self
    }

    /// Waits until the connections have finished their requests, and closes those that have not in time.
    async fn drain_all(&self, mut connections: JoinSet<()>) {
        let (service, open, drain) = (&self.name, connections.len(), self.drain);
        info!(service, open, "the HTTP server is stopping");
        let finished = async {
            while let Some(ended) = connections.join_next().await {
                say_if_it_panicked(service, ended);
            }
        };
        if timeout(drain, finished).await.is_err() {
            let open = connections.len();
            warn!(
                service,
                open,
                ?drain,
                "requests have not finished in time; closing their connections"
            );
        }
        connections.shutdown().await;
    }
}

impl Service for Http {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&mut self, lifecycle: &Lifecycle) -> Result<(), ServiceError> {
        let Some(listener) = &self.listener else {
            let text = "the HTTP server was stopped, which closed its listener; make another one";
            return Err(ServiceError::permanent(text));
        };
        // Dropping it closes all connections.
        let mut connections = JoinSet::new();
        let stop = lifecycle.stop_token().child_token();
        let _cancelled_when_dropped = stop.clone().drop_guard();
        lifecycle.ready();
        loop {
            tokio::select! {
                biased;
                () = lifecycle.stopped() => break,
                Some(ended) = connections.join_next() => say_if_it_panicked(&self.name, ended),
                accepted = listener.accept(), if connections.len() < self.max_connections => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(serve(stream, peer, self.router.clone(), stop.clone()));
                    }
                    Err(error) if is_of_the_client(&error) => {}
                    Err(error) => {
                        warn!(service = self.name, error = %Report::new(&error), "cannot accept a connection; retrying");
                        lifecycle.stopped_within(PAUSE).await;
                    }
                }
            }
        }
        self.listener = None;
        self.drain_all(connections).await;
        Ok(())
    }
}

/// Serves a connection until it is closed, or, after a stop, until its request has finished. The router sees each
/// request with the address of the client, and with a token of the stop.
async fn serve(stream: TcpStream, peer: SocketAddr, router: Router, stop: CancellationToken) {
    // A handler that cancels it stops no other one.
    let of_the_handlers = stop.child_token();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(of_the_handlers.clone());
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, error = %Report::new(&error), "an HTTP connection has failed");
    }
}

/// Returns whether a connection has failed before it was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Logs that a handler has panicked, which ends its connection and no other.
fn say_if_it_panicked(service: &str, ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(service, error = %Report::new(&error), "a handler of HTTP requests has panicked");
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("name", &self.name).finish_non_exhaustive()
    }
}
