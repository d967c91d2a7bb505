//! Ids of aggregates: none is assigned twice, whether or not it was used.

use std::collections::HashSet;

use evercore::engine::IdBlock;
use evercore::{AggregateId, EventStore, Result};

use crate::domain::account::Refused;
use crate::domain::counter::Counter;
use crate::fixture::Fixture;
use crate::race::race_all;

pub(crate) async fn reserved_blocks_do_not_overlap(fixture: &Fixture) -> Result<()> {
    let engines = [fixture.shared_engine(), fixture.harness().open().await?];
    let blocks = race_all(8, |runner| {
        let engine = engines[runner % 2].clone();
        async move {
            let mut blocks = Vec::new();
            for count in [1, 3, 32] {
                let block = engine.reserve_ids(count).await?;
                assert_eq!(block.count, count);
                blocks.push(block);
            }
            Ok(blocks)
        }
    })
    .await?;
    let ids: Vec<_> = blocks.into_iter().flatten().flat_map(ids_of).collect();
    assert_eq!(ids.len(), 8 * 36);
    assert_eq!(HashSet::<_>::from_iter(&ids).len(), ids.len(), "an id was given twice");
    assert!(ids.iter().all(|id| *id >= 1));
    Ok(())
}

fn ids_of(block: IdBlock) -> impl Iterator<Item = i64> {
    let first = block.first.get();
    first..first + i64::from(block.count)
}

/// The ids come from several stores and tasks, and some of the contexts fail.
pub(crate) async fn no_two_aggregates_have_one_id(fixture: &Fixture) -> Result<()> {
    let stores = [
        fixture.store().clone(),
        fixture.store_with(fixture.builder()).await?,
        fixture.neighbour().await?,
    ];
    let ids = race_all(9, |runner| {
        let store = stores[runner % 3].clone();
        async move {
            let mut ids = Vec::new();
            for round in 0..15 {
                ids.push(create(&store, round % 4 != 0).await?);
            }
            Ok(ids)
        }
    })
    .await?
    .concat();
    assert_eq!(HashSet::<_>::from_iter(&ids).len(), ids.len(), "an id was given twice");
    Ok(())
}

pub(crate) async fn ids_are_not_given_again_to_the_next_process(fixture: &Fixture) -> Result<()> {
    let mut ids = vec![create(fixture.store(), true).await?, create(fixture.store(), false).await?];
    let next = fixture.successor().await?;
    for _ in 0..40 {
        ids.push(create(&next.store, true).await?);
    }
    assert_eq!(HashSet::<_>::from_iter(&ids).len(), ids.len(), "an id was given twice");
    Ok(())
}

/// Creates a counter and returns its id, whether or not the context commits.
async fn create(store: &EventStore, lands: bool) -> Result<AggregateId> {
    let mut id = None;
    let answer = store
        .with_context_once(async |ctx| {
            id = Some(ctx.create::<Counter>().await?.id());
            if lands { Ok(()) } else { Err(Refused::Overdrawn) }
        })
        .await;
    match (answer, id) {
        (Ok(()) | Err(Refused::Overdrawn), Some(id)) => Ok(id),
        (Err(Refused::Store(error)), _) => Err(error),
        (_, None) => unreachable!("the closure ran to its end"),
    }
}
