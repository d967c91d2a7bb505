//! Decisions in a context.

use chrono::DateTime;
use evercore::{
    Aggregate, AggregateId, Apply, CommandError, Decide, Decision, Error, Event, EventMeta,
    EventOptions, EventStore, Metadata, event,
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
    let history = store.history(id, ..).await.expect("memory reads");
    history.iter().map(|event| event.event_type().to_owned()).collect()
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
            // The handle has the marble that was emitted before the refusal.
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
    use evercore::engine::{LoadRequest, Reader, Target};
    let engine = MemoryEngine::new();
    let store = EventStore::builder().open(engine.clone()).await?;
    let id = add(&store, &[3, 3]).await?;
    let request = LoadRequest {
        aggregate_type: Jar::NAME,
        target: Target::Id(id),
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
async fn what_a_decision_emits_has_the_metadata_of_the_context_or_its_own() -> Outcome {
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
    let history = store.history(id, ..).await?;
    let who: Vec<_> = history.iter().map(|event| event.metadata().principal_id()).collect();
    assert_eq!(who, [Some("ada"), Some("eve")]);
    assert_eq!(history[1].event_time(), DateTime::UNIX_EPOCH);
    assert_eq!(history[1].reference(), Some("r-1"));
    Ok(())
}
