//! Decisions in a context.

use chrono::DateTime;
use evercore::{
    Aggregate, AggregateId, Apply, CommandError, Decide, Decision, Error, Event, EventMeta,
    EventOptions, EventStore, Metadata, NaturalKey, RetryPolicy, Target, event,
};
use evercore_memory::MemoryEngine;

#[derive(Aggregate, Default, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[aggregate(name = "jar", snapshot_every = 4)]
struct Jar {
    marbles: u32,
    is_full: bool,
}

#[event(aggregate = Jar, name = "marbles-added")]
struct MarblesAdded {
    count: u32,
}

#[event(aggregate = Jar, name = "filled")]
struct Filled;

impl Apply<MarblesAdded> for Jar {
    fn apply(&mut self, event: &MarblesAdded, _meta: &EventMeta) {
        self.marbles += event.count;
    }
}

impl Apply<Filled> for Jar {
    fn apply(&mut self, _event: &Filled, _meta: &EventMeta) {
        self.is_full = true;
    }
}

/// Adds marbles one by one, until the jar has ten.
struct Add {
    count: u32,
}

#[derive(Debug, PartialEq, thiserror::Error)]
enum JarError {
    #[error("the jar is full")]
    Full,
}

impl Decide<Add> for Jar {
    type Error = JarError;

    fn decide(jar: &mut Decision<'_, Self>, command: &Add) -> Result<(), JarError> {
        for _ in 0..command.count {
            if jar.is_full {
                return Err(JarError::Full);
            }
            jar.emit(MarblesAdded { count: 1 });
            if jar.marbles == 10 {
                jar.emit(Filled);
            }
        }
        Ok(())
    }
}

type Outcome<T = ()> = Result<T, CommandError<JarError>>;

async fn store() -> EventStore {
    EventStore::builder().open(MemoryEngine::new()).await.expect("memory opens")
}

async fn add(store: &EventStore, counts: &[u32]) -> Outcome<AggregateId> {
    let counts = counts.to_vec();
    store
        .with_context(async move |ctx| {
            let mut jar = ctx.create::<Jar>().await?;
            for count in counts {
                ctx.decide(&mut jar, &Add { count })?;
            }
            Ok(jar.id())
        })
        .await
}

async fn names(store: &EventStore, id: AggregateId) -> Vec<String> {
    let history = store.history(id, ..).await.expect("memory reads").events;
    history.iter().map(|event| event.event_type().to_owned()).collect()
}

/// Allocators do not cache larger chunks for reuse, which would make `execute` a tenth slower than its closure. The
/// figure is that of glibc's thread caches.
const AT_HAND: usize = 1_032;

#[tokio::test]
async fn the_future_of_a_command_is_small() {
    let store = EventStore::builder().open(MemoryEngine::new()).await.expect("a store");
    let future = store.execute::<Jar, _>(Target::New, Add { count: 1 }).into_future();
    let bytes = size_of_val(&*future);
    assert!(bytes <= AT_HAND, "{bytes} bytes");
}

#[tokio::test]
async fn a_decision_sees_what_it_and_earlier_ones_emitted() -> Outcome {
    let store = store().await;
    let id = add(&store, &[9, 1]).await?;
    let jar = store.with_readonly_context(async |ctx| ctx.load::<Jar>(id).await).await?;
    assert_eq!(jar.state(), &Jar { marbles: 10, is_full: true });
    assert_eq!(names(&store, id).await.last().map(String::as_str), Some(Filled::NAME));
    Ok(())
}

#[tokio::test]
async fn a_refused_decision_stages_nothing_of_it() -> Outcome {
    let store = store().await;
    let id = store
        .with_context(async |ctx| {
            let mut jar = ctx.create::<Jar>().await?;
            ctx.decide(&mut jar, &Add { count: 9 })?;
            let refused = ctx.decide(&mut jar, &Add { count: 2 });
            assert_eq!(
                refused.expect_err("the second is too many").rejection(),
                Some(&JarError::Full)
            );
            // The handle includes the marble that was emitted before the refusal.
            let stale = ctx.decide(&mut jar, &Add { count: 0 });
            assert!(matches!(stale, Err(CommandError::Store(Error::StaleHandle { .. }))));

            let mut jar = ctx.load::<Jar>(jar.id()).await?;
            assert_eq!(jar.state().marbles, 9);
            ctx.decide(&mut jar, &Add { count: 1 })?;
            Outcome::Ok(jar.id())
        })
        .await?;
    assert_eq!(names(&store, id).await.len(), 11);
    Ok(())
}

#[tokio::test]
async fn a_refused_decision_that_emitted_nothing_leaves_the_handle() -> Outcome {
    let store = store().await;
    store
        .with_context(async |ctx| {
            let mut jar = ctx.create::<Jar>().await?;
            ctx.decide(&mut jar, &Add { count: 10 })?;
            assert!(ctx.decide(&mut jar, &Add { count: 1 }).is_err());
            ctx.decide(&mut jar, &Add { count: 0 })
        })
        .await
}

#[tokio::test]
async fn a_decision_that_crosses_the_line_takes_one_snapshot_at_its_end() -> Outcome {
    use evercore::engine::{LoadRequest, LoadTarget, Reader};
    let engine = MemoryEngine::new();
    let store = EventStore::builder().open(engine.clone()).await?;
    let id = add(&store, &[3, 3]).await?;
    let request = LoadRequest {
        aggregate_type: Jar::NAME,
        target: LoadTarget::Id(id),
        snapshot: Jar::SNAPSHOTS.map(|policy| policy.fingerprint()),
        up_to: None,
        limit: 10,
    };
    let loaded = engine.load(request).await?.expect("it was committed");
    assert_eq!(loaded.snapshot.map(|snapshot| snapshot.sequence.get()), Some(6));
    assert!(loaded.events.is_empty());
    Ok(())
}

#[tokio::test]
async fn emitted_events_have_the_metadata_of_the_context_or_their_own() -> Outcome {
    struct Mark;
    impl Decide<Mark> for Jar {
        type Error = JarError;
        fn decide(jar: &mut Decision<'_, Self>, _: &Mark) -> Result<(), JarError> {
            jar.emit(Filled);
            let own = EventOptions::new()
                .at(DateTime::UNIX_EPOCH)
                .reference("r-1")
                .metadata(Metadata::new().principal("eve"));
            jar.emit_with(Filled, own);
            Ok(())
        }
    }

    let store = store().await;
    let id = store
        .with_context(async |ctx| {
            ctx.set_metadata(Metadata::new().principal("ada"))?;
            let mut jar = ctx.create::<Jar>().await?;
            ctx.decide(&mut jar, &Mark)?;
            Outcome::Ok(jar.id())
        })
        .await?;
    let history = store.history(id, ..).await?.events;
    let who: Vec<_> = history.iter().map(|event| event.metadata().principal_id()).collect();
    assert_eq!(who, [Some("ada"), Some("eve")]);
    assert_eq!(history[1].event_time(), DateTime::UNIX_EPOCH);
    assert_eq!(history[1].reference(), Some("r-1"));
    Ok(())
}

#[tokio::test]
async fn a_command_can_be_executed_in_a_spawned_task() -> Outcome {
    let store = store().await;
    let name = String::from("jar");
    let task = tokio::spawn(async move {
        let target = Target::key_or_new(name.as_str())?;
        let executed = store.execute::<Jar, _>(target, Add { count: 3 }).await?;
        let position = executed.position();
        Outcome::Ok((executed.state().marbles, executed.events().len(), position.is_some()))
    });
    assert_eq!(task.await.expect("it does not panic")?, (3, 3, true));
    Ok(())
}

#[tokio::test]
async fn racing_commands_are_all_decided_on_what_is_there() -> Outcome {
    let patient = RetryPolicy::default().attempts(100);
    let store = EventStore::builder().retry(patient).open(MemoryEngine::new()).await?;
    let id = store.execute::<Jar, _>(Target::New, Add { count: 1 }).await?.id();
    let commands = (0..12).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.execute::<Jar, _>(id, Add { count: 1 }).await })
    });
    let mut refused = 0;
    for command in commands.collect::<Vec<_>>() {
        match command.await.expect("it does not panic") {
            Ok(_) => {}
            Err(CommandError::Rejected(JarError::Full)) => refused += 1,
            Err(error) => return Err(error),
        }
    }
    assert_eq!(refused, 3, "nine more fit into the jar");
    Ok(())
}

#[tokio::test]
async fn a_command_for_a_missing_aggregate_is_an_error() {
    let store = store().await;
    let unknown = AggregateId::new(17).expect("it is an id");
    let by_id = store.execute::<Jar, _>(unknown, Add { count: 1 }).await;
    assert!(matches!(by_id, Err(CommandError::Store(Error::UnknownId { .. }))));
    let by_key = store.execute::<Jar, _>("missing", Add { count: 1 }).await;
    assert!(matches!(by_key, Err(CommandError::Store(Error::UnknownKey { .. }))));
    let by_no_key = store.execute::<Jar, _>("", Add { count: 1 }).await;
    assert!(matches!(by_no_key, Err(CommandError::Store(Error::InvalidKey { .. }))));
    let without_a_name = store.execute::<Jar, _>(Target::New, Add { count: 1 }).idempotency_key("");
    assert!(matches!(
        without_a_name.await,
        Err(CommandError::Store(Error::InvalidIdempotencyKey { .. }))
    ));
}

#[tokio::test]
async fn the_result_of_a_command_lists_its_events() -> Outcome {
    let store = store().await;
    let metadata = Metadata::new().principal("ada");
    let executed = store
        .execute::<Jar, _>(Target::new_with_key("jar")?, Add { count: 10 })
        .metadata(metadata.clone())
        .await?;
    assert_eq!(executed.aggregate().key().map(NaturalKey::as_str), Some("jar"));
    assert_eq!(executed.events().len(), 11);
    let (first, last) = (&executed.events()[0], &executed.events()[10]);
    assert_eq!(first.decode::<MarblesAdded>()?.count, 1);
    assert_eq!(first.meta().metadata(), &metadata);
    assert!(last.is::<Filled>() && !last.is::<MarblesAdded>());
    assert!(matches!(last.decode::<MarblesAdded>(), Err(Error::WrongEventType { .. })));
    assert_eq!(executed.position(), Some(store.head().await?));

    let nothing = store.execute::<Jar, _>(executed.id(), Add { count: 0 }).await?;
    assert_eq!((nothing.commit(), nothing.position()), (None, None));
    assert_eq!(nothing.state(), &Jar { marbles: 10, is_full: true });
    Ok(())
}
