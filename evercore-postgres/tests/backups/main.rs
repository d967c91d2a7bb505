//! A store that was dumped and restored continues from the dump.

use evercore::{Aggregate, Apply, Error, EventMeta, EventStore, Position, event};
use evercore_postgres as _;
use sqlx::{Connection, PgConnection};
use throwaway_postgres::{Binaries, Server};

#[derive(Aggregate, Default)]
struct Counter(i64);

#[event(aggregate = Counter)]
struct Counted;

impl Apply<Counted> for Counter {
    fn apply(&mut self, _event: &Counted, _meta: &EventMeta) {
        self.0 += 1;
    }
}

async fn count(store: &EventStore, key: &str) -> Result<i64, Error> {
    store
        .with_context(async |ctx| {
            let mut counter = ctx.load_or_create::<Counter>(key).await?;
            ctx.apply(&mut counter, Counted)?;
            Ok(counter.state().0)
        })
        .await
}

/// Returns the positions, aggregates and sequences that a reader of the log sees.
async fn log(store: &EventStore) -> Vec<(i64, i64, i64)> {
    let page = store.read_log(Position::START, 100).await.expect("it can be read");
    let place = |event: &evercore::RecordedEvent| {
        (event.position().get(), event.aggregate_id().get(), event.sequence().get())
    };
    page.events.iter().map(place).collect()
}

async fn execute(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.expect("the statement is right");
}

#[tokio::test]
async fn a_restored_dump_has_the_same_log_and_goes_on_behind_it() {
    let server = Binaries::find()
        .and_then(|binaries| Server::start(&binaries, &["fsync=off"]))
        .unwrap_or_else(|failure| panic!("{failure}"));
    let run = |program, arguments: &[&str]| {
        server.run(program, arguments).unwrap_or_else(|failure| panic!("{failure}"));
    };
    let store = EventStore::connect(server.url()).await.expect("the server answers");
    for key in ["ada", "ada", "grace"] {
        count(&store, key).await.expect("it lands");
    }
    // A writer that has drawn a position which is not in the dump.
    let mut slow = PgConnection::connect(&server.url()).await.expect("the server answers");
    execute(
        &mut slow,
        "BEGIN; SELECT evercore.announce_floor(), nextval('evercore.event_positions')",
    )
    .await;

    let url = server.url();
    run("pg_dump", &["--format=custom", "--schema=evercore", "--file=store.dump", &url]);
    let dumped = log(&store).await;
    let restored_url = format!("{}/restored", url.trim_end_matches("/postgres"));
    run("createdb", &["--maintenance-db", &url, "restored"]);
    run(
        "pg_restore",
        &["--exit-on-error", "--single-transaction", "--dbname", &restored_url, "store.dump"],
    );

    let restored = EventStore::connect(&restored_url).await.expect("its schema is up to date");
    assert_eq!(log(&restored).await, dumped);
    assert_eq!(count(&restored, "ada").await.expect("it lands"), 3);
    assert_eq!(count(&restored, "new").await.expect("it lands"), 1);
    let grown = log(&restored).await;
    assert_eq!(grown[..dumped.len()], dumped);
    let (last, new) = (dumped.last().expect("three"), &grown[dumped.len()..]);
    assert_eq!(new.len(), 2);
    assert!(new.iter().all(|event| event.0 > last.0), "{new:?} come after {last:?}");
    assert!(dumped.iter().all(|event| event.1 != new[1].1), "no id is given again");
}
