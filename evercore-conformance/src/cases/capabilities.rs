//! Engines declare what they can do beyond the base of the contract, and the store refuses the rest.

use evercore::engine::{Capability, LoadRequest, LoadTarget, LoadedAggregate};
use evercore::{Aggregate, Error, Result};

use crate::domain::counter::{self, Counter};
use crate::fixture::Fixture;
use crate::raw;

pub(crate) async fn an_operation_that_is_not_declared_is_unsupported(
    fixture: &Fixture,
) -> Result<()> {
    let (store, declared) = (fixture.store(), fixture.engine().capabilities());
    counter::create(store, 1).await?;
    let answers = [
        (Capability::ReadViews, store.with_readonly_context(async |_| Ok::<_, Error>(())).await),
        (Capability::Inspection, store.verify().run().await.map(drop)),
    ];
    for (needed, answer) in answers {
        match answer {
            Ok(()) if declared.has(needed) => {}
            Err(Error::Unsupported { operation, engine }) if !declared.has(needed) => {
                assert_eq!((operation, engine), (needed, fixture.engine().name()));
            }
            answer => {
                panic!("{needed:?} is declared in {declared:?}, and the answer is {answer:?}")
            }
        }
    }
    Ok(())
}

/// An engine that cannot load aggregates together loads them one by one, with the same result.
pub(crate) async fn several_aggregates_are_loaded_in_one_request(fixture: &Fixture) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let ids = [counter::create(store, 1).await?, counter::create(store, 2).await?];
    let request = |id| LoadRequest {
        aggregate_type: Counter::NAME,
        target: LoadTarget::Id(id),
        snapshot: None,
        up_to: None,
        limit: 10,
    };
    let unknown = raw::fresh_id(engine).await?;
    let requests = [ids[1], unknown, ids[0], ids[1]].map(request);
    let loaded = engine.load_all(requests.to_vec()).await?;
    assert_eq!(loaded.len(), requests.len());
    for (request, together) in requests.into_iter().zip(loaded) {
        let alone = engine.load(request).await?;
        let shown = |loaded: &LoadedAggregate| (loaded.id, loaded.events.clone());
        assert_eq!(together.as_ref().map(shown), alone.as_ref().map(shown));
    }
    Ok(())
}
