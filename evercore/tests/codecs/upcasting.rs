//! Old events are upcast whatever codec they were written in.

use evercore::evolution::{Upcast, Upcaster};
use evercore::format::Encoding;
use evercore::{Aggregate, Apply, BoxError, Codec, Error, Event, EventMeta, EventStore, Registry};
use evercore_memory::MemoryEngine;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

// Implemented by hand, because the two programs share their names.

#[derive(Default)]
struct OldScale;

#[derive(Serialize, Deserialize)]
struct OldWeighed {
    pounds: u32,
}

#[derive(Default)]
struct Scale(u32);

#[derive(Serialize, Deserialize)]
struct Weighed {
    grams: u32,
}

#[derive(Deserialize)]
struct WeighedV2 {
    kilos: u32,
}

impl Aggregate for OldScale {
    const NAME: &'static str = "scale";
}

impl Event for OldWeighed {
    type Aggregate = OldScale;
    const NAME: &'static str = "weighed";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Apply<OldWeighed> for OldScale {
    fn apply(&mut self, _: &OldWeighed, _: &EventMeta) {}
}

impl Aggregate for Scale {
    const NAME: &'static str = "scale";
}

impl Event for Weighed {
    type Aggregate = Scale;
    const NAME: &'static str = "weighed";
    const VERSION: u32 = 3;
    const UPCASTERS: &'static [Upcaster] =
        &[Upcaster::raw(in_kilos), Upcaster::typed::<WeighedV2, Self>()];
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Apply<Weighed> for Scale {
    fn apply(&mut self, event: &Weighed, _: &EventMeta) {
        self.0 += event.grams;
    }
}

fn in_kilos(old: Value) -> Result<Value, BoxError> {
    let pounds = old["pounds"].as_u64().ok_or("there is no weight")?;
    Ok(json!({ "kilos": pounds / 2 }))
}

impl Upcast<WeighedV2> for Weighed {
    fn upcast(old: WeighedV2) -> Result<Self, BoxError> {
        Ok(Self { grams: old.kilos * 1000 })
    }
}

#[tokio::test]
async fn an_old_event_is_upcast_from_every_self_describing_codec() -> Result<(), BoxError> {
    for (codec, compressed) in
        [(Codec::Json, false), (Codec::Cbor, false), (Codec::MessagePack, true)]
    {
        let engine = MemoryEngine::new();
        let older = Registry::builder().event::<OldWeighed>().build()?;
        let mut builder = EventStore::builder().registry(older).codec(codec);
        if compressed {
            builder = builder.compress_above(0);
        }
        let id = builder
            .open(engine.clone())
            .await?
            .with_context(async |ctx| {
                let mut scale = ctx.create::<OldScale>().await?;
                ctx.apply(&mut scale, OldWeighed { pounds: 8 })?;
                Ok::<_, Error>(scale.id())
            })
            .await?;
        let registry = Registry::builder().event::<Weighed>().build()?;
        let store = EventStore::builder().registry(registry).open(engine).await?;
        let scale = store.with_readonly_context(async |ctx| ctx.load::<Scale>(id).await).await?;
        assert_eq!(scale.state().0, 4000, "in {codec}");
        let event = store.history(id, ..).await?.events.remove(0);
        assert_eq!(event.payload().codec(), codec);
        assert_eq!(event.decode::<Weighed>()?.grams, 4000, "in {codec}");
        let as_stored = event.to_json(store.registry())?;
        assert_eq!(as_stored, json!({ "pounds": 8 }), "what is shown is what is stored");
    }
    Ok(())
}
