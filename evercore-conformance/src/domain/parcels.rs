//! Parcels, whose events were given a tag after many of them had been stored.

use evercore::boundary::{Boundary, BoundaryEvent, BoundaryKey, Tag, TagName, Tags};
use evercore::evolution::{Parts, RetiredEvent, Split, SplitInto, Upcaster};
use evercore::format::Encoding;
use evercore::registry::EventType;
use evercore::{Aggregate, Apply, BoxError, Event, EventMeta, EventStore, Registry, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Default)]
pub(crate) struct Parcel;

/// The event of the older program, which had no tags: version 1.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SentV1 {
    pub(crate) place: String,
}

/// Another event of the older program, which the newer one reads as two others.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Returned {
    pub(crate) place: String,
    pub(crate) to: String,
}

/// An event that never has tags.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Weighed {
    pub(crate) grams: u32,
}

/// The event of the newer program: version 2 under another name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) region: String,
    /// The number of parcels of the region that the decision has seen; `None` if it rests on nothing.
    pub(crate) seen: Option<usize>,
}

/// An event of the newer program, whose region some do not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Arrived {
    pub(crate) region: Option<String>,
}

/// The event as [`Returned`] is known to the newer program.
#[derive(Deserialize)]
pub(crate) struct SentBack {
    place: String,
    to: String,
}

/// The event of a program that is newer still, in which the tag has ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SentUntagged {
    pub(crate) region: String,
    pub(crate) seen: Option<usize>,
}

/// The parcels of a region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) sent: usize,
    pub(crate) arrived: usize,
}

impl Aggregate for Parcel {
    const NAME: &'static str = "parcel";
}

impl Event for SentV1 {
    type Aggregate = Parcel;
    const NAME: &'static str = "parcel-posted";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for Returned {
    type Aggregate = Parcel;
    const NAME: &'static str = "parcel-returned";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for Weighed {
    type Aggregate = Parcel;
    const NAME: &'static str = "parcel-weighed";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for Sent {
    type Aggregate = Parcel;
    const NAME: &'static str = "parcel-sent";
    const ALIASES: &'static [&'static str] = &[SentV1::NAME];
    const VERSION: u32 = 2;
    const UPCASTERS: &'static [Upcaster] = &[Upcaster::raw(by_region)];
    const TAGS: &'static [TagName] = &[TagName::one("region")];
    const ENCODING: Encoding<Self> = Encoding::serde();

    fn tags(&self) -> Result<Tags> {
        Tags::new([Tag::new("region", &self.region)?])
    }
}

impl Event for Arrived {
    type Aggregate = Parcel;
    const NAME: &'static str = "parcel-arrived";
    const TAGS: &'static [TagName] = &[TagName::optional("region")];
    const ENCODING: Encoding<Self> = Encoding::serde();

    fn tags(&self) -> Result<Tags> {
        Tags::new(
            self.region
                .iter()
                .map(|region| Tag::new("region", region))
                .collect::<Result<Vec<_>>>()?,
        )
    }
}

impl Event for SentUntagged {
    type Aggregate = Parcel;
    const NAME: &'static str = Sent::NAME;
    const VERSION: u32 = 2;
    const ALIASES: &'static [&'static str] = &[SentV1::NAME];
    const UPCASTERS: &'static [Upcaster] = &[Upcaster::raw(by_region)];
    const RETIRED_TAGS: &'static [&'static str] = &["region"];
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl RetiredEvent for SentBack {
    type Aggregate = Parcel;
    const NAME: &'static str = Returned::NAME;
    const INTO: &'static [EventType] = &[EventType::of::<Sent>(), EventType::of::<Arrived>()];
}

fn by_region(old: Value) -> Result<Value, BoxError> {
    let place = old["place"].as_str().ok_or("there is no place")?;
    Ok(json!({ "region": region_of(place), "seen": null }))
}

/// Returns the region of a place: `north/Oslo` is in `north`.
fn region_of(place: &str) -> &str {
    place.split('/').next().unwrap_or(place)
}

impl SplitInto<Sent> for SentBack {}

impl SplitInto<Arrived> for SentBack {}

impl Split for SentBack {
    fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError> {
        parts.push(Sent { region: region_of(&self.place).to_owned(), seen: None });
        parts.push(Arrived { region: Some(region_of(&self.to).to_owned()) });
        Ok(())
    }
}

impl<E: Event<Aggregate = Self>> Apply<E> for Parcel {
    fn apply(&mut self, _: &E, _: &EventMeta) {}
}

impl Boundary for Region {
    const NAME: &'static str = "Region";
    const EVENTS: &'static [BoundaryEvent<Self>] =
        &[BoundaryEvent::of::<Sent>(&["region"]), BoundaryEvent::of::<Arrived>(&["region"])];
}

impl Region {
    pub(crate) fn of(region: &str) -> BoundaryKey<Self> {
        BoundaryKey::new([Tag::new("region", region)])
    }
}

impl Apply<Sent> for Region {
    fn apply(&mut self, _: &Sent, _: &EventMeta) {
        self.sent += 1;
    }
}

impl Apply<Arrived> for Region {
    fn apply(&mut self, _: &Arrived, _: &EventMeta) {
        self.arrived += 1;
    }
}

/// The types of the older program.
pub(crate) fn older() -> Result<Registry> {
    Registry::builder().event::<SentV1>().event::<Returned>().event::<Weighed>().build()
}

/// The types of the newer program.
pub(crate) fn newer() -> Result<Registry> {
    Registry::builder()
        .event::<Sent>()
        .event::<Arrived>()
        .event::<Weighed>()
        .retired::<SentBack>()
        .build()
}

/// The types of a program in which the tag has ended.
pub(crate) fn newest() -> Result<Registry> {
    Registry::builder().event::<SentUntagged>().event::<Weighed>().dropped::<SentBack>().build()
}

/// Adds an event to a new parcel.
pub(crate) async fn store_one<E>(store: &EventStore, event: E) -> Result<()>
where
    E: Event<Aggregate = Parcel> + Clone,
{
    store
        .with_context(async |ctx| {
            let mut parcel = ctx.create::<Parcel>().await?;
            ctx.apply(&mut parcel, event.clone())
        })
        .await
}

/// Sends a parcel by the older program.
pub(crate) async fn post(store: &EventStore, place: &str) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut parcel = ctx.create::<Parcel>().await?;
            ctx.apply(&mut parcel, SentV1 { place: place.to_owned() })
        })
        .await
}

/// Sends a parcel by the newer program, and records what the decision has seen.
pub(crate) async fn send(store: &EventStore, region: &str) -> Result<()> {
    store
        .with_context(async |ctx| {
            let seen = Some(ctx.read(Region::of(region)).await?.sent);
            let mut parcel = ctx.create::<Parcel>().await?;
            ctx.apply(&mut parcel, Sent { region: region.to_owned(), seen })
        })
        .await
}
