//! The transactions that hold the frontier back are reported.

use std::any::Any;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evercore::Position;
use evercore::engine::StorageEngine;
use evercore_postgres::{FrontierHolder, PostgresEngine};
use sqlx::Connection;
use tracing_subscriber::fmt::MakeWriter;

use super::{Log, execute};

impl Log {
    async fn holders(&self) -> Vec<FrontierHolder> {
        let engine: &dyn StorageEngine = self.store.engine();
        let engine: &dyn Any = engine;
        let engine: &PostgresEngine = engine.downcast_ref().expect("it is on PostgreSQL");
        engine.frontier_holders().await.expect("the server answers")
    }
}

/// The recorded log.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<u8>>>);

impl Journal {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Journal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Journal {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn an_open_writer_is_named_with_its_process_and_statement() {
    let log = Log::new("holders_open").await;
    assert_eq!(log.holders().await, []);
    let mut writer = log.slow_writer().await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut writer)
        .await
        .expect("a number");
    log.overtake().await;

    let holders = log.holders().await;
    let [holder] = &*holders else { panic!("one holder, not {holders:?}") };
    assert_eq!((holder.floor, holder.pid), (Position::new(2).expect("a position"), Some(pid)));
    assert_eq!(holder.state.as_deref(), Some("idle in transaction"));
    assert_eq!(holder.query.as_deref(), Some("SELECT pg_backend_pid()"));
    assert!(holder.age.is_some_and(|age| age < Duration::from_secs(60)), "{:?}", holder.age);

    execute(&mut writer, "COMMIT".to_owned()).await;
    assert_eq!(log.holders().await, []);
}

#[tokio::test]
async fn a_prepared_transaction_is_named() {
    let log = Log::new("holders_prepared").await;
    let mut writer = log.slow_writer().await;
    execute(&mut writer, "PREPARE TRANSACTION 'holders_prepared'".to_owned()).await;
    writer.close().await.expect("it says goodbye");
    log.overtake().await;

    let holders = log.holders().await;
    let [holder] = &*holders else { panic!("one holder, not {holders:?}") };
    assert_eq!((holder.pid, holder.prepared.as_deref()), (None, Some("holders_prepared")));
    assert!(holder.to_string().starts_with("the prepared transaction `holders_prepared`"));

    let mut other = Log::connect(&log.url).await;
    execute(&mut other, "ROLLBACK PREPARED 'holders_prepared'".to_owned()).await;
}

#[tokio::test]
async fn a_frontier_that_stands_still_is_warned_of() {
    let journal = Journal::default();
    let subscriber = tracing_subscriber::fmt().with_writer(journal.clone()).with_ansi(false);
    let _guard = tracing::subscriber::set_default(subscriber.finish());

    let log = Log::with("holders_warning", |options| {
        options.frontier_patience(Duration::from_millis(20))
    })
    .await;
    let mut writer = log.slow_writer().await;
    log.overtake().await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !journal.text().contains("wait for a transaction to end") {
        assert!(tokio::time::Instant::now() < deadline, "no warning in {:?}", journal.text());
        log.shown().await;
    }
    assert!(journal.text().contains("idle in transaction"), "{}", journal.text());

    execute(&mut writer, "COMMIT".to_owned()).await;
    log.shown().await;
    let said = journal.text().len();
    log.shown().await;
    assert_eq!(journal.text().len(), said, "a frontier that moves is no reason to warn");
}
