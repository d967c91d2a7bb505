//! Counts the round trips of commits and loads with a proxy between the engine and the server.
//!
//! Each operation is repeated many times before the count is checked, so that messages that follow a call late are
//! counted as well.

mod frames;
mod proxy;

use evercore::{
    Aggregate, AggregateId, Apply, Error, EventMeta, EventStore, Expected, Stream, event,
};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use proxy::{Proxy, RoundTrip};

const TIMES: usize = 50;

#[derive(Aggregate, Clone, Default, serde::Serialize, serde::Deserialize)]
#[aggregate(snapshot_every = 10)]
struct Account {
    balance: i64,
}

#[event(aggregate = Account)]
struct Deposited {
    amount: i64,
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _meta: &EventMeta) {
        self.balance += event.amount;
    }
}

/// A store in its own schema, behind a recording proxy.
struct Tapped {
    store: EventStore,
    proxy: Proxy,
}

impl Tapped {
    async fn new(schema: &str) -> Self {
        let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
        let mut sql = PgConnection::connect(&url).await.expect("the server answers");
        let drop = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut sql).await.expect("it is ours");

        let connect: PgConnectOptions = url.parse().expect("a URL");
        let proxy = Proxy::start(connect.get_host().to_owned(), connect.get_port()).await;
        // The proxy cannot read encrypted messages.
        let connect = connect.host("127.0.0.1").port(proxy.port()).ssl_mode(PgSslMode::Disable);
        // One connection of each kind, which stays warm after its first use. Notifications are sent asynchronously.
        let options = PostgresOptions::new(connect).readers(1).writers(1).without_notifications();
        let options = options.schema(schema).expect("a schema name");
        let engine = PostgresEngine::open(options).await.expect("the server answers");
        let store = EventStore::builder().open(engine).await.expect("it migrates");
        store.warmup().await.expect("the server answers");
        Self { store, proxy }
    }

    /// Creates an account with this many deposits of 1.
    async fn account(&self, key: &str, deposits: usize) -> AggregateId {
        let created = self.store.with_context(async |ctx| {
            let mut account = ctx.create_with_key::<Account>(key).await?;
            for _ in 0..deposits {
                ctx.apply(&mut account, Deposited { amount: 1 })?;
            }
            Ok::<_, Error>(account.id())
        });
        created.await.expect("the key is free")
    }

    async fn balance(&self, id: AggregateId) -> i64 {
        let load = self.store.with_context(async |ctx| ctx.load::<Account>(id).await);
        load.await.expect("it is there").state().balance
    }

    async fn balance_by_key(&self, key: &str) -> i64 {
        let load = self.store.with_context(async |ctx| ctx.load_by_key::<Account>(key).await);
        load.await.expect("it is there").state().balance
    }
}

/// Returns the kinds of the statements, without their parameters.
fn kinds(trips: &[RoundTrip]) -> Vec<&'static str> {
    let kind = |trip: &RoundTrip| match trip.sql.as_str() {
        sql if sql.contains(".append(") || sql.contains(".append_one(") => "commit",
        sql if sql.contains("WITH target AS") => "load",
        other => panic!("unexpected statement: {other}"),
    };
    trips.iter().map(kind).collect()
}

#[tokio::test]
async fn a_commit_of_ten_events_on_three_aggregates_is_one_round_trip() {
    let tapped = Tapped::new("trips_commit").await;
    let ids = [
        tapped.account("ada", 1).await,
        tapped.account("grace", 1).await,
        tapped.account("joan", 1).await,
    ];
    let deposit = async || {
        let commit = tapped.store.with_context(async |ctx| {
            let mut accounts = Vec::new();
            for id in ids {
                accounts.push(ctx.load::<Account>(id).await?);
            }
            tapped.proxy.take();
            for n in 0..10 {
                ctx.apply(&mut accounts[n % 3], Deposited { amount: 1 })?;
            }
            Ok::<_, Error>(())
        });
        commit.await.expect("there is no other writer");
        kinds(&tapped.proxy.take())
    };
    // The writer's connection prepares the statement once.
    deposit().await;
    for _ in 0..TIMES {
        assert_eq!(deposit().await, ["commit"]);
    }

    let mut balances = Vec::new();
    for id in ids {
        balances.push(tapped.balance(id).await);
    }
    let times = i64::try_from(1 + TIMES).expect("a small number");
    assert_eq!(balances, [4 * times + 1, 3 * times + 1, 3 * times + 1]);
}

#[tokio::test]
async fn a_load_with_snapshot_and_tail_is_one_round_trip() {
    let tapped = Tapped::new("trips_load").await;
    let id = tapped.account("ada", 27).await;
    assert_eq!(tapped.balance(id).await, 27);
    tapped.proxy.take();

    for _ in 0..TIMES {
        assert_eq!(tapped.balance(id).await, 27);
        assert_eq!(tapped.balance_by_key("ada").await, 27);
    }
    let trips = tapped.proxy.take();
    assert_eq!(kinds(&trips), vec!["load"; 2 * TIMES]);
    // The aggregate with a snapshot after 20 events, and 7 events after it.
    assert!(trips.iter().all(|trip| trip.rows == Some(8)), "{trips:?}");
}

#[tokio::test]
async fn a_context_that_loads_and_appends_is_two_round_trips() {
    let tapped = Tapped::new("trips_context").await;
    let id = tapped.account("ada", 1).await;
    tapped.balance(id).await;
    tapped.proxy.take();

    for _ in 0..TIMES {
        let deposit = tapped.store.with_context(async |ctx| {
            let mut account = ctx.load::<Account>(id).await?;
            ctx.apply(&mut account, Deposited { amount: 1 })
        });
        deposit.await.expect("there is no other writer");
    }
    assert_eq!(kinds(&tapped.proxy.take()), ["load", "commit"].repeat(TIMES));
}

#[tokio::test]
async fn a_new_aggregate_and_an_append_without_a_load_are_one_round_trip() {
    let tapped = Tapped::new("trips_create").await;
    let id = tapped.account("ada", 1).await;
    tapped.proxy.take();

    tapped.account("grace", 1).await;
    for _ in 0..TIMES {
        let deposit = [Deposited { amount: 1 }];
        let append = tapped.store.append::<Account, _>(Stream::Id(id), Expected::Any, deposit);
        append.await.expect("any state will do");
    }
    assert_eq!(kinds(&tapped.proxy.take()), vec!["commit"; 1 + TIMES]);
}

#[tokio::test]
async fn commits_that_wait_together_share_a_round_trip() {
    let tapped = Tapped::new("trips_group").await;
    let mut ids = Vec::new();
    for _ in 0..TIMES {
        let create = tapped.store.with_context(async |ctx| ctx.create::<Account>().await);
        ids.push(create.await.expect("nothing speaks against it").id());
    }
    tapped.proxy.take();

    let tasks: Vec<_> = ids
        .into_iter()
        .map(|id| {
            let store = tapped.store.clone();
            let deposit = [Deposited { amount: 1 }];
            let stream = Stream::Id(id);
            tokio::spawn(
                async move { store.append::<Account, _>(stream, Expected::Any, deposit).await },
            )
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("any state will do");
    }
    let trips = tapped.proxy.take();
    assert_eq!(kinds(&trips), vec!["commit"; trips.len()]);
    // The first commit may be sent alone; all that queue behind it are sent together.
    assert!(trips.len() <= 2, "{} round trips for {TIMES} commits", trips.len());
    assert_eq!(trips.iter().filter_map(|trip| trip.rows).sum::<usize>(), TIMES);
}
