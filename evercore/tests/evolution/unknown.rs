//! Events that a program does not know.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evercore::{
    AggregateId, BoxError, Error, EventStore, Received, RecordedEvent, Registry, Router, Sequence,
};
use evercore_memory::MemoryEngine;

use crate::generations::open;

type Test = Result<(), BoxError>;

/// Knows all events.
mod whole {
    use evercore::{Aggregate, state_event};
    use serde::{Deserialize, Serialize};

    #[derive(Aggregate, Default, Serialize, Deserialize)]
    #[aggregate(name = "lamp", snapshot_every = 2)]
    pub(super) struct Lamp {
        pub(super) lit: bool,
        pub(super) watts: u32,
    }

    #[state_event(aggregate = Lamp, name = "switched")]
    pub(super) struct Switched {
        pub(super) lit: bool,
    }

    #[state_event(aggregate = Lamp, name = "bulb-changed")]
    pub(super) struct BulbChanged {
        pub(super) watts: u32,
    }
}

/// Programs that only know `Switched`, each with a policy for unknown events.
macro_rules! partial {
    ($module:ident $(, $policy:ident $(($how:expr))?)?) => {
        mod $module {
            use evercore::{Aggregate, state_event};
            use serde::{Deserialize, Serialize};

            #[derive(Aggregate, Default, Serialize, Deserialize)]
            #[aggregate(name = "lamp", snapshot_every = 2 $(, unknown_events = $policy $(($how))?)?)]
            pub(super) struct Lamp {
                pub(super) lit: bool,
                pub(super) watts: u32,
            }

            #[state_event(aggregate = Lamp, name = "switched")]
            pub(super) struct Switched {
                pub(super) lit: bool,
            }
        }
    };
}

partial!(failing);
partial!(skipping, skip);
partial!(handing, hand_to(super::note));

fn note(lamp: &mut handing::Lamp, event: &RecordedEvent) {
    let json = event.payload().to_json().expect("it is JSON");
    lamp.watts = json["watts"].as_u64().and_then(|watts| watts.try_into().ok()).unwrap_or(1);
}

/// Writes a lamp whose middle event is the one that only some programs know.
async fn lamp(engine: &MemoryEngine) -> Result<(EventStore, AggregateId), BoxError> {
    let registry = Registry::builder().event::<whole::Switched>().event::<whole::BulbChanged>();
    let store = open(engine, registry.build()).await;
    let id = store
        .with_context(async |ctx| {
            let mut lamp = ctx.create::<whole::Lamp>().await?;
            ctx.apply(&mut lamp, whole::BulbChanged { watts: 40 })?;
            Ok::<_, Error>(lamp.id())
        })
        .await?;
    Ok((store, id))
}

#[tokio::test]
async fn an_unknown_event_fails_the_load_unless_told_otherwise() -> Test {
    let engine = MemoryEngine::new();
    let (_, id) = lamp(&engine).await?;

    let store = open(&engine, Registry::builder().event::<failing::Switched>().build()).await;
    let loaded = store.with_readonly_context(async |ctx| ctx.load::<failing::Lamp>(id).await).await;
    let Err(Error::UnknownEvent(place)) = loaded else { panic!("it is not known") };
    assert_eq!((&*place.event_type, place.sequence), ("bulb-changed", Sequence::FIRST));

    let store = open(&engine, Registry::builder().event::<skipping::Switched>().build()).await;
    let loaded =
        store.with_readonly_context(async |ctx| ctx.load::<skipping::Lamp>(id).await).await?;
    assert_eq!((loaded.state().watts, loaded.has_unknown_events()), (0, true));
    assert_eq!(loaded.sequence(), Sequence::FIRST, "it counts all the same");

    let store = open(&engine, Registry::builder().event::<handing::Switched>().build()).await;
    let loaded =
        store.with_readonly_context(async |ctx| ctx.load::<handing::Lamp>(id).await).await?;
    assert_eq!((loaded.state().watts, loaded.has_unknown_events()), (40, true));
    Ok(())
}

#[tokio::test]
async fn a_state_that_lacks_events_leaves_no_snapshot() -> Test {
    let engine = MemoryEngine::new();
    let (whole, id) = lamp(&engine).await?;
    let partial = open(&engine, Registry::builder().event::<skipping::Switched>().build()).await;
    partial
        .with_context(async |ctx| {
            let mut lamp = ctx.load::<skipping::Lamp>(id).await?;
            ctx.apply(&mut lamp, skipping::Switched { lit: true })
        })
        .await?;
    let lamp = whole.with_readonly_context(async |ctx| ctx.load::<whole::Lamp>(id).await).await?;
    assert_eq!((lamp.state().lit, lamp.state().watts), (true, 40));

    // A program that knows all events takes the snapshot, and no unknown event is left after it.
    whole
        .with_context(async |ctx| {
            let mut lamp = ctx.load::<whole::Lamp>(id).await?;
            ctx.apply(&mut lamp, whole::Switched { lit: false })?;
            ctx.apply(&mut lamp, whole::Switched { lit: true })
        })
        .await?;
    let lamp =
        partial.with_readonly_context(async |ctx| ctx.load::<skipping::Lamp>(id).await).await?;
    assert_eq!((lamp.state().watts, lamp.has_unknown_events()), (40, false));
    Ok(())
}

#[tokio::test]
async fn a_router_fails_at_an_unknown_event_unless_told_otherwise() -> Test {
    let engine = MemoryEngine::new();
    let (whole, id) = lamp(&engine).await?;
    whole
        .with_context(async |ctx| {
            let mut lamp = ctx.load::<whole::Lamp>(id).await?;
            ctx.apply(&mut lamp, whole::Switched { lit: true })
        })
        .await?;
    let store = open(&engine, Registry::builder().event::<failing::Switched>().build()).await;
    let counts: Arc<[AtomicUsize; 2]> = Arc::default();
    let router = || {
        let counts = Arc::clone(&counts);
        Router::new().on(async move |_: Received<failing::Switched>| {
            counts[0].fetch_add(1, Ordering::SeqCst);
            Ok::<_, Error>(())
        })
    };
    let stopped = store.subscription("strict").run(router()).await;
    let Err(Error::HandlerFailed { source, .. }) = stopped else { panic!("it goes on") };
    let source = source.downcast::<Error>()?;
    assert!(matches!(*source, Error::UnknownEvent(_)), "{source:?}");

    let unknown = Arc::clone(&counts);
    let handing = router().on_unknown(async move |event: RecordedEvent| {
        assert_eq!(event.event_type(), "bulb-changed");
        unknown[1].fetch_add(1, Ordering::SeqCst);
        Ok::<_, Error>(())
    });
    for (name, router) in [("skipping", router().skip_unknown()), ("handing", handing)] {
        let worker = store.subscription(name).spawn(router)?;
        store.wait_for(name, store.head().await?).await?;
        worker.shutdown().await?;
    }
    assert_eq!(counts.each_ref().map(|count| count.load(Ordering::SeqCst)), [2, 1]);
    Ok(())
}

#[tokio::test]
async fn a_router_skips_known_events_without_a_closure() -> Test {
    let engine = MemoryEngine::new();
    let (whole, _) = lamp(&engine).await?;
    let router = Router::new().on(async |_: Received<whole::Switched>| Ok::<_, Error>(()));
    let worker = whole.subscription("switches").spawn(router)?;
    whole.wait_for("switches", whole.head().await?).await?;
    worker.shutdown().await?;
    Ok(())
}
