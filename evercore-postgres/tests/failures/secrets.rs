//! Passwords appear neither in error messages nor in the log.

use std::error::Error as _;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evercore::error::OpenProblem;
use evercore::{Error, EventStore};
use evercore_postgres::PostgresOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use throwaway_postgres::{Binaries, Server};
use tokio::time::{Instant, sleep};
use tracing::Level;
use tracing::subscriber::DefaultGuard;

use crate::execute;

const PASSWORD: &str = "hunter2";
const RIGHT_PASSWORD: &str = "correct-horse";

/// The log of this thread, and therefore of a single-threaded runtime.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn listen(&self) -> DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns everything that an error could write to a log.
fn all_words(error: &Error) -> String {
    let mut words = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(inner) = source {
        words.push_str(&format!(" {inner} {inner:?}"));
        source = inner.source();
    }
    words
}

async fn refusal(url: String) -> Error {
    let log = Log::default();
    let _listening = log.listen();
    let error = EventStore::connect(url).await.expect_err("it is refused");
    assert!(!all_words(&error).contains(PASSWORD), "{}", all_words(&error));
    assert!(!log.text().contains(PASSWORD), "{}", log.text());
    error
}

/// The control: the driver logs an unknown option with its value, and the test sees it.
#[tokio::test]
async fn log_lines_of_the_driver_are_captured() {
    let log = Log::default();
    let _listening = log.listen();
    let url = format!("postgres://app@localhost/bank?pasword={PASSWORD}");
    let _: PgConnectOptions = url.parse().expect("the driver takes it");
    assert!(log.text().contains(PASSWORD), "{}", log.text());
}

#[tokio::test]
async fn a_password_that_is_wrong_is_not_repeated() {
    let binaries = Binaries::find().unwrap_or_else(|failure| panic!("{failure}"));
    let server =
        Server::start(&binaries, &["fsync=off"]).unwrap_or_else(|failure| panic!("{failure}"));
    let mut sql = PgConnection::connect(&server.url()).await.expect("it answers");
    execute(
        &mut sql,
        "CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'correct-horse';
         DO $$
         BEGIN
             EXECUTE format(
                 $copy$COPY (VALUES
                     ('host all guarded 127.0.0.1/32 scram-sha-256'), ('host all all 127.0.0.1/32 trust')
                 ) TO %L$copy$,
                 current_setting('hba_file')
             );
         END $$;
         SELECT pg_reload_conf()",
    )
    .await;
    let options: PgConnectOptions = server.url().parse().expect("a URL");
    let url = |password: &str| {
        format!("postgres://guarded:{password}@127.0.0.1:{}/postgres", options.get_port())
    };
    // The server reads the file asynchronously.
    let deadline = Instant::now() + Duration::from_secs(10);
    while PgConnection::connect(&url(PASSWORD)).await.is_ok() {
        assert!(Instant::now() < deadline, "the server has not read the file");
        sleep(Duration::from_millis(5)).await;
    }

    let error = refusal(url(PASSWORD)).await;
    let is_refused = matches!(&error, Error::CannotOpen { problem: OpenProblem::AccessDenied, .. });
    assert!(is_refused, "{error:?}");
    assert!(all_words(&error).contains("password authentication failed"), "{error:?}");

    let log = Log::default();
    let _listening = log.listen();
    let store = EventStore::connect(url(RIGHT_PASSWORD)).await.expect("it is right");
    store.warmup().await.expect("it answers");
    let shown = format!("{store:?}");
    store.close().await.expect("it closes");
    assert!(log.text().contains("SELECT"), "statements are logged: {}", log.text());
    for text in [shown, log.text()] {
        assert!(!text.contains(RIGHT_PASSWORD), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_the_password() {
    // The port was free a moment ago, so nothing listens on it.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let url = format!("postgres://app:{PASSWORD}@127.0.0.1:{port}/bank?acquire_timeout_ms=200");
    let error = refusal(url).await;
    let is_unreachable =
        matches!(&error, Error::CannotOpen { problem: OpenProblem::ConnectionRefused, .. });
    assert!(is_unreachable && error.is_retryable(), "{error:?}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}/bank")), "{error}");
}

#[tokio::test]
async fn a_url_that_cannot_be_read_is_not_repeated() {
    for url in [
        format!("postgres://app:{PASSWORD}@127.0.0.1:port/bank"),
        format!("postgres://app:{PASSWORD}@[::1/bank"),
        format!("postgres://app:{PASSWORD}@localhost/bank?readers=many"),
        format!("postgres://app:{PASSWORD}@localhost/bank?sslmode=perhaps"),
        format!("postgres://app:{PASSWORD}@localhost/bank?colour=red"),
        format!("postgres://app:{PASSWORD}@localhost/bank?schema=Bank"),
        // A misspelled option.
        format!("postgres://app@localhost/bank?pasword={PASSWORD}"),
        format!("postgres://app@localhost/bank?{PASSWORD}"),
        // A password with characters that must be escaped.
        format!("postgres://app:1?{PASSWORD}@localhost/bank"),
        format!("postgres://app:1?readers={PASSWORD}@localhost/bank"),
        format!("postgres://app:1?schema={PASSWORD}@localhost/bank"),
        format!("postgres://app:1?notifications={PASSWORD}@localhost/bank"),
        format!("postgres://app:1#{PASSWORD}@localhost/bank?readers=0"),
        format!("postgres://app:x/{PASSWORD}@localhost/bank"),
        format!("postgres://app:%ff{PASSWORD}@localhost/bank"),
        format!("postgres:app:{PASSWORD}@localhost:port/bank?host=[::1&readers=0"),
        format!("app{PASSWORD}@localhost:5432/bank"),
        // An extra colon or slash, which would make the rest the name of a database.
        format!("postgres:://app:{PASSWORD}@localhost/bank"),
        format!("postgres:///app:{PASSWORD}@localhost/bank"),
        format!("postgres:/app:{PASSWORD}@localhost/bank"),
        format!("postgres://app:5432/{PASSWORD}@localhost/bank"),
    ] {
        let error = refusal(url).await;
        assert!(matches!(&error, Error::InvalidUrl { .. }), "{error:?}");
    }
}

#[test]
fn options_are_shown_without_the_password() {
    let url = format!("postgres://app:{PASSWORD}@localhost/bank");
    let options: PostgresOptions = url.parse().expect("a URL");
    let shown = format!("{options:?}");
    assert!(shown.contains("localhost") && !shown.contains(PASSWORD), "{shown}");
}
