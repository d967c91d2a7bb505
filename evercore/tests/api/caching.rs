//! The savings and costs of cached aggregates.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use evercore::{
    Aggregate, AggregateId, Apply, CommandError, Decide, Decision, Error, EventMeta, EventStore,
    Result, event,
};

use crate::counting::Counting;

/// Counts the clones that are made of it.
#[derive(Aggregate, Default)]
#[aggregate(name = "ledger")]
struct Ledger {
    sum: i64,
    copies: Arc<AtomicU64>,
}

/// Has no `Clone`.
#[derive(Aggregate, Default)]
#[aggregate(name = "sealed-ledger")]
struct SealedLedger {
    sum: i64,
}

impl Clone for Ledger {
    fn clone(&self) -> Self {
        self.copies.fetch_add(1, Ordering::SeqCst);
        Self { sum: self.sum, copies: Arc::clone(&self.copies) }
    }
}

#[event(aggregate = Ledger, name = "booked")]
struct Booked {
    amount: i64,
}

#[event(aggregate = SealedLedger, name = "sealed-booked")]
struct SealedBooked {
    amount: i64,
}

impl Apply<Booked> for Ledger {
    fn apply(&mut self, event: &Booked, _: &EventMeta) {
        self.sum += event.amount;
    }
}

impl Apply<SealedBooked> for SealedLedger {
    fn apply(&mut self, event: &SealedBooked, _: &EventMeta) {
        self.sum += event.amount;
    }
}

struct Book {
    amount: i64,
}

impl Decide<Book> for Ledger {
    type Error = std::convert::Infallible;

    fn decide(ledger: &mut Decision<'_, Self>, command: &Book) -> Result<(), Self::Error> {
        ledger.emit(Booked { amount: command.amount });
        Ok(())
    }
}

async fn store(engine: &Counting, aggregates: usize) -> EventStore {
    let builder = EventStore::builder().cache_aggregates(aggregates);
    let store = builder.open(engine.clone()).await.expect("memory opens");
    store.warmup().await.expect("there is nothing that can fail");
    store
}

async fn open(store: &EventStore) -> Result<AggregateId> {
    store
        .with_context(async |ctx| {
            let mut ledger = ctx.create_with_key::<Ledger>(fresh_key()).await?;
            ctx.apply(&mut ledger, Booked { amount: 1 })?;
            Ok::<_, Error>(ledger.id())
        })
        .await
}

fn fresh_key() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("ledger {}", NEXT.fetch_add(1, Ordering::SeqCst))
}

async fn book(store: &EventStore, id: AggregateId) -> Result<i64> {
    store
        .with_context(async |ctx| {
            let mut ledger = ctx.load::<Ledger>(id).await?;
            ctx.apply(&mut ledger, Booked { amount: 1 })?;
            Ok::<_, Error>(ledger.state().sum)
        })
        .await
}

/// Returns the answer of some work, and the number of calls that the engine has received from it.
async fn calls_of<T>(engine: &Counting, work: impl Future<Output = T>) -> (T, u64) {
    let before = engine.calls();
    let answer = work.await;
    (answer, engine.calls() - before)
}

#[tokio::test]
async fn a_hot_command_is_one_round_trip() -> Result<(), CommandError<std::convert::Infallible>> {
    let engine = Counting::default();
    for (aggregates, expected) in [(0, 2), (100, 1)] {
        let store = store(&engine, aggregates).await;
        let id = open(&store).await?;
        for sum in 2..5 {
            let (found, calls) = calls_of(&engine, book(&store, id)).await;
            assert_eq!((found?, calls), (sum, expected));
        }
        let command = async { store.execute::<Ledger, _>(id, Book { amount: 5 }).await };
        let (executed, calls) = calls_of(&engine, command).await;
        assert_eq!((executed?.state().sum, calls), (9, expected));

        let key = store.with_readonly_context(async |ctx| ctx.load::<Ledger>(id).await).await?;
        let key = key.key().expect("it has one").as_str();
        let command = async { store.execute::<Ledger, _>(key, Book { amount: 5 }).await };
        let (executed, calls) = calls_of(&engine, command).await;
        assert_eq!((executed?.state().sum, calls), (14, expected));
    }
    Ok(())
}

#[tokio::test]
async fn a_second_handle_of_a_cached_aggregate_is_read_from_memory() -> Result<()> {
    let engine = Counting::default();
    let store = store(&engine, 100).await;
    let id = open(&store).await?;
    let (sums, calls) = calls_of(
        &engine,
        store.with_context(async |ctx| {
            let mut first = ctx.load::<Ledger>(id).await?;
            ctx.apply(&mut first, Booked { amount: 1 })?;
            let mut second = ctx.load::<Ledger>(id).await?;
            ctx.apply(&mut second, Booked { amount: 1 })?;
            Ok::<_, Error>((first.state().sum, second.state().sum))
        }),
    )
    .await;
    assert_eq!((sums?, calls), ((2, 3), 1));
    Ok(())
}

#[tokio::test]
async fn a_state_that_cannot_be_copied_is_loaded_each_time() -> Result<()> {
    let engine = Counting::default();
    let store = store(&engine, 100).await;
    let id = store
        .with_context(async |ctx| Ok::<_, Error>(ctx.create::<SealedLedger>().await?.id()))
        .await?;
    for sum in 1..4 {
        let work = store.with_context(async |ctx| {
            let mut ledger = ctx.load::<SealedLedger>(id).await?;
            ctx.apply(&mut ledger, SealedBooked { amount: 1 })?;
            Ok::<_, Error>(ledger.into_state().sum)
        });
        let (found, calls) = calls_of(&engine, work).await;
        assert_eq!((found?, calls), (sum, 2));
    }
    Ok(())
}

#[tokio::test]
async fn there_are_no_more_aggregates_in_memory_than_there_is_room_for() -> Result<()> {
    const ALL: u64 = 1_000;
    const ROOM: u64 = 50;
    let engine = Counting::default();
    let store = store(&engine, usize::try_from(ROOM).expect("little")).await;
    let mut ids = Vec::new();
    for _ in 0..ALL {
        ids.push(open(&store).await?);
    }
    let before = engine.calls();
    for &id in &ids {
        book(&store, id).await?;
    }
    let loads = engine.calls() - before - ALL;
    assert!(loads >= ALL - 2 * ROOM, "{} of {ALL} were found in memory", ALL - loads);
    Ok(())
}

#[tokio::test]
async fn a_state_is_copied_once_where_it_is_changed_and_never_where_it_is_read() -> Result<()> {
    let store = store(&Counting::default(), 100).await;
    let (changed, read) = (open(&store).await?, open(&store).await?);
    for commit in 1..4 {
        let copies = store
            .with_context(async |ctx| {
                let mut changed = ctx.load::<Ledger>(changed).await?;
                let read = ctx.load::<Ledger>(read).await?;
                ctx.apply(&mut changed, Booked { amount: read.state().sum })?;
                ctx.apply(&mut changed, Booked { amount: 1 })?;
                Ok::<_, Error>(
                    [changed, read].map(|handle| handle.state().copies.load(Ordering::SeqCst)),
                )
            })
            .await?;
        assert_eq!(copies, [commit, 0]);
    }
    Ok(())
}

#[tokio::test]
async fn a_state_is_copied_once_however_many_commands_are_decided_on_it() -> Result<()> {
    let store = store(&Counting::default(), 100).await;
    let id = open(&store).await?;
    for commit in 1..4 {
        let copies = store
            .with_context(async |ctx| {
                let mut ledger = ctx.load::<Ledger>(id).await?;
                for _ in 0..3 {
                    let decided = ctx.decide(&mut ledger, &Book { amount: 1 });
                    decided.expect("a booking is never refused");
                }
                Ok::<_, Error>(ledger.state().copies.load(Ordering::SeqCst))
            })
            .await?;
        assert_eq!(copies, commit);
    }
    Ok(())
}

/// A handle keeps the state that it was returned with.
#[tokio::test]
async fn the_value_of_a_closure_is_not_changed_by_later_commits() -> Result<()> {
    let store = store(&Counting::default(), 100).await;
    let id = open(&store).await?;
    let mut returned = Vec::new();
    for _ in 0..3 {
        let handle = store
            .with_context(async |ctx| {
                let mut ledger = ctx.load::<Ledger>(id).await?;
                ctx.apply(&mut ledger, Booked { amount: 1 })?;
                Ok::<_, Error>(ledger)
            })
            .await?;
        returned.push(handle);
    }
    let sums: Vec<_> = returned.iter().map(|handle| handle.state().sum).collect();
    assert_eq!(sums, [2, 3, 4]);
    let sums: Vec<_> = returned.into_iter().map(|handle| handle.into_state().sum).collect();
    assert_eq!(sums, [2, 3, 4]);
    assert_eq!(book(&store, id).await?, 5);
    Ok(())
}
