//! Renamed types.

use std::sync::{Arc, Mutex};

use evercore::engine::StorageEngine;
use evercore::{
    Batch, BoxError, Error, EventFilter, EventStore, Expected, Handler, Registry, Stream,
};
use evercore_memory::MemoryEngine;

use crate::generations::third::{Customer, MoneyDeposited, Moved, Renamed};
use crate::generations::{ada, first, open, open_first, open_second, open_third, second};

type Test = Result<(), BoxError>;

fn deposit(cents: i64) -> MoneyDeposited {
    MoneyDeposited { cents, currency: "EUR".to_owned() }
}

async fn types(engine: &MemoryEngine) -> Vec<String> {
    let mut types: Vec<_> = engine
        .aggregate_types()
        .await
        .expect("memory answers")
        .iter()
        .map(|name| name.as_ref().to_owned())
        .collect();
    types.sort();
    types
}

#[tokio::test]
async fn a_database_goes_on_with_the_name_that_it_has() -> Test {
    let engine = MemoryEngine::new();
    let id = ada(&engine).await?;
    let store = open_third(&engine).await;
    store.warmup().await?;
    let grace = store
        .with_context(async |ctx| {
            let mut grace = ctx.create_with_key::<Customer>("grace").await?;
            ctx.apply(&mut grace, deposit(1))?;
            Ok::<_, Error>(grace.id())
        })
        .await?;
    let key = evercore::NaturalKey::new("ada")?;
    let appended =
        store.append::<Customer, _>(Stream::Key(key), Expected::Any, [deposit(2)]).await?;
    assert_eq!(appended.id, id);
    assert_eq!(types(&engine).await, ["client"]);
    assert_eq!(store.history(grace, ..).await?.events[0].aggregate_type(), "client");

    // The older program, which knows only the old name, sees the same aggregates and keys.
    let older = open_first(&engine).await;
    let taken = older
        .with_context(async |ctx| ctx.create_with_key::<first::Client>("grace").await.map(drop))
        .await;
    assert!(matches!(taken, Err(Error::KeyTaken { .. })), "{taken:?}");
    Ok(())
}

#[tokio::test]
async fn a_context_knows_aggregates_under_every_stored_name() -> Test {
    let engine = MemoryEngine::new();
    let id = ada(&engine).await?;
    let store = open_third(&engine).await;
    let cents = store
        .with_context(async |ctx| {
            let mut ada = ctx.load_by_key::<Customer>("ada").await?;
            ctx.apply(&mut ada, deposit(1))?;
            ctx.change_key(&mut ada, "lovelace")?;
            let again = ctx.load::<Customer>(id).await?;
            let by_key = ctx.load_by_key::<Customer>("lovelace").await?;
            assert_eq!(again.state(), by_key.state());
            assert!(ctx.find_by_key::<Customer>("ada").await?.is_none());
            Ok::<_, Error>(by_key.state().cents)
        })
        .await?;
    assert_eq!(cents, 124);
    Ok(())
}

#[tokio::test]
async fn a_new_database_takes_the_present_name() -> Test {
    let engine = MemoryEngine::new();
    let store = open_third(&engine).await;
    let create =
        async || store.with_context(async |ctx| ctx.create::<Customer>().await.map(drop)).await;
    create().await?;
    create().await?;
    assert_eq!(types(&engine).await, ["customer"]);
    Ok(())
}

#[tokio::test]
async fn an_older_program_may_store_its_name_while_the_newer_one_is_open() -> Test {
    let engine = MemoryEngine::new();
    let (newer, older) = (open_third(&engine).await, open_first(&engine).await);
    let ada = older
        .with_context(async |ctx| Ok::<_, Error>(ctx.create::<first::Client>().await?.id()))
        .await?;
    newer
        .with_context(async |ctx| {
            let mut ada = ctx.load::<Customer>(ada).await?;
            ctx.apply(&mut ada, deposit(1))
        })
        .await?;
    assert_eq!(types(&engine).await, ["client"]);
    Ok(())
}

#[tokio::test]
async fn two_names_in_one_database_are_an_error_that_names_both() -> Test {
    mod renamed_without_alias {
        use evercore::{Aggregate, state_event};

        #[derive(Aggregate, Default)]
        #[aggregate(name = "customer")]
        pub(super) struct Customer {
            cents: i64,
        }

        #[state_event(aggregate = Customer, name = "cents-set")]
        pub(super) struct CentsSet {
            pub(super) cents: i64,
        }
    }
    use renamed_without_alias::{CentsSet, Customer};
    let engine = MemoryEngine::new();
    ada(&engine).await?;
    let other = open(&engine, Registry::builder().event::<CentsSet>().build()).await;
    other
        .with_context(async |ctx| {
            let mut customer = ctx.create::<Customer>().await?;
            ctx.apply(&mut customer, CentsSet { cents: 1 })
        })
        .await?;

    let registry = Registry::builder().event::<MoneyDeposited>().build()?;
    let opened = EventStore::builder().registry(registry).open(engine).await;
    let Err(error) = opened else { panic!("it opens") };
    let wanted = "the database knows both `customer` and `client`, and `evolution::generations::third::Customer` claims both names; remove one of them from its `aliases`, and read that name with a separate type";
    assert_eq!(error.to_string(), wanted);
    Ok(())
}

#[tokio::test]
async fn an_aggregate_of_another_type_is_named_by_its_own_type() -> Test {
    let engine = MemoryEngine::new();
    let id = ada(&engine).await?;
    mod shop {
        use evercore::{Aggregate, state_event};

        #[derive(Aggregate, Default)]
        #[aggregate(name = "shop", aliases = ["store"])]
        pub(super) struct Shop {
            open: bool,
        }

        #[state_event(aggregate = Shop, name = "opened")]
        pub(super) struct Opened {
            pub(super) open: bool,
        }
    }
    let store = open(&engine, Registry::builder().event::<shop::Opened>().build()).await;
    let loaded =
        store.with_readonly_context(async |ctx| ctx.load::<shop::Shop>(id).await.map(drop)).await;
    let error = loaded.expect_err("it is a customer");
    assert_eq!(error.to_string(), "aggregate 1 is of the type client, not shop; load it as client");
    Ok(())
}

/// Returns a handler that records the positions of its events.
fn journal() -> (Arc<Mutex<Vec<i64>>>, impl Handler) {
    let seen: Arc<Mutex<Vec<i64>>> = Arc::default();
    let journal = Arc::clone(&seen);
    let handler = async move |batch: Batch| {
        let positions = batch.iter().map(|event| event.position().get());
        journal.lock().expect("no thread panics").extend(positions);
        Ok::<_, Error>(())
    };
    (seen, handler)
}

async fn followed(
    store: &EventStore,
    name: &str,
    filter: EventFilter,
) -> Result<Vec<i64>, BoxError> {
    let (seen, handler) = journal();
    let worker = store.subscription(name).filter(filter).spawn(handler)?;
    let waited = store.wait_for(name, store.head().await?).await;
    worker.shutdown().await?;
    waited?;
    Ok(std::mem::take(&mut *seen.lock().expect("no thread panics")))
}

#[tokio::test]
async fn a_subscription_goes_on_after_its_types_were_renamed() -> Test {
    let engine = MemoryEngine::new();
    let older = open_second(&engine).await;
    let id = older
        .with_context(async |ctx| {
            let mut ada = ctx.create::<second::Client>().await?;
            ctx.apply(&mut ada, second::Deposited { cents: 1 })?;
            Ok::<_, Error>(ada.id())
        })
        .await?;
    let of_old = EventFilter::new().event::<second::Deposited>();
    let of_old_type = EventFilter::new().aggregate::<second::Client>();
    assert_eq!(followed(&older, "deposits", of_old.clone()).await?, [1]);
    assert_eq!(followed(&older, "all of it", of_old_type.clone()).await?, [1]);

    let newer = open_third(&engine).await;
    newer
        .with_context(async |ctx| {
            let mut ada = ctx.load::<Customer>(id).await?;
            ctx.apply(&mut ada, deposit(2))
        })
        .await?;
    let of_new = EventFilter::new().event::<MoneyDeposited>();
    let of_new_type = EventFilter::new().aggregate::<Customer>();
    assert_eq!(followed(&newer, "deposits", of_new).await?, [2]);
    assert_eq!(followed(&newer, "all of it", of_new_type).await?, [2]);

    // The older program is refused, because it would skip events with the new names. The type's name stays.
    let (_, handler) = journal();
    let refused = older.subscription("deposits").filter(of_old).run(handler).await;
    assert!(matches!(refused, Err(Error::SubscriptionDiffers { .. })), "{refused:?}");
    assert!(followed(&older, "all of it", of_old_type).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_subscription_to_something_else_still_differs() -> Test {
    let engine = MemoryEngine::new();
    let (older, newer) = (open_second(&engine).await, open_third(&engine).await);
    followed(&older, "deposits", EventFilter::new().event::<second::Deposited>()).await?;
    let (_, handler) = journal();
    let other = newer.subscription("deposits").event::<Moved>().run(handler).await;
    assert!(matches!(other, Err(Error::SubscriptionDiffers { .. })), "{other:?}");
    Ok(())
}

#[tokio::test]
async fn a_filter_for_an_event_reads_all_that_it_may_be_stored_as() -> Test {
    let engine = MemoryEngine::new();
    ada(&engine).await?;
    let store = open_third(&engine).await;
    let cases = [
        ("deposits", EventFilter::new().event::<MoneyDeposited>(), &[2, 4, 6][..]),
        ("names", EventFilter::new().event::<Renamed>(), &[1, 5]),
        ("by an old name", EventFilter::new().event_named("client", "deposited"), &[2, 4, 6]),
        ("of retired ones", EventFilter::new().event_named("customer", "printed"), &[3]),
        ("of all", EventFilter::new().aggregate_named("client"), &[1, 2, 3, 4, 5, 6]),
    ];
    for (name, filter, wanted) in cases {
        assert_eq!(followed(&store, name, filter).await?, wanted, "{name}");
    }
    Ok(())
}
