//! P12: text with a special meaning for databases is stored unchanged and found again.

use evercore::format::Encoding;
use evercore::{
    Aggregate, Apply, CommandError, Error, Event, EventFilter, EventMeta, EventOptions, Metadata,
    NaturalKey, Position, Registry, Result, Start,
};
use serde::{Deserialize, Serialize};

use crate::assert::assert_error;
use crate::domain::account::{self, Account, Deposit};
use crate::domain::counter::{self, Added, Counter};
use crate::fixture::Fixture;
use crate::journal::{Journal, idle, info};

/// Quotes, ends of statements, comments, escapes, binds, patterns, and multi-byte characters.
const ODD: [&str; 12] = [
    "O'Brien",
    "O''Brien",
    "\"quoted\"",
    "'; DROP TABLE events; --",
    "\\'; DELETE FROM aggregates WHERE 1=1 /*",
    "back\\slash\\\\",
    "$1 ?1 :name @name",
    "%_[a-z]*",
    "{a,\"b\",NULL}",
    "null",
    "Zażółć 漢字 🎉 e\u{301} \u{202e}",
    " leading, trailing\u{a0}",
];

/// An aggregate and an event with names of this kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Odd;

impl Aggregate for Odd {
    const NAME: &'static str = "odd'; DROP TABLE aggregates; -- 🎉";
}

impl Event for Odd {
    type Aggregate = Self;
    const NAME: &'static str = "\\'odd\", $1 {a,\"b\"}";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Apply<Self> for Odd {
    fn apply(&mut self, _event: &Self, _meta: &EventMeta) {}
}

pub(crate) async fn a_natural_key_is_stored_unchanged(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let mut ids = Vec::new();
    for key in ODD {
        ids.push(counter::create_with_key(store, key, 1).await?);
    }
    for (key, id) in ODD.into_iter().zip(&ids) {
        assert_eq!(counter::find_by_key(store, key).await?, Some(*id), "{key}");
        let again = counter::create_with_key(store, key, 1).await;
        assert_error!(again, Error::KeyTaken { key: taken, .. } if taken == key);
    }
    // Each aggregate gets the key of the next; the last one gets none.
    store
        .with_context(async |ctx| {
            let mut freed = ctx.load::<Counter>(ids[0]).await?;
            ctx.clear_key(&mut freed)?;
            for (id, key) in ids[1..].iter().zip(ODD) {
                let mut counter = ctx.load::<Counter>(*id).await?;
                ctx.change_key(&mut counter, key)?;
            }
            Ok::<_, Error>(())
        })
        .await?;
    for (key, id) in ODD.into_iter().zip(&ids[1..]) {
        assert_eq!(counter::find_by_key(store, key).await?, Some(*id), "{key}");
    }
    Ok(())
}

pub(crate) async fn labels_are_stored_unchanged(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    for label in ODD {
        let said = Metadata::new().correlation(label).causation(label).principal(label);
        let options = EventOptions::new().reference(label).metadata(said.with(label, label));
        let written = options.clone();
        store
            .with_context(async |ctx| {
                let mut counter = ctx.create::<Counter>().await?;
                ctx.apply_with(&mut counter, Added { by: 1 }, written)
            })
            .await?;
        let page = store.read_correlated(label, Position::START).await?;
        let [event] = &*page.events else { panic!("{label}: {page:?}") };
        assert_eq!(event.reference(), Some(label));
        let metadata = event.metadata();
        let ids = [metadata.correlation_id(), metadata.causation_id(), metadata.principal_id()];
        assert_eq!(ids, [Some(label); 3]);
        assert_eq!(metadata.get(label), Some(&label.into()));
    }
    Ok(())
}

pub(crate) async fn similar_idempotency_keys_are_told_apart(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = account::open(store, 0).await?;
    for key in ODD {
        for is_again in [false, true] {
            let deposit = store.execute::<Account, _>(id, Deposit { amount: 1 });
            let answer = deposit.idempotency_key(key).await.map_err(|error| match error {
                CommandError::Store(error) => error,
                CommandError::Rejected(_) => panic!("nothing is asked for"),
            })?;
            assert_eq!(answer.is_repetition(), is_again, "{key}");
        }
        assert!(store.find_by_idempotency_key(key).await?.is_some(), "{key}");
    }
    Ok(())
}

pub(crate) async fn similar_subscription_names_are_kept_apart(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    for name in ODD {
        counter::create_with_key(store, name, 1).await?;
    }
    for name in ODD {
        let filter = EventFilter::new().key(NaturalKey::new(name)?);
        let journal = Journal::default();
        let subscription = store.subscription(name).filter(filter.clone()).owner(name);
        let worker = subscription.start(Start::Beginning).spawn(journal.handler())?;
        idle(store, name, &worker).await?;
        assert_eq!(journal.len(), 1, "{name}");
        let found = info(store, name).await?;
        assert_eq!((found.filter, found.partitions[0].owner.as_deref()), (filter, Some(name)));
        worker.shutdown().await?;
        store.subscriptions().pause(name).await?;
        store.subscriptions().resume(name).await?;
        store.subscriptions().reset(name, Start::Beginning).await?;
    }
    assert_eq!(store.subscriptions().list().await?.len(), ODD.len());
    for name in ODD {
        store.subscriptions().delete(name).await?;
    }
    assert!(store.subscriptions().list().await?.is_empty());
    Ok(())
}

pub(crate) async fn type_names_are_stored_unchanged(fixture: &Fixture) -> Result<()> {
    let registry = Registry::builder().event::<Odd>().build()?;
    let store = fixture.store_with(fixture.builder().registry(registry)).await?;
    let id = store
        .with_context(async |ctx| {
            let mut odd = ctx.create_with_key::<Odd>(<Odd as Aggregate>::NAME).await?;
            ctx.apply(&mut odd, Odd)?;
            Ok::<_, Error>(odd.id())
        })
        .await?;
    let page = store.read_log(Position::START, 10).await?;
    let [event] = &*page.events else { panic!("{page:?}") };
    let names = (event.aggregate_id(), event.aggregate_type(), event.event_type());
    assert_eq!(names, (id, <Odd as Aggregate>::NAME, <Odd as Event>::NAME));
    event.decode::<Odd>()?;
    let journal = Journal::default();
    let subscription = store.subscription("odd").filter(EventFilter::new().event::<Odd>());
    let worker = subscription.start(Start::Beginning).spawn(journal.handler())?;
    idle(&store, "odd", &worker).await?;
    assert_eq!(journal.len(), 1);
    worker.shutdown().await
}
