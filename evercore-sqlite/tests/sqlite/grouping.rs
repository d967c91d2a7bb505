//! Commits that share a transaction.

use std::sync::{Mutex, Once};

use chrono::Utc;
use evercore::engine::{
    AggregateWrite, Commit, KeyChange, LoadRequest, LoadTarget, Precondition, Reader, StorageEngine,
};
use evercore::{
    AggregateId, CommitId, CommitOutcome, Error, EventStore, Expected, NaturalKey, Position,
    Sequence, Stream,
};
use evercore_sqlite::SqliteEngine;
use tracing::field::{Field, Visit};
use tracing::span;

use crate::account::{Account, Deposited, balance, engine, file, open_account, store};
use crate::dropping::drop_after;
use crate::raw::{execute, number};

/// The number of commits in a group, and the number of those that are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Group {
    commits: u64,
    landing: u64,
}

/// The groups of all engines.
static HEARD: Mutex<Vec<Group>> = Mutex::new(Vec::new());

/// Records the groups that the engine logs.
struct Listener;

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(Listener).expect("there is no other subscriber");
    });
}

impl tracing::Subscriber for Listener {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("evercore_sqlite")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut group = Group::default();
        event.record(&mut group);
        if group != Group::default() {
            HEARD.lock().expect("no panic").push(group);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl Visit for Group {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "commits" => self.commits = value,
            "landing" => self.landing = value,
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

async fn append(store: EventStore, id: AggregateId, at: i64, amount: i64) -> Result<i64, Error> {
    let at = Expected::Exactly(Sequence::new(at)?);
    let appended = store.append::<Account, _>(Stream::Id(id), at, [Deposited { amount }]).await?;
    assert_eq!(appended.committed.positions.len(), 1);
    Ok(appended.committed.position().expect("it has an event").get())
}

#[tokio::test]
async fn a_conflict_in_a_group_leaves_its_neighbours_alone() {
    listen();
    let (_folder, path) = file();
    let store = store(&path).await;
    let mut accounts = Vec::new();
    for _ in 0..40 {
        accounts.push(open_account(&store, &[1]).await.expect("it commits"));
    }

    // Every fourth append decides on stale state.
    let appends: Vec<_> = accounts
        .iter()
        .enumerate()
        .map(|(index, &id)| tokio::spawn(append(store.clone(), id, i64::from(index % 4 != 0), 1)))
        .collect();
    let mut positions = Vec::new();
    for (index, append) in appends.into_iter().enumerate() {
        match append.await.expect("no panic") {
            Ok(position) => {
                assert_ne!(index % 4, 0);
                positions.push((position, accounts[index]));
            }
            Err(error) => {
                assert_eq!(index % 4, 0, "{error}");
                assert!(error.is_conflict(), "{error}");
            }
        }
    }
    assert_eq!(positions.len(), 30);
    let log = store.read_log(Position::new(40).expect("a position"), 100).await.expect("a page");
    let logged: Vec<_> =
        log.events.iter().map(|event| (event.position().get(), event.aggregate_id())).collect();
    positions.sort_unstable();
    assert_eq!(logged, positions, "each caller was told the position of its own event");

    let heard = HEARD.lock().expect("no panic").clone();
    assert!(
        heard.iter().any(|group| group.landing > 1 && group.landing < group.commits),
        "no group had both: {heard:?}"
    );
}

#[tokio::test]
async fn commits_of_a_group_that_write_to_one_aggregate_are_judged_in_turn() {
    let (_folder, path) = file();
    let store = store(&path).await;
    let id = open_account(&store, &[1]).await.expect("it commits");
    let racing: Vec<_> = (0..10).map(|_| tokio::spawn(append(store.clone(), id, 1, 1))).collect();
    let mut landed = 0;
    for append in racing {
        match append.await.expect("no panic") {
            Ok(_) => landed += 1,
            Err(error) => assert!(error.is_conflict(), "{error}"),
        }
    }
    assert_eq!(landed, 1);

    // Without an expected sequence all of them are committed, one after another.
    let appends: Vec<_> = (0..10)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let event = [Deposited { amount: 1 }];
                store.append::<Account, _>(Stream::Id(id), Expected::Any, event).await
            })
        })
        .collect();
    for append in appends {
        append.await.expect("no panic").expect("it lands");
    }
    assert_eq!(balance(&store, id).await.expect("it loads"), 12);
}

#[tokio::test]
async fn a_row_that_the_database_refuses_fails_its_own_commit_only() {
    let (_folder, path) = file();
    let store = store(&path).await;
    let id = open_account(&store, &[1]).await.expect("it commits");
    execute(
        &path,
        "CREATE TRIGGER superstition BEFORE INSERT ON events WHEN NEW.payload = CAST('{\"amount\":13}' AS BLOB)
         BEGIN SELECT RAISE(ABORT, 'not this number'); END",
    )
    .await;
    let appends: Vec<_> = (10..20)
        .map(|amount| {
            let store = store.clone();
            tokio::spawn(async move {
                let event = [Deposited { amount }];
                (amount, store.append::<Account, _>(Stream::Id(id), Expected::Any, event).await)
            })
        })
        .collect();
    for append in appends {
        let (amount, result) = append.await.expect("no panic");
        match result {
            Ok(_) => assert_ne!(amount, 13),
            Err(error) => {
                assert_eq!(amount, 13, "{error}");
                assert!(matches!(error, Error::Storage { .. }), "{error:?}");
            }
        }
    }
    let others: i64 = (10..20).filter(|&amount| amount != 13).sum();
    assert_eq!(balance(&store, id).await.expect("it loads"), 1 + others);
}

#[tokio::test]
async fn a_commit_of_which_a_trigger_leaves_out_an_event_does_not_land_in_part() {
    let (_folder, path) = file();
    let store = store(&path).await;
    let id = open_account(&store, &[1]).await.expect("it commits");
    execute(
        &path,
        "CREATE TRIGGER superstition BEFORE INSERT ON events WHEN NEW.payload = CAST('{\"amount\":13}' AS BLOB)
         BEGIN SELECT RAISE(IGNORE); END",
    )
    .await;
    let deposits = (10..20).map(|amount| Deposited { amount });
    let refused = store.append::<Account, _>(Stream::Id(id), Expected::Any, deposits).await;
    assert!(matches!(refused, Err(Error::Storage { .. })), "{refused:?}");
    assert_eq!(balance(&store, id).await.expect("it loads"), 1);
}

#[tokio::test]
async fn keys_change_hands_within_a_group_and_within_a_commit() {
    let (_folder, path) = file();
    let engine = engine(&path).await;
    let block = engine.reserve_ids(3).await.expect("ids");
    let id = |n: i64| AggregateId::new(block.first.get() + n).expect("an id");
    let create = |n, key| write(id(n), Precondition::New, KeyChange::Set(natural(key)));
    let exists = |n, key| write(id(n), Precondition::Exists, key);
    land(&engine, vec![create(0, "a"), create(1, "b"), create(2, "c")]).await.expect("it lands");

    let swap =
        vec![exists(0, KeyChange::Set(natural("b"))), exists(1, KeyChange::Set(natural("a")))];
    // In one group: a swap, a key that moves from one commit to the next, and one that is not free.
    let (swapped, released, claimed, taken) = tokio::join!(
        land(&engine, swap),
        land(&engine, vec![exists(2, KeyChange::Clear)]),
        land(&engine, vec![exists(1, KeyChange::Set(natural("c")))]),
        land(&engine, vec![exists(2, KeyChange::Set(natural("b")))]),
    );
    swapped.expect("the swap lands");
    released.expect("the release lands");
    claimed.expect("the claim lands");
    assert!(matches!(&taken, Err(Error::KeyTaken { key, .. }) if key == "b"), "{taken:?}");

    assert_eq!(holder(&engine, "a").await, None);
    assert_eq!(holder(&engine, "b").await, Some(id(0)));
    assert_eq!(holder(&engine, "c").await, Some(id(1)));
}

#[tokio::test]
async fn a_commit_that_was_given_up_never_lands_and_one_that_landed_does_so_once() {
    let (_folder, path) = file();
    let engine = engine(&path).await;
    let id = engine.reserve_ids(1).await.expect("ids").first;
    let commit = commit(vec![write(id, Precondition::New, KeyChange::Keep)]);
    let outcome = engine.find_commit(commit.id).await.expect("an outcome");
    assert_eq!(outcome, CommitOutcome::NeverLands);
    engine.commit(commit.clone()).await.expect_err("it was given up");
    assert_eq!(engine.find_commit(commit.id).await.expect("an outcome"), CommitOutcome::NeverLands);
    assert_eq!(number(&path, "SELECT COUNT(*) FROM aggregates").await, 0);

    let again = Commit { id: CommitId::generate(), ..commit };
    let committed = engine.commit(again.clone()).await.expect("it lands");
    assert_eq!(engine.commit(again).await.expect("it has landed"), committed);
    let outcome = engine.find_commit(committed.id).await.expect("an outcome");
    assert_eq!(outcome, CommitOutcome::Landed(committed));
    assert_eq!(number(&path, "SELECT COUNT(*) FROM aggregates").await, 1);
}

#[tokio::test]
async fn a_dropped_commit_lands_whole_or_not_at_all() {
    let (_folder, path) = file();
    let store = store(&path).await;
    store.warmup().await.expect("it warms up");
    for polls in 0..30 {
        drop_after(polls, open_account(&store, &[1, 2, 3])).await;
    }
    let last = open_account(&store, &[1, 2, 3]).await.expect("the store still works");
    assert_eq!(balance(&store, last).await.expect("it loads"), 6);
    let in_parts = "SELECT COUNT(*) FROM (
        SELECT a.id FROM aggregates AS a LEFT JOIN events AS e ON e.aggregate_id = a.id
        GROUP BY a.id HAVING COUNT(e.position) <> 3)";
    assert_eq!(number(&path, in_parts).await, 0);
    let landed = number(&path, "SELECT COUNT(*) FROM aggregates").await;
    assert!((1..=31).contains(&landed), "{landed}");
}

#[tokio::test]
async fn a_commit_larger_than_one_statement_lands_in_order() {
    let (_folder, path) = file();
    let store = store(&path).await;
    let amounts: Vec<i64> = (1..=1000).collect();
    let id = open_account(&store, &amounts).await.expect("it commits");
    assert_eq!(balance(&store, id).await.expect("it loads"), 500_500);
    let log = store.read_log(Position::START, 1000).await.expect("a page");
    let read: Vec<i64> = log
        .events
        .iter()
        .map(|event| event.decode::<Deposited>().expect("it decodes").amount)
        .collect();
    assert_eq!(read, amounts);
}

#[tokio::test]
async fn a_commit_of_any_size_is_told_its_own_positions() {
    let (_folder, path) = file();
    let store = store(&path).await;
    let id = open_account(&store, &[1]).await.expect("it commits");
    let mut last = 1;
    // Sizes that use each statement alone, and all of them together.
    for events in [1, 3, 4, 5, 15, 16, 17, 63, 64, 85, 200] {
        let deposits = (0..events).map(|amount| Deposited { amount });
        let stream = Stream::Id(id);
        let landed = store.append::<Account, _>(stream, Expected::Any, deposits).await;
        let positions = landed.expect("it lands").committed.positions;
        assert!(positions.iter().map(Position::get).eq(last + 1..=last + events));
        let after = Position::new(last).expect("a position");
        let log = store.read_log(after, 1000).await.expect("a page");
        let amounts: Vec<i64> = log
            .events
            .iter()
            .map(|event| event.decode::<Deposited>().expect("it decodes").amount)
            .collect();
        assert_eq!(amounts, (0..events).collect::<Vec<_>>());
        last += events;
    }
}

fn natural(key: &str) -> NaturalKey {
    NaturalKey::new(key).expect("a key")
}

fn write(id: AggregateId, precondition: Precondition, key: KeyChange) -> AggregateWrite {
    AggregateWrite { id, aggregate_type: "account", precondition, key }
}

fn commit(writes: Vec<AggregateWrite>) -> Commit {
    Commit { writes, ..Commit::new(Utc::now()) }
}

async fn land(engine: &SqliteEngine, writes: Vec<AggregateWrite>) -> Result<(), Error> {
    engine.commit(commit(writes)).await.map(drop)
}

async fn holder(engine: &SqliteEngine, key: &str) -> Option<AggregateId> {
    let target = LoadTarget::Key(natural(key));
    let request =
        LoadRequest { aggregate_type: "account", target, snapshot: None, up_to: None, limit: 1 };
    engine.load(request).await.expect("it loads").map(|loaded| loaded.id)
}
