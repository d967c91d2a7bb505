//! A backfill of tags and a claim of unique values beside a transaction that began before, and reads by many tags.

mod alternatives;
mod values;

use std::time::Duration;

use evercore::boundary::{Boundary, BoundaryEvent, BoundaryKey, Tag, TagName, Tags};
use evercore::format::Encoding;
use evercore::{Aggregate, Apply, Error, Event, EventMeta, EventStore, Registry, Result};
use evercore_postgres::PostgresOptions;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::{sleep, timeout};

/// Far more than any step takes.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Parcel;

/// The event of the older program.
#[derive(Serialize, Deserialize)]
struct Posted {
    region: String,
}

/// The same event of the newer program.
#[derive(Serialize, Deserialize)]
struct Tagged {
    region: String,
}

#[derive(Default)]
struct Region {
    parcels: usize,
}

impl Aggregate for Parcel {
    const NAME: &'static str = "parcel";
}

impl Event for Posted {
    type Aggregate = Parcel;
    const NAME: &'static str = "posted";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for Tagged {
    type Aggregate = Parcel;
    const NAME: &'static str = Posted::NAME;
    const TAGS: &'static [TagName] = &[TagName::one("region")];
    const ENCODING: Encoding<Self> = Encoding::serde();

    fn tags(&self) -> Result<Tags> {
        Tags::new([Tag::new("region", &self.region)?])
    }
}

impl<E: Event<Aggregate = Self>> Apply<E> for Parcel {
    fn apply(&mut self, _: &E, _: &EventMeta) {}
}

impl Boundary for Region {
    const NAME: &'static str = "Region";
    const EVENTS: &'static [BoundaryEvent<Self>] = &[BoundaryEvent::of::<Tagged>(&["region"])];
}

impl Apply<Tagged> for Region {
    fn apply(&mut self, _: &Tagged, _: &EventMeta) {
        self.parcels += 1;
    }
}

async fn open(url: &str, schema: &str, registry: Result<Registry>) -> EventStore {
    let options: PostgresOptions = url.parse().expect("a URL");
    let engine = evercore_postgres::PostgresEngine::open(options.schema(schema).expect("a name"));
    let engine = engine.await.expect("the server answers");
    let builder = EventStore::builder().registry(registry.expect("it is sound"));
    builder.open(engine).await.expect("it migrates")
}

async fn run(connection: &mut PgConnection, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[tokio::test]
async fn a_backfill_waits_for_the_commits_that_were_on_their_way() {
    let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
    let mut writer = PgConnection::connect(&url).await.expect("the server answers");
    run(&mut writer, "DROP SCHEMA IF EXISTS tagging CASCADE").await;
    let old = open(&url, "tagging", Registry::builder().event::<Posted>().build()).await;
    let post = async |store: &EventStore| {
        let posted = store.with_context(async |ctx| {
            let mut parcel = ctx.create::<Parcel>().await?;
            ctx.apply(&mut parcel, Posted { region: "north".to_owned() })
        });
        posted.await
    };
    post(&old).await.expect("there is no newer program");
    let new = open(&url, "tagging", Registry::builder().event::<Tagged>().build()).await;

    // A commit of the older program has passed the comparison of versions, and has not ended.
    run(&mut writer, "BEGIN; SELECT tagging.announce_floor()").await;
    let filling = new.clone();
    let mut backfill = tokio::spawn(async move { filling.backfill_tags().run().await });
    // From the first moment of the backfill on, the older program is refused.
    let refused = async {
        loop {
            match post(&old).await {
                Ok(()) => sleep(Duration::from_millis(5)).await,
                Err(error) => return error,
            }
        }
    };
    let refused = timeout(PATIENCE, refused).await.expect("the backfill begins");
    assert!(matches!(refused, Error::OlderProgram { .. }), "{refused}");
    let early = timeout(Duration::from_millis(200), &mut backfill).await;
    assert!(early.is_err(), "it ended beside a commit on its way: {early:?}");

    let insert = "
        INSERT INTO tagging.events (
            aggregate_id, sequence, event_time, recorded_at, event_type_id, version, codec, payload
        )
        SELECT aggregate_id, sequence + 1, now(), now(), event_type_id, version, codec, payload
        FROM tagging.events
        ORDER BY position DESC
        LIMIT 1";
    run(&mut writer, insert).await;
    run(&mut writer, "COMMIT").await;
    let done = timeout(PATIENCE, backfill).await.expect("nothing holds it up any more");
    let done = done.expect("no panic").expect("all events can be read");
    assert_eq!(done.events, done.changed);

    let north = || BoundaryKey::<Region>::new([Tag::new("region", "north")]);
    let region = new.with_context(async |ctx| ctx.read(north()).await).await;
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM tagging.events")
        .fetch_one(&mut writer)
        .await
        .expect("it is there");
    assert_eq!(region.expect("it is complete").parcels, usize::try_from(stored).expect("few"));
}
