//! A store with a sound history.

use std::sync::Arc;

use evercore::{
    Aggregate, Apply, Error, EventMeta, EventStore, Expected, Result, Sequence, Stream, event,
};
use evercore_memory::MemoryEngine;
use evercore_testing::history::{
    CommitBegun, History, Observation, Recorder, Verdict, Violation, check,
};
use serde::{Deserialize, Serialize};

#[derive(Aggregate, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[aggregate(name = "account", snapshot_every = 2)]
pub(crate) struct Account {
    pub(crate) balance: i64,
}

#[event(aggregate = Account, name = "deposited")]
pub(crate) struct Deposited {
    pub(crate) amount: i64,
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _meta: &EventMeta) {
        self.balance += event.amount;
    }
}

pub(crate) struct Past {
    pub(crate) engine: MemoryEngine,
    pub(crate) store: EventStore,
    pub(crate) observations: Vec<Observation>,
}

/// Makes these commits, in order: ada and bob are opened; ada gets two events, while bob is guarded; ada becomes eve;
/// bob gets one event, with an idempotency key; an account without an event takes ada's key; a stale commit is refused.
pub(crate) async fn sound() -> Result<Past> {
    let recorder = Recorder::new();
    let engine = MemoryEngine::new();
    let observed = recorder.observe(Arc::new(engine.clone()));
    let store = EventStore::builder().open_shared(observed).await?;
    for key in ["ada", "bob"] {
        store
            .with_context(async |ctx| {
                let mut account = ctx.create_with_key::<Account>(key).await?;
                ctx.apply(&mut account, Deposited { amount: 1 })
            })
            .await?;
    }
    let ada = store
        .with_context(async |ctx| {
            let bob = ctx.load_by_key::<Account>("bob").await?;
            let mut ada = ctx.load_by_key::<Account>("ada").await?;
            ctx.guard(&bob)?;
            ctx.apply(&mut ada, Deposited { amount: 2 })?;
            ctx.apply(&mut ada, Deposited { amount: 3 })?;
            Ok::<_, Error>(ada.id())
        })
        .await?;
    store
        .with_context(async |ctx| {
            let mut ada = ctx.load::<Account>(ada).await?;
            ctx.change_key(&mut ada, "eve")
        })
        .await?;
    store
        .with_context(async |ctx| {
            ctx.set_idempotency_key("request")?;
            let mut bob = ctx.load_by_key::<Account>("bob").await?;
            ctx.apply(&mut bob, Deposited { amount: 4 })
        })
        .await?;
    store.with_context(async |ctx| ctx.create_with_key::<Account>("ada").await.map(drop)).await?;
    let stale = Expected::Exactly(Sequence::FIRST);
    let refused = store.append(Stream::Id(ada), stale, [Deposited { amount: 5 }]).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })));
    let observations = recorder.history().observations().cloned().collect();
    Ok(Past { engine, store, observations })
}

impl Past {
    /// Returns the index of the observation that the commit with this number, from 0, began.
    pub(crate) fn begun_at(&self, number: usize) -> usize {
        let seen = self.observations.iter().enumerate();
        let mut begun = seen.filter(|(_, seen)| matches!(seen, Observation::Begun(_)));
        begun.nth(number).expect("there are so many").0
    }

    pub(crate) fn begun(&mut self, number: usize) -> &mut CommitBegun {
        let place = self.begun_at(number);
        match &mut self.observations[place] {
            Observation::Begun(begun) => begun,
            other => panic!("{other:?} is no beginning"),
        }
    }

    /// Returns the answer to that commit. It is the next observation, because the commits do not overlap.
    pub(crate) fn answer(&mut self, number: usize) -> &mut Observation {
        let place = self.begun_at(number) + 1;
        &mut self.observations[place]
    }

    pub(crate) async fn verdict(&self) -> Result<Verdict> {
        check(&History::of(self.observations.clone()), &self.store).await
    }
}

/// Returns the violations after a sound history was changed.
pub(crate) async fn found(fault: impl FnOnce(&mut Past)) -> Result<Vec<Violation>> {
    let mut past = sound().await?;
    fault(&mut past);
    Ok(past.verdict().await?.violations().to_vec())
}

/// Asserts that there is exactly one violation, which matches the pattern.
macro_rules! assert_only {
    ($found:expr, $pattern:pat $(if $guard:expr)?) => {{
        let found = $found;
        assert!(matches!(&found[..], [$pattern] $(if $guard)?), "{found:#?}");
    }};
}
pub(crate) use assert_only;
