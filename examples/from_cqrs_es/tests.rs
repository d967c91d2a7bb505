//! Moves a table that SQL has filled, on a throw-away server.

use std::time::Duration;

use evercore::EventStore;
use evercore::chrono::{DateTime, TimeZone, Utc};
use evercore_examples::Program;
use sqlx::{Connection, PgConnection};
use throwaway_postgres::{Binaries, Server};

use crate::check::{Checked, check};
use crate::domain::{Account, AccountOpened, MoneyDeposited};
use crate::error::MoveError;
use crate::mover::{move_events, read_progress};
use crate::old;

/// The variable that holds the database URL of [`program`].
const DB: &str = "FROM_CQRS_ES_TEST_DB";
/// Small, so that a move takes many commits.
const BATCH: u32 = 2;

const CREATE: &str = include_str!("create.sql");
const FILL: &str = include_str!("fill.sql");

struct Database {
    server: Server,
    table: PgConnection,
    store: EventStore,
}

impl Database {
    /// Returns a table with so many accounts of so many deposits each, and an empty store in the same database.
    async fn with(accounts: i32, deposits: i32) -> anyhow::Result<Self> {
        let server = Server::start(&Binaries::find()?, &["fsync=off"])?;
        let mut table = PgConnection::connect(&server.url()).await?;
        sqlx::raw_sql(CREATE).execute(&mut table).await?;
        sqlx::query(FILL).bind(accounts).bind(deposits).execute(&mut table).await?;
        let store = EventStore::connect(server.url()).await?;
        Ok(Self { server, table, store })
    }

    async fn execute(&mut self, sql: &'static str) -> anyhow::Result<()> {
        sqlx::raw_sql(sql).execute(&mut self.table).await?;
        Ok(())
    }

    async fn rows(&mut self) -> anyhow::Result<u64> {
        let count = "SELECT COUNT(*) FROM events WHERE aggregate_type = 'account'";
        let count: i64 = sqlx::query_scalar(count).fetch_one(&mut self.table).await?;
        Ok(count.unsigned_abs())
    }

    async fn move_events(&mut self) -> Result<u64, MoveError> {
        move_events(&mut self.table, &self.store, BATCH, |_| ()).await
    }

    async fn check(&mut self) -> Result<Checked, MoveError> {
        check(&mut self.table, &self.store).await
    }

    async fn moved(&self) -> anyhow::Result<u64> {
        Ok(read_progress(&self.store).await?.moved)
    }
}

fn hour(hour: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2020, 1, 1, hour, 0, 0).single().expect("it is a time")
}

/// The program itself and not a test, run in a process that the test below kills.
#[tokio::test]
#[ignore = "it is run by the test that kills it"]
async fn program() -> anyhow::Result<()> {
    let Ok(url) = std::env::var(DB) else { return Ok(()) };
    let mut table = PgConnection::connect(&url).await?;
    move_events(&mut table, &EventStore::connect(url).await?, BATCH, |_| ()).await?;
    Ok(())
}

#[tokio::test]
async fn a_move_that_is_killed_again_and_again_loses_and_doubles_nothing() -> anyhow::Result<()> {
    let mut database = Database::with(200, 10).await?;
    let all = database.rows().await?;
    for kill in 1..=3 {
        let url = database.server.url();
        let mut program = Program::start("tests::program", &[(DB, &url)])?;
        while database.moved().await? < kill * 100 {
            program.check_runs()?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        program.kill()?;
    }
    let before = database.moved().await?;
    assert!((300..all).contains(&before), "{before} of {all} were moved before the last kill");
    assert_eq!(database.move_events().await?, all - before, "the rest");
    assert_eq!(database.check().await?, Checked { accounts: 200, events: all });
    assert_eq!(database.move_events().await?, 0, "another pass finds nothing new");
    Ok(())
}

#[tokio::test]
async fn events_behind_the_place_of_a_killed_move_are_moved_by_the_next() -> anyhow::Result<()> {
    let mut database = Database::with(200, 10).await?;
    let url = database.server.url();
    let mut program = Program::start("tests::program", &[(DB, &url)])?;
    while database.moved().await? < 100 {
        program.check_runs()?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    program.kill()?;
    let killed = read_progress(&database.store).await?;
    let place = killed.after.expect("it was killed in the middle");
    assert!(*place.id > *"account-1", "{place}");
    database
        .execute(
            r#"INSERT INTO events VALUES
                ('account', 'account', 1, 'AccountOpened', '1.0', '{"AccountOpened": {"owner": "Grace"}}', '{"time": "2020-01-02T00:00:00Z"}')"#,
        )
        .await?;
    let all = database.rows().await?;
    assert_eq!(database.move_events().await?, all - killed.moved);
    assert_eq!(database.check().await?, Checked { accounts: 201, events: all });
    assert_eq!(read_progress(&database.store).await?.passes, 2);
    Ok(())
}

#[tokio::test]
async fn ids_times_and_metadata_are_kept_and_old_shapes_converted() -> anyhow::Result<()> {
    let mut database = Database::with(4, 2).await?;
    database.move_events().await?;
    let account = database
        .store
        .with_readonly_context(async |ctx| ctx.load_by_key::<Account>("account-3").await)
        .await?;
    assert_eq!((&*account.state().owner, account.state().cents), ("Ada 3", 300 + 2 - 7));
    let events = database.store.history(account.id(), ..).await?.events;
    assert_eq!(events.len(), 4);
    assert_eq!(events[0].decode::<AccountOpened>()?.owner, "Ada 3");
    assert_eq!(events[1].decode::<MoneyDeposited>()?.cents, 300, "it was stored as 3 euros");
    for (event, sequence) in events.iter().zip(1..) {
        assert_eq!(event.event_time(), hour(sequence));
        assert_eq!(event.metadata().principal_id(), Some("teller-0"));
        let ip = event.metadata().get("ip").and_then(serde_json::Value::as_str);
        assert_eq!((ip, event.metadata().get("time")), (Some("10.0.0.3"), None));
    }
    Ok(())
}

#[tokio::test]
async fn events_that_the_old_service_writes_meanwhile_are_in_the_next_pass() -> anyhow::Result<()> {
    let mut database = Database::with(3, 1).await?;
    database.move_events().await?;
    // The first account, which a pass reads first, and one that is new.
    database
        .execute(
            r#"INSERT INTO events VALUES
                ('account', 'account-1', 4, 'MoneyDeposited', '2.0', '{"MoneyDeposited": {"cents": 5}}', '{"time": "2020-01-02T00:00:00Z"}'),
                ('account', 'account', 1, 'AccountOpened', '1.0', '{"AccountOpened": {"owner": "Grace"}}', '{"time": "2020-01-02T00:00:00Z"}'),
                ('customer', '1', 1, 'Moved', '1.0', '{}', '{}')"#,
        )
        .await?;
    let differs = database.check().await.expect_err("two events are missing");
    assert!(matches!(&differs, MoveError::Differs { id, .. } if id == "account"), "{differs}");
    assert_eq!(database.move_events().await?, 2);
    assert_eq!(database.check().await?, Checked { accounts: 4, events: 3 * 3 + 1 + 2 });
    assert_eq!(old::other_types(&mut database.table).await?, [("customer".to_owned(), 1)]);
    Ok(())
}

#[tokio::test]
async fn a_row_that_cannot_be_moved_is_named_and_the_move_continues_there() -> anyhow::Result<()> {
    let mut database = Database::with(2, 1).await?;
    let spoil = "UPDATE events SET payload = '{\"AccountLent\": {}}' WHERE aggregate_id = 'account-2' AND sequence = 2";
    database.execute(spoil).await?;
    let stopped = database.move_events().await.expect_err("the event is unknown");
    assert!(stopped.to_string().starts_with("cannot read event 2 of `account-2`"), "{stopped}");
    assert!(database.moved().await? >= 2, "a batch before it is moved");

    let untime = "UPDATE events SET payload = '{\"MoneyDeposited\": {\"cents\": 1}}', event_version = '2.0', metadata = '{}'
        WHERE aggregate_id = 'account-2' AND sequence = 2";
    database.execute(untime).await?;
    let stopped = database.move_events().await.expect_err("it has no time");
    assert!(matches!(stopped, MoveError::NoTime(_)), "{stopped}");

    let refused =
        "UPDATE events SET metadata = '{\"time\": \"2020-01-01T00:00:00Z\", \"user\": \"\"}'
        WHERE aggregate_id = 'account-2' AND sequence = 2";
    database.execute(refused).await?;
    let stopped = database.move_events().await.expect_err("a principal is not empty");
    let place = "the store refuses event 2 of `account-2`";
    assert!(stopped.to_string().starts_with(place), "{stopped}");

    let gap = "DELETE FROM events WHERE aggregate_id = 'account-2' AND sequence = 2";
    database.execute(gap).await?;
    let stopped = database.move_events().await.expect_err("event 2 is missing");
    assert!(matches!(stopped, MoveError::Gap { last: 1, .. }), "{stopped}");

    let mend = r#"INSERT INTO events VALUES
        ('account', 'account-2', 2, 'MoneyDeposited', '2.0', '{"MoneyDeposited": {"cents": 9}}', '{"time": "2020-01-01T00:00:00Z"}')"#;
    database.execute(mend).await?;
    let all = database.rows().await?;
    let before = database.moved().await?;
    assert_eq!(database.move_events().await?, all - before);
    assert_eq!(database.check().await?, Checked { accounts: 2, events: all });
    Ok(())
}

#[tokio::test]
async fn two_moves_at_once_append_each_event_once() -> anyhow::Result<()> {
    let mut database = Database::with(20, 3).await?;
    let all = database.rows().await?;
    let mut other = PgConnection::connect(&database.server.url()).await?;
    let (one, two) = tokio::join!(
        move_events(&mut database.table, &database.store, BATCH, |_| ()),
        move_events(&mut other, &database.store, BATCH, |_| ()),
    );
    one?;
    two?;
    assert_eq!(database.moved().await?, all);
    assert_eq!(database.check().await?, Checked { accounts: 20, events: all });
    Ok(())
}

#[tokio::test]
async fn the_check_finds_a_state_that_differs() -> anyhow::Result<()> {
    let mut database = Database::with(2, 1).await?;
    database.move_events().await?;
    let change = "UPDATE events SET payload = '{\"AccountOpened\": {\"owner\": \"Eve\"}}' WHERE aggregate_id = 'account-2' AND sequence = 1";
    database.execute(change).await?;
    let differs = database.check().await.expect_err("the owner differs");
    assert!(matches!(&differs, MoveError::Differs { id, .. } if id == "account-2"), "{differs}");
    Ok(())
}
