//! A store that cannot be opened reports the reason at once, but waits for a server that is starting.

use std::time::Duration;

use evercore::error::OpenProblem;
use evercore::{Error, EventStore};
use sqlx::postgres::PgConnectOptions;
use throwaway_postgres::{Binaries, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::secrets::Log;

/// Far less than a store waits for a server that does not answer.
const AT_ONCE: Duration = Duration::from_secs(5);

async fn problem(url: &str) -> OpenProblem {
    let opened = timeout(AT_ONCE, EventStore::connect(url)).await.expect("it is said at once");
    match opened {
        Err(Error::CannotOpen { problem, source: Some(_), .. }) => problem,
        other => panic!("{other:?}"),
    }
}

fn options() -> PgConnectOptions {
    crate::url().parse().expect("a URL")
}

/// Returns a port on which nothing listens; it was free a moment ago.
async fn unused_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("it has an address").port()
}

#[tokio::test]
async fn a_refused_connection_is_reported_at_once() {
    let url = format!("postgres://app@127.0.0.1:{}/bank", unused_port().await);
    assert_eq!(problem(&url).await, OpenProblem::ConnectionRefused);
    let socket = "postgres:///bank?host=/no/such/folder&user=app";
    assert_eq!(problem(socket).await, OpenProblem::ConnectionRefused);
}

#[tokio::test]
async fn an_unknown_host_is_reported_at_once() {
    // Longer than a label in a host name may be, so that no name server is asked.
    let url = format!("postgres://app@{}/bank", "h".repeat(100));
    assert_eq!(problem(&url).await, OpenProblem::UnknownHost);
}

#[tokio::test]
async fn a_missing_database_is_reported_at_once() {
    let options = options();
    let url = format!(
        "postgres://{}@{}:{}/no_such_database",
        options.get_username(),
        options.get_host(),
        options.get_port()
    );
    assert_eq!(problem(&url).await, OpenProblem::NoSuchDatabase);
}

#[tokio::test]
async fn an_unknown_user_is_reported_at_once() {
    let options = options();
    let url =
        format!("postgres://no_such_user@{}:{}/postgres", options.get_host(), options.get_port());
    assert_eq!(problem(&url).await, OpenProblem::AccessDenied);
}

#[tokio::test]
async fn missing_rights_are_reported_at_once() {
    let mut sql = crate::sql().await;
    let role = "failures_opening_guest";
    let setup = format!(
        "DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
         DROP SCHEMA IF EXISTS failures_unreadable CASCADE;
         DROP SCHEMA IF EXISTS failures_fixed CASCADE; CREATE SCHEMA failures_fixed;
         GRANT USAGE ON SCHEMA failures_fixed TO {role}"
    );
    crate::execute(&mut sql, &setup).await;
    EventStore::connect(with_schema(&crate::url(), "failures_unreadable"))
        .await
        .expect("it migrates");
    let url = crate::url().replace("postgres@", &format!("{role}@"));
    // It may not use a schema, create one in the database, or create tables in one.
    for schema in ["failures_unreadable", "failures_missing", "failures_fixed"] {
        assert_eq!(
            problem(&with_schema(&url, schema)).await,
            OpenProblem::NoPermission,
            "{schema}"
        );
    }
}

fn with_schema(url: &str, schema: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}schema={schema}")
}

#[tokio::test]
async fn a_server_that_starts_after_the_store_is_waited_for() {
    let binaries = Binaries::find().unwrap_or_else(|failure| panic!("{failure}"));
    let mut server =
        Server::start(&binaries, &["fsync=off"]).unwrap_or_else(|failure| panic!("{failure}"));
    server.crash().expect("it stops");
    let url = server.url();
    assert_eq!(problem(&url).await, OpenProblem::ConnectionRefused);

    let log = Log::default();
    let _listening = log.listen();
    // The subscriber is of this thread, so that the store is opened in this task.
    let opening = EventStore::builder().wait_for_database(Duration::from_secs(60)).connect(&url);
    let starting = async {
        while !log.text().contains("the database cannot be used yet; trying again") {
            tokio::task::yield_now().await;
        }
        let restarted = tokio::task::spawn_blocking(move || server.restart().map(|()| server));
        restarted.await.expect("no panic").expect("it starts")
    };
    let (store, _server) = tokio::join!(opening, starting);
    store.expect("the server has started").close().await.expect("it closes");
    assert!(log.text().contains("Connection refused"), "{}", log.text());
    assert!(log.text().contains("the database can be used now"), "{}", log.text());
}

#[tokio::test]
async fn a_database_that_does_not_come_up_by_itself_is_not_waited_for() {
    let options = options();
    let url = format!(
        "postgres://{}@{}:{}/no_such_database",
        options.get_username(),
        options.get_host(),
        options.get_port()
    );
    let opening = EventStore::builder().wait_for_database(Duration::from_secs(600)).connect(&url);
    let opened = timeout(AT_ONCE, opening).await.expect("it is said at once");
    let problem = OpenProblem::NoSuchDatabase;
    assert!(matches!(&opened, Err(Error::CannotOpen { problem: found, .. }) if *found == problem));
}

/// Refuses the first connections like a server that is starting, and forwards the others to a running server.
async fn starting(refused: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it has an address").port();
    let (host, server_port) = (options().get_host().to_owned(), options().get_port());
    tokio::spawn(async move {
        let mut connections = 0;
        while let Ok((mut client, _)) = listener.accept().await {
            connections += 1;
            if connections <= refused {
                let mut request = [0; 512];
                let asked = client.read(&mut request).await.expect("it says who it is");
                assert_ne!(asked, 0);
                let fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0";
                let length = u32::try_from(fields.len() + 4).expect("it is short");
                let answer = [&b"E"[..], &length.to_be_bytes(), fields].concat();
                client.write_all(&answer).await.expect("it waits for the answer");
                continue;
            }
            let mut server =
                TcpStream::connect((&*host, server_port)).await.expect("the server answers");
            tokio::spawn(async move {
                // Either end may be closed first.
                let _: Result<_, _> = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

fn through(port: u16, options: &str) -> String {
    let user = self::options().get_username().to_owned();
    format!(
        "postgres://{user}@127.0.0.1:{port}/postgres?sslmode=disable&schema=failures_opening{options}"
    )
}

#[tokio::test]
async fn a_server_that_is_starting_is_waited_for() {
    let port = starting(3).await;
    let store = EventStore::connect(through(port, "")).await.expect("it has started");
    store.close().await.expect("nothing is under way");
}

#[tokio::test]
async fn a_server_that_never_starts_is_waited_for_so_long() {
    let port = starting(usize::MAX).await;
    assert_eq!(problem(&through(port, "&acquire_timeout_ms=200")).await, OpenProblem::Unreachable);
}
