//! The cost of a load.

use evercore::{Aggregate, AggregateId, Apply, Error, EventMeta, EventStore, Result, event};
use serde::{Deserialize, Serialize};

use crate::counting::Counting;

#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(name = "meter", snapshot_every = 2)]
struct Meter {
    sum: i64,
}

#[event(aggregate = Meter, name = "metered")]
struct Metered {
    amount: i64,
}

impl Apply<Metered> for Meter {
    fn apply(&mut self, event: &Metered, _: &EventMeta) {
        self.sum += event.amount;
    }
}

async fn meter(store: &EventStore, id: AggregateId) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut meter = ctx.load::<Meter>(id).await?;
            ctx.apply(&mut meter, Metered { amount: 1 })
        })
        .await
}

/// After a snapshot of the last event nothing else has to be read, not even its hash.
#[tokio::test]
async fn a_load_is_one_round_trip_with_a_snapshot_or_without() -> Result<()> {
    let engine = Counting::default();
    let plain = EventStore::builder().open(engine.clone()).await?;
    let chained = EventStore::builder().chain_events().open(engine.clone()).await?;
    for store in [plain, chained] {
        store.warmup().await?;
        let id = store
            .with_context(async |ctx| Ok::<_, Error>(ctx.create::<Meter>().await?.id()))
            .await?;
        for sum in 1..=4 {
            meter(&store, id).await?;
            let before = engine.calls();
            let read = store.with_context(async |ctx| ctx.load::<Meter>(id).await).await?;
            assert_eq!((read.state().sum, engine.calls() - before), (sum, 1));
        }
    }
    Ok(())
}
