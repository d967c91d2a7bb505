//! Old events are read in their present shape everywhere.

use std::sync::{Arc, Mutex};

use evercore::{
    AggregateId, BoxError, Error, EventStore, Received, Router, Sequence, SnapshotPolicy,
};
use evercore_memory::MemoryEngine;

use crate::generations::third::{Customer, MoneyDeposited, Moved, Renamed};
use crate::generations::{ada, first, open_first, open_second, open_third, said, second};

type Test = Result<(), BoxError>;

async fn load(store: &EventStore, id: AggregateId) -> evercore::Result<Customer> {
    store.with_readonly_context(async |ctx| Ok(ctx.load::<Customer>(id).await?.into_state())).await
}

fn deposit(cents: i64) -> MoneyDeposited {
    MoneyDeposited { cents, currency: "EUR".to_owned() }
}

#[tokio::test]
async fn events_of_three_generations_make_one_state() -> Test {
    let engine = MemoryEngine::new();
    let id = ada(&engine).await?;
    let store = open_third(&engine).await;
    let wanted =
        Customer { name: "Ada Lovelace".to_owned(), city: "London".to_owned(), cents: 123 };
    assert_eq!(load(&store, id).await?, wanted);

    // A program of the second generation still reads the events that it knows.
    let as_of = evercore::AsOf::Sequence(Sequence::new(5)?);
    let older = open_second(&engine).await;
    let ada = older
        .with_readonly_context(async |ctx| ctx.load_as_of::<second::Client>(id, as_of).await)
        .await?;
    assert_eq!(ada.state().cents, 120);
    Ok(())
}

#[tokio::test]
async fn sequences_count_stored_events_also_when_they_were_retired() -> Test {
    let engine = MemoryEngine::new();
    let id = ada(&engine).await?;
    let store = open_third(&engine).await;
    let sequences: Vec<i64> =
        store.history(id, ..).await?.events.iter().map(|event| event.sequence().get()).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6]);
    let london = async |sequence| {
        let as_of = evercore::AsOf::Sequence(Sequence::new(sequence)?);
        let loaded = store
            .with_readonly_context(async |ctx| ctx.load_as_of::<Customer>(id, as_of).await)
            .await?;
        Ok::<_, Error>((loaded.sequence().get(), loaded.state().cents))
    };
    assert_eq!(london(3).await?, (3, 100));
    assert_eq!(london(4).await?, (4, 120));
    Ok(())
}

#[tokio::test]
async fn a_recorded_event_is_decoded_in_its_present_shape() -> Test {
    let engine = MemoryEngine::new();
    let id = ada(&engine).await?;
    let store = open_third(&engine).await;
    let history = store.history(id, ..).await?.events;
    let decoded: Vec<MoneyDeposited> = history
        .iter()
        .filter(|event| event.is::<MoneyDeposited>())
        .map(|event| event.decode())
        .collect::<Result<_, _>>()?;
    assert_eq!(decoded, [deposit(100), deposit(20), deposit(3)]);
    let versions: Vec<_> =
        history.iter().map(|event| (event.event_type(), event.version())).collect();
    assert_eq!(versions[1], ("deposited", 1), "it is stored as it was written");
    assert_eq!(versions[3], ("deposited", 2));
    assert_eq!(versions[5], ("money-deposited", 3));
    Ok(())
}

#[tokio::test]
async fn a_retired_event_is_decoded_as_the_events_it_becomes() -> Test {
    let engine = MemoryEngine::new();
    let id = ada(&engine).await?;
    let store = open_third(&engine).await;
    let history = store.history(id, ..).await?.events;
    let registry = store.registry();
    let [changed, deposited, printed] = [&history[0], &history[1], &history[2]];
    assert_eq!(registry.decode_all::<Renamed>(changed)?, [Renamed { name: "Ada".to_owned() }]);
    assert_eq!(registry.decode_all::<Moved>(changed)?, [Moved { city: "London".to_owned() }]);
    assert_eq!(registry.decode_all::<MoneyDeposited>(changed)?, []);
    assert_eq!(registry.decode_all::<MoneyDeposited>(deposited)?, [deposit(100)]);
    assert_eq!(registry.decode_all::<Renamed>(printed)?, [], "it is dropped");
    assert!(matches!(changed.decode::<Renamed>(), Err(Error::WrongEventType { .. })));
    Ok(())
}

#[tokio::test]
async fn a_router_receives_present_shapes_and_the_parts_of_retired_events() -> Test {
    let engine = MemoryEngine::new();
    ada(&engine).await?;
    let store = open_third(&engine).await;
    let seen: Arc<Mutex<Vec<(i64, String)>>> = Arc::default();
    let [deposits, names, cities] = [(); 3].map(|()| Arc::clone(&seen));
    let note = |seen: &Mutex<Vec<(i64, String)>>, sequence: Sequence, what: &str| {
        seen.lock().expect("no thread panics").push((sequence.get(), what.to_owned()));
    };
    let router = Router::new()
        .on(async move |event: Received<MoneyDeposited>| {
            note(&deposits, event.recorded().sequence(), &event.cents.to_string());
            Ok::<_, Error>(())
        })
        .on(async move |event: Received<Renamed>| {
            note(&names, event.recorded().sequence(), &event.name);
            Ok::<_, Error>(())
        })
        .on(async move |event: Received<Moved>| {
            note(&cities, event.recorded().sequence(), &event.city);
            Ok::<_, Error>(())
        });
    let worker = store.subscription("notes").spawn(router)?;
    store.wait_for("notes", store.head().await?).await?;
    worker.shutdown().await?;
    let wanted = [(1, "Ada"), (1, "London"), (2, "100"), (4, "20"), (5, "Ada Lovelace"), (6, "3")];
    let seen = seen.lock().expect("no thread panics").clone();
    assert_eq!(seen, wanted.map(|(sequence, what)| (sequence, what.to_owned())));
    Ok(())
}

#[tokio::test]
async fn an_upcaster_that_fails_names_the_event_and_the_step() -> Test {
    let engine = MemoryEngine::new();
    let (one, two) = (open_first(&engine).await, open_second(&engine).await);
    let mut ids = Vec::new();
    for euros in [i64::MAX, 0] {
        let created = one.with_context(async |ctx| {
            let mut client = ctx.create::<first::Client>().await?;
            ctx.apply(&mut client, first::Deposited(euros))?;
            Ok::<_, Error>(client.id())
        });
        ids.push(created.await?);
    }
    let third = two.with_context(async |ctx| {
        let mut client = ctx.create::<second::Client>().await?;
        ctx.apply(&mut client, second::Deposited { cents: 0 })?;
        Ok::<_, Error>(client.id())
    });
    ids.push(third.await?);

    let store = open_third(&engine).await;
    let wanted = [
        "event `deposited` version 1 at position 1 (client {id}, sequence 1) cannot be read: its upcaster from version 1 to 2 failed; correct that code, since the stored event cannot change: the amount is out of range",
        "event `deposited` version 1 at position 2 (client {id}, sequence 1) cannot be read: its upcaster from version 2 to 3 failed; correct that code, since the stored event cannot change: nothing was deposited",
        "event `deposited` version 2 at position 3 (client {id}, sequence 1) cannot be read: its upcaster from version 2 to 3 failed; correct that code, since the stored event cannot change: nothing was deposited",
    ];
    for (id, wanted) in ids.into_iter().zip(wanted) {
        let wanted = wanted.replace("{id}", &id.to_string());
        let loaded = load(&store, id).await.expect_err("it cannot be read");
        assert_eq!(said(&loaded), wanted);
        let event = store.history(id, ..).await?.events.remove(0);
        let decoded = event.decode::<MoneyDeposited>().expect_err("it cannot be read");
        assert_eq!(said(&decoded), wanted);
        assert!(matches!(decoded, Error::Upcast { to: Some(_), .. }));
    }
    Ok(())
}

#[tokio::test]
async fn an_event_that_cannot_be_split_is_named_and_stops_a_router() -> Test {
    let engine = MemoryEngine::new();
    let one = open_first(&engine).await;
    let id = one
        .with_context(async |ctx| {
            let mut client = ctx.create::<first::Client>().await?;
            ctx.apply(&mut client, first::Changed { name: String::new(), city: None })?;
            Ok::<_, Error>(client.id())
        })
        .await?;
    let store = open_third(&engine).await;
    let wanted = "event `changed` version 1 at position 1 (client 1, sequence 1) cannot be read: its `Split` failed; correct that code, since the stored event cannot change: the name is empty";
    let loaded = load(&store, id).await.expect_err("it cannot be split");
    assert_eq!(said(&loaded), wanted);

    let router = Router::new().on(async |_: Received<Renamed>| Ok::<_, Error>(()));
    let stopped = store.subscription("names").run(router).await.expect_err("it stops");
    assert_eq!(said(&stopped), format!("the handler of `names` failed at position 1: {wanted}"));
    Ok(())
}

#[tokio::test]
async fn an_old_event_that_does_not_fit_its_old_shape_is_named() -> Test {
    let engine = MemoryEngine::new();
    let store = open_third(&engine).await;
    // An event of the second generation with another shape.
    mod wrong {
        use evercore::{Aggregate, state_event};

        #[derive(Aggregate, Default)]
        #[aggregate(name = "client")]
        pub(super) struct Client {
            cents: String,
        }

        #[state_event(aggregate = Client, name = "deposited", version = 2, oldest_version = 2)]
        pub(super) struct Deposited {
            pub(super) cents: String,
        }
    }
    let registry = evercore::Registry::builder().event::<wrong::Deposited>().build();
    let other = crate::generations::open(&engine, registry).await;
    let id = other
        .with_context(async |ctx| {
            let mut client = ctx.create::<wrong::Client>().await?;
            ctx.apply(&mut client, wrong::Deposited { cents: "many".to_owned() })?;
            Ok::<_, Error>(client.id())
        })
        .await?;
    let Err(error) = load(&store, id).await else { panic!("it does not fit") };
    let words =
        std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    let words: Vec<_> = words.map(ToString::to_string).collect();
    assert!(words.iter().any(|said| said.contains("invalid type: string")), "{words:?}");
    let Error::Decode(found) = error else { panic!("{error:?}") };
    assert!(found.rust_type.ends_with("third::DepositedV2"), "{}", found.rust_type);
    assert_eq!((found.source.field(), found.event.version), ("cents", 2));
    Ok(())
}

/// Two programs whose states have one shape. The later one has retired the event that the earlier one has counted.
#[tokio::test]
async fn a_snapshot_of_before_an_event_was_retired_is_not_read() -> Test {
    mod before {
        use evercore::{Aggregate, state_event};
        use serde::{Deserialize, Serialize};

        #[derive(Aggregate, Default, Serialize, Deserialize)]
        #[aggregate(name = "meter", snapshot_every = 1)]
        pub(super) struct Meter {
            pub(super) level: i64,
        }

        #[state_event(aggregate = Meter, name = "set")]
        pub(super) struct Set {
            pub(super) level: i64,
        }
    }
    mod after {
        use evercore::{Aggregate, retired_event};
        use serde::{Deserialize, Serialize};

        #[derive(Aggregate, Default, Serialize, Deserialize)]
        #[aggregate(name = "meter", snapshot_every = 1)]
        pub(super) struct Meter {
            pub(super) level: i64,
        }

        #[retired_event(aggregate = Meter, name = "set")]
        pub(super) struct Set;
    }
    use evercore::{Aggregate, Registry};
    let shapes = (before::Meter::SNAPSHOTS, after::Meter::SNAPSHOTS);
    let shapes = (
        shapes.0.as_ref().map(SnapshotPolicy::fingerprint),
        shapes.1.as_ref().map(SnapshotPolicy::fingerprint),
    );
    assert_eq!(shapes.0, shapes.1, "the states have one shape");

    let engine = MemoryEngine::new();
    let registry = Registry::builder().event::<before::Set>().build();
    let old = crate::generations::open(&engine, registry).await;
    let id = old
        .with_context(async |ctx| {
            let mut meter = ctx.create::<before::Meter>().await?;
            ctx.apply(&mut meter, before::Set { level: 7 })?;
            Ok::<_, Error>(meter.id())
        })
        .await?;
    let registry = Registry::builder().dropped::<after::Set>().build();
    let new = crate::generations::open(&engine, registry).await;
    let meter = new.with_readonly_context(async |ctx| ctx.load::<after::Meter>(id).await).await?;
    assert_eq!((meter.state().level, meter.sequence()), (0, Sequence::FIRST));
    Ok(())
}
