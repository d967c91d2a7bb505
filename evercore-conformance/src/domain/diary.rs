//! A diary that keeps the text and the metadata of each event.

use evercore::format::Encoding;
use evercore::{
    Aggregate, AggregateId, Apply, Error, Event, EventMeta, EventOptions, EventStore, Result,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Diary {
    pub(crate) entries: Vec<(String, EventMeta)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted {
    pub(crate) text: String,
}

/// The diary of an older program.
#[derive(Debug, Default)]
pub(crate) struct OldDiary;

/// The former name of [`Noted`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Jotted {
    pub(crate) text: String,
}

/// An event that only the older program has.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Burnt;

/// A version of [`Noted`] that only the other program has.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NotedLater {
    pub(crate) words: Vec<String>,
}

impl Aggregate for Diary {
    const NAME: &'static str = "diary";
}

impl Aggregate for OldDiary {
    const NAME: &'static str = "diary";
}

impl Event for Noted {
    type Aggregate = Diary;
    const NAME: &'static str = "noted";
    const ALIASES: &'static [&'static str] = &["jotted"];
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for Jotted {
    type Aggregate = OldDiary;
    const NAME: &'static str = "jotted";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for Burnt {
    type Aggregate = OldDiary;
    const NAME: &'static str = "burnt";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for NotedLater {
    type Aggregate = OldDiary;
    const NAME: &'static str = "noted";
    const VERSION: u32 = 2;
    const OLDEST_VERSION: u32 = 2;
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Apply<Noted> for Diary {
    fn apply(&mut self, event: &Noted, meta: &EventMeta) {
        self.entries.push((event.text.clone(), meta.clone()));
    }
}

impl Apply<Jotted> for OldDiary {
    fn apply(&mut self, _event: &Jotted, _meta: &EventMeta) {}
}

impl Apply<Burnt> for OldDiary {
    fn apply(&mut self, _event: &Burnt, _meta: &EventMeta) {}
}

impl Apply<NotedLater> for OldDiary {
    fn apply(&mut self, _event: &NotedLater, _meta: &EventMeta) {}
}

pub(crate) fn noted(text: impl Into<String>) -> Noted {
    Noted { text: text.into() }
}

/// Starts a diary with a single entry.
pub(crate) async fn start(
    store: &EventStore,
    text: &str,
    options: EventOptions,
) -> Result<AggregateId> {
    store
        .with_context(async |ctx| {
            let mut diary = ctx.create::<Diary>().await?;
            ctx.apply_with(&mut diary, noted(text), options.clone())?;
            Ok::<_, Error>(diary.id())
        })
        .await
}

pub(crate) async fn read(store: &EventStore, id: AggregateId) -> Result<Diary> {
    read!(store, |ctx| Ok(ctx.load::<Diary>(id).await?.into_state()))
}
