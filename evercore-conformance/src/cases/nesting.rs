//! Commits inside the closure of a context: refused, unless they are explicitly separate.

use evercore::{
    CommandError, Context, Error, EventStore, Expected, NaturalKey, Result, Sequence, Stream,
    Target,
};

use crate::assert::assert_error;
use crate::domain::account::{Account, Deposit};
use crate::domain::counter::{self, Added, Counter};
use crate::fixture::Fixture;

/// Tries each way of committing and returns the results.
async fn all_ways(store: &EventStore) -> Vec<Result<()>> {
    let stage = async |ctx: &mut Context| -> Result<()> {
        let mut counter = ctx.create::<Counter>().await?;
        ctx.apply(&mut counter, Added { by: 1 })
    };
    let target = Target::New;
    let executed = store.execute::<Account, _>(target, Deposit { amount: 1 }).await;
    let stream = Stream::Key(NaturalKey::new("appended").expect("short"));
    let appended = store.append::<Counter, _>(stream, Expected::Any, [Added { by: 1 }]).await;
    vec![
        store.with_context(stage).await,
        store.with_context_committed(stage).await.map(drop),
        store.with_context_once(stage).await,
        store.once("request", stage).await,
        store.once_committed("another request", stage).await.map(drop),
        executed.map(drop).map_err(|error| match error {
            CommandError::Store(error) => error,
            CommandError::Rejected(_) => panic!("there is no rule against it"),
        }),
        appended.map(drop),
    ]
}

async fn assert_refused(store: &EventStore) {
    for answer in all_ways(store).await {
        assert_error!(answer, Error::NestedCommit);
    }
}

pub(crate) async fn a_commit_inside_the_closure_of_a_context_is_refused(
    fixture: &Fixture,
) -> Result<()> {
    let (store, clone) = (fixture.store(), fixture.store().clone());
    let id = counter::create(store, 1).await?;
    let work = async |ctx: &mut Context| -> Result<()> {
        let mut counter = ctx.load::<Counter>(id).await?;
        assert_refused(&clone).await;
        // At any depth, and in any enclosing closure.
        let neighbour = fixture.store_with(fixture.builder()).await?;
        let beside = neighbour.with_context(async |_| {
            assert_refused(store).await;
            Ok::<_, Error>(())
        });
        beside.await?;
        ctx.apply(&mut counter, Added { by: 1 })
    };
    store.with_context(work).await?;
    store.with_context_once(work).await?;
    store.once("outer request", work).await?;
    assert_eq!(counter::value(store, id).await?, 4);
    assert_eq!(fixture.log().await?.len(), 4, "of the others, nothing has landed");
    for answer in all_ways(store).await {
        answer.expect("outside of contexts, all is as ever");
    }
    Ok(())
}

pub(crate) async fn a_context_blocks_no_other_reader_or_writer(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    let seen = store
        .with_context(async |_| {
            for answer in all_ways(&store.detached()).await {
                answer.expect("it is meant to land on its own");
            }
            // Reads are harmless, and other tasks are independent.
            let log = store.read_log(store.head().await?, 1).await?;
            let beside = store.clone();
            let beside = tokio::spawn(async move { counter::add(&beside, id, 1).await });
            beside.await.expect("no panic")?;
            let other = fixture.neighbour().await?;
            counter::add(&other, id, 1).await?;
            let value = counter::value(store, id).await?;
            Ok::<_, Error>((log.events.len(), store.history(id, ..=Sequence::FIRST).await?, value))
        })
        .await?;
    assert_eq!((seen.0, seen.2), (0, 3));
    Ok(())
}
