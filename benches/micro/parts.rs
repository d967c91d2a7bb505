//! The small parts that every event passes through, each by itself.

use evercore::{AggregateId, Error, EventStore, RecordedEvent, Registry};
use evercore_memory::MemoryEngine;
use tokio::runtime::Runtime;

use crate::domain::{Account, MoneyDeposited};

/// Events that a context stages, and a history has.
pub(crate) const EVENTS: i64 = 100;

/// What the parts work on.
pub(crate) struct Parts {
    runtime: Runtime,
    store: EventStore,
    /// Reads back what it writes.
    checking: EventStore,
    event: RecordedEvent,
    id: AggregateId,
}

/// Why nothing of a context is committed.
enum GivenUp {
    OnPurpose,
    Failed(Error),
}

impl From<Error> for GivenUp {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Parts {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (store, event, id) = runtime.block_on(prepare()).expect("a store in memory");
        let checking = EventStore::builder().check_round_trips().open(MemoryEngine::new());
        let checking = runtime.block_on(checking).expect("a store in memory");
        Self { runtime, store, checking, event, id }
    }

    /// An event as its type: the part that the macro writes.
    pub(crate) fn decode(&self) -> MoneyDeposited {
        self.event.decode().expect("it is one")
    }

    /// Whether a store knows what it has read.
    pub(crate) fn look_up(&self) -> bool {
        let registry: &Registry = self.store.registry();
        registry.knows(self.event.aggregate_type(), self.event.event_type(), self.event.version())
    }

    /// A hundred events are encoded, checked, applied and staged.
    pub(crate) fn stage(&self) {
        self.stage_in(&self.store);
    }

    /// The same, with each event read back and compared.
    pub(crate) fn stage_checked(&self) {
        self.stage_in(&self.checking);
    }

    fn stage_in(&self, store: &EventStore) {
        let outcome = self.runtime.block_on(store.with_context_once(async |ctx| {
            let mut account = ctx.create::<Account>().await?;
            for amount in 1..=EVENTS {
                ctx.apply(&mut account, MoneyDeposited::of(amount))?;
            }
            Err::<(), _>(GivenUp::OnPurpose)
        }));
        match outcome {
            Err(GivenUp::OnPurpose) => {}
            Err(GivenUp::Failed(error)) => panic!("{error}"),
            Ok(()) => unreachable!("BUG: it is given up"),
        }
    }

    /// A hundred events become a state.
    pub(crate) fn replay(&self) -> i64 {
        let loaded = self
            .runtime
            .block_on(self.store.with_context_once(async |ctx| ctx.load::<Account>(self.id).await));
        loaded.expect("it is there").state().books.deposits
    }
}

async fn prepare() -> Result<(EventStore, RecordedEvent, AggregateId), Error> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    let id = store
        .with_context(async |ctx| {
            let mut account = ctx.create::<Account>().await?;
            for amount in 1..=EVENTS {
                ctx.apply(&mut account, MoneyDeposited::of(amount))?;
            }
            Ok::<_, Error>(account.id())
        })
        .await?;
    let event = store.history(id, ..).await?.events.remove(0);
    Ok((store, event, id))
}
