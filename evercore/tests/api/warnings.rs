//! The warnings that a store logs.

use std::sync::{Arc, Mutex};

use evercore::{Aggregate, Apply, Error, EventMeta, EventStore, event};
use evercore_memory::MemoryEngine;
use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata, Subscriber, span};

/// Records the warnings of one thread.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<String>>>);

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        self.0.lock().expect("no panic").push(words.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Aggregate, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[aggregate(snapshot_every = 1)]
struct Thermometer {
    coldest: f64,
}

impl Default for Thermometer {
    fn default() -> Self {
        Self { coldest: f64::INFINITY }
    }
}

#[event(aggregate = Thermometer)]
struct Hung;

impl Apply<Hung> for Thermometer {
    fn apply(&mut self, _: &Hung, _: &EventMeta) {}
}

/// The state is replayed instead.
#[tokio::test(flavor = "current_thread")]
async fn a_state_that_no_snapshot_restores_is_warned_of_once_for_its_type() {
    let listener = Listener::default();
    let _listening = tracing::subscriber::set_default(listener.clone());
    let store = EventStore::builder().open(MemoryEngine::new()).await.expect("memory opens");
    for _ in 0..3 {
        let id = store
            .with_context(async |ctx| {
                let mut thermometer = ctx.create::<Thermometer>().await?;
                ctx.apply(&mut thermometer, Hung)?;
                ctx.apply(&mut thermometer, Hung)?;
                Ok::<_, Error>(thermometer.id())
            })
            .await
            .expect("it lands");
        let loaded = store
            .with_readonly_context(async |ctx| ctx.load::<Thermometer>(id).await)
            .await
            .expect("it loads");
        assert_eq!(loaded.state(), &Thermometer::default());
    }
    let warnings = listener.0.lock().expect("no panic");
    let [warning] = &warnings[..] else { panic!("one warning, not {warnings:?}") };
    for said in ["Thermometer", "`coldest` holds inf", "is replayed"] {
        assert!(warning.contains(said), "{warning}");
    }
}
