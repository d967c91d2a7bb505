//! A name of unique values that is declared beside a transaction which began before.

use std::time::Duration;

use evercore::boundary::{Tag, TagName, Tags};
use evercore::format::Encoding;
use evercore::unique::{ClaimedValues, UniqueKey, UniqueValues};
use evercore::{
    Aggregate, AggregateId, Apply, Error, Event, EventMeta, EventStore, Registry, Result,
};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use super::{PATIENCE, open, run};

/// The type as the older program knows it.
#[derive(Default)]
struct OldGuest;

#[derive(Default)]
struct Guest {
    email: String,
}

#[derive(Serialize, Deserialize)]
struct OldInvited(String);

#[derive(Serialize, Deserialize)]
struct Invited(String);

impl Aggregate for OldGuest {
    const NAME: &'static str = "guest";
}

impl Aggregate for Guest {
    const NAME: &'static str = OldGuest::NAME;
    const UNIQUE: Option<UniqueValues<Self>> =
        Some(UniqueValues::new(&[TagName::one("email")], |guest| {
            Tags::new([Tag::new("email", &guest.email)?])
        }));
}

impl Event for OldInvited {
    type Aggregate = OldGuest;
    const NAME: &'static str = "invited";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for Invited {
    type Aggregate = Guest;
    const NAME: &'static str = OldInvited::NAME;
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Apply<OldInvited> for OldGuest {
    fn apply(&mut self, _: &OldInvited, _: &EventMeta) {}
}

impl Apply<Invited> for Guest {
    fn apply(&mut self, event: &Invited, _: &EventMeta) {
        self.email.clone_from(&event.0);
    }
}

async fn open_old(url: &str, schema: &str) -> EventStore {
    open(url, schema, Registry::builder().event::<OldInvited>().build()).await
}

async fn open_new(url: &str, schema: &str) -> EventStore {
    open(url, schema, Registry::builder().event::<Invited>().build()).await
}

async fn invite_before(store: &EventStore) -> Result<AggregateId> {
    store
        .with_context(async |ctx| {
            let mut guest = ctx.create::<OldGuest>().await?;
            ctx.apply(&mut guest, OldInvited("ada@example.org".to_owned()))?;
            Ok::<_, Error>(guest.id())
        })
        .await
}

async fn claim(store: EventStore) -> Result<ClaimedValues> {
    store.claim_unique_values::<Guest>(|_| {}).await
}

#[tokio::test]
async fn a_claim_waits_for_the_commits_that_were_on_their_way() {
    let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
    let mut writer = PgConnection::connect(&url).await.expect("the server answers");
    run(&mut writer, "DROP SCHEMA IF EXISTS claiming CASCADE").await;
    let old = open_old(&url, "claiming").await;
    let first = invite_before(&old).await.expect("there is no newer program");

    // A commit of the older program has passed the comparison of versions, and has not ended.
    run(&mut writer, "BEGIN; SELECT claiming.announce_floor()").await;
    let new = open_new(&url, "claiming").await;
    let refused = invite_before(&old).await.expect_err("it claims nothing");
    assert!(matches!(refused, Error::UndeclaredValues { .. }), "{refused}");
    let mut claiming = tokio::spawn(claim(new.clone()));
    let early = timeout(Duration::from_millis(200), &mut claiming).await;
    assert!(early.is_err(), "it ended beside a commit on its way: {early:?}");

    let insert = "
        INSERT INTO claiming.aggregates (id, aggregate_type_id)
        SELECT id + 1000, aggregate_type_id FROM claiming.aggregates;
        INSERT INTO claiming.events (
            aggregate_id, sequence, event_time, recorded_at, event_type_id, version, codec, payload
        )
        SELECT aggregate_id + 1000, sequence, now(), now(), event_type_id, version, codec, payload
        FROM claiming.events;
        COMMIT";
    run(&mut writer, insert).await;
    let claimed = timeout(PATIENCE, claiming).await.expect("nothing holds it up any more");
    let claimed = claimed.expect("no panic").expect("all aggregates can be read");
    assert_eq!((claimed.aggregates, claimed.unclaimed_count), (2, 1), "{claimed:?}");
    assert!(!claimed.is_complete);
    let ids = [first.get(), first.get() + 1000];
    assert!(ids.contains(&claimed.unclaimed[0].aggregate_id.get()), "{claimed:?}");
}

#[tokio::test]
async fn a_name_is_not_complete_while_a_first_aggregate_may_be_on_its_way() {
    let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
    let mut writer = PgConnection::connect(&url).await.expect("the server answers");
    run(&mut writer, "DROP SCHEMA IF EXISTS first_claim CASCADE").await;
    drop(open_old(&url, "first_claim").await);
    run(&mut writer, "INSERT INTO first_claim.aggregate_types (name) VALUES ('guest')").await;
    let insert = "
        BEGIN;
        SELECT first_claim.announce_floor();
        INSERT INTO first_claim.aggregates (id, aggregate_type_id)
        SELECT 1000, id FROM first_claim.aggregate_types";
    run(&mut writer, insert).await;

    let new = open_new(&url, "first_claim").await;
    let find = async || {
        new.with_context(async |ctx| {
            let ada = UniqueKey::<Guest>::new("email", "ada@example.org");
            Ok::<_, Error>(ctx.find_by_unique(ada).await?.map(|guest| guest.id()))
        })
        .await
    };
    let early = find().await;
    assert!(matches!(early, Err(Error::ValuesIncomplete { .. })), "{early:?}");
    run(&mut writer, "COMMIT").await;
    let claimed = claim(new.clone()).await.expect("all aggregates can be read");
    // The aggregate has no event, and so no value.
    assert_eq!((claimed.aggregates, claimed.is_complete), (1, true), "{claimed:?}");
    assert_eq!(find().await.expect("the name is complete"), None);
}
