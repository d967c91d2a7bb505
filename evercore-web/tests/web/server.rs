//! The HTTP server as a service.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, UPGRADE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use evercore::service::{Lifecycle, Service};
use evercore_web::http;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::PATIENCE;
use crate::client::Server;

const HEAD: &str = "GET / HTTP/1.1\r\nhost: lamps\r\n";

/// Reads until the connection is closed.
async fn rest(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, connection.read_to_end(&mut bytes)).await;
    // A connection that is cut may end with an error.
    let _: std::io::Result<usize> = read.expect("it is closed in time");
    String::from_utf8(bytes).expect("a text")
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.expect("it accepts connections")
}

/// Reads an answer with the body `ok` on a connection that stays open.
async fn expect_ok(connection: &mut TcpStream) {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\nok") {
        let mut bytes = [0; 512];
        let read =
            timeout(PATIENCE, connection.read(&mut bytes)).await.expect("it answers in time");
        let read = read.expect("it is open");
        assert_ne!(read, 0, "closed after {text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
}

/// A router whose handler reports that it has begun, and waits for a release.
fn slow() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (begun, release) = (Arc::clone(&begun), Arc::clone(&release));
        async move || {
            begun.notify_one();
            release.notified().await;
            "ok"
        }
    };
    (Router::new().route("/", get(handler)), begun, release)
}

#[tokio::test]
async fn idle_connections_do_not_delay_a_stop() {
    let router = Router::new().route("/", get(async || "ok"));
    let server = Server::with(router, |server| server.drain(Duration::from_secs(3_600))).await;
    let mut kept_alive = connect(&server).await;
    kept_alive.write_all(format!("{HEAD}\r\n").as_bytes()).await.expect("it is open");
    expect_ok(&mut kept_alive).await;
    let mut silent = connect(&server).await;
    // The server has accepted the silent connection once it has answered on a later one.
    assert_eq!(server.get("/").await.text, "ok");

    let address = server.address;
    server.shutdown().await.expect("it stops");
    assert_eq!(rest(&mut kept_alive).await, "");
    assert_eq!(rest(&mut silent).await, "");
    let refused = TcpStream::connect(address).await;
    assert!(refused.is_err(), "the listener is closed");
}

#[tokio::test]
async fn an_open_request_finishes_after_a_stop() {
    let (router, begun, release) = slow();
    let server = Server::with(router, |server| server.drain(Duration::from_secs(3_600))).await;
    let mut connection = connect(&server).await;
    connection.write_all(format!("{HEAD}\r\n").as_bytes()).await.expect("it is open");
    begun.notified().await;
    server.stop.cancel();
    release.notify_one();
    let answer = rest(&mut connection).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"),
        "{answer}"
    );
    server.shutdown().await.expect("it stops");
}

#[tokio::test]
async fn connections_that_hang_are_cut_after_the_drain() {
    let (router, begun, _never_released) = slow();
    let server = Server::with(router, |server| server.drain(Duration::from_millis(200))).await;
    let mut handled = connect(&server).await;
    handled.write_all(format!("{HEAD}\r\n").as_bytes()).await.expect("it is open");
    begun.notified().await;
    let mut half_sent = connect(&server).await;
    half_sent.write_all(HEAD.as_bytes()).await.expect("it is open");

    let began = Instant::now();
    server.shutdown().await.expect("it stops");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(rest(&mut handled).await, "");
    assert_eq!(rest(&mut half_sent).await, "");
}

#[tokio::test]
async fn a_server_that_is_dropped_closes_its_connections() {
    let (router, begun, _never_released) = slow();
    let server = Server::start(router).await;
    let mut connection = connect(&server).await;
    connection.write_all(format!("{HEAD}\r\n").as_bytes()).await.expect("it is open");
    begun.notified().await;
    server.running.abort();
    assert_eq!(rest(&mut connection).await, "");
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_connection_alone() {
    let router = Router::new()
        .route("/", get(async || -> &'static str { panic!("a spider") }))
        .route("/fine", get(async || "ok"));
    let server = Server::start(router).await;
    let mut connection = connect(&server).await;
    connection.write_all(format!("{HEAD}\r\n").as_bytes()).await.expect("it is open");
    assert_eq!(rest(&mut connection).await, "");
    assert_eq!(server.get("/fine").await.text, "ok");
}

#[tokio::test]
async fn further_connections_wait_for_a_place() {
    further_connections_wait(1).await;
}

#[tokio::test]
async fn a_server_has_a_place_at_least() {
    further_connections_wait(0).await;
}

/// Asks twice of a server that has one place.
async fn further_connections_wait(max: usize) {
    let router = Router::new().route("/", get(async || "ok"));
    let server = Server::with(router, |server| server.max_connections(max)).await;
    let mut first = connect(&server).await;
    first.write_all(format!("{HEAD}\r\n").as_bytes()).await.expect("it is open");
    expect_ok(&mut first).await;
    // The operating system takes the connection and the request, and the server does not look at them.
    let mut second = connect(&server).await;
    second.write_all(format!("{HEAD}\r\n").as_bytes()).await.expect("it is open");
    let early = timeout(Duration::from_millis(100), second.readable()).await;
    assert!(early.is_err(), "there is no place");
    drop(first);
    expect_ok(&mut second).await;
}

/// Upgrades the connection, on which a task says goodbye when the server stops.
async fn upgrade(Extension(stop): Extension<CancellationToken>, mut request: Request) -> Response {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut connection = TokioIo::new(upgraded.await.expect("it is upgraded"));
        connection.write_all(b"hello ").await.expect("it is open");
        stop.cancelled().await;
        connection.write_all(b"goodbye").await.expect("it is open");
    });
    let headers = [(CONNECTION, "upgrade"), (UPGRADE, "lamps")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// Opens a connection and has it upgraded.
async fn upgraded(server: &Server) -> TcpStream {
    let mut connection = connect(server).await;
    let asks = format!("{HEAD}connection: upgrade\r\nupgrade: lamps\r\n\r\n");
    connection.write_all(asks.as_bytes()).await.expect("it is open");
    let mut text = Vec::new();
    while !text.ends_with(b"hello ") {
        let byte = timeout(PATIENCE, connection.read_u8()).await.expect("it answers in time");
        text.push(byte.expect("it is open"));
    }
    connection
}

#[tokio::test]
async fn an_upgraded_connection_counts_no_longer_and_its_handler_learns_of_the_stop() {
    let router = Router::new().route("/", get(upgrade)).route("/fine", get(async || "ok"));
    let server = Server::with(router, |server| server.max_connections(1)).await;
    let mut connection = upgraded(&server).await;
    assert_eq!(server.get("/fine").await.text, "ok", "its place is free");
    server.shutdown().await.expect("it stops");
    assert_eq!(rest(&mut connection).await, "goodbye");
}

#[tokio::test]
async fn the_handler_of_an_upgraded_connection_learns_that_the_server_was_dropped() {
    let server = Server::start(Router::new().route("/", get(upgrade))).await;
    let mut connection = upgraded(&server).await;
    server.running.abort();
    assert_eq!(rest(&mut connection).await, "goodbye");
}

#[tokio::test]
async fn handlers_know_the_address_of_the_client() {
    let peer = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string();
    let server = Server::start(Router::new().route("/", get(peer))).await;
    assert_eq!(server.get("/").await.text, "127.0.0.1");
}

#[tokio::test]
async fn a_server_has_a_name_and_is_not_run_again_after_its_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut server = http(listener, Router::new());
    assert_eq!(Service::name(&server), "http");
    let stop = CancellationToken::new();
    let lifecycle = Lifecycle::new(stop.clone());
    stop.cancel();
    server.run(&lifecycle).await.expect("it stops");
    assert!(lifecycle.is_ready());
    let again = server.run(&lifecycle).await.expect_err("its listener is closed");
    assert!(!again.may_pass() && again.to_string().contains("make another one"), "{again}");
}
