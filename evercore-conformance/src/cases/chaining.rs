//! Events chained by hashes: every way of writing continues the chain, and `verify` finds a broken chain.

use evercore::engine::Precondition;
use evercore::verify::{AggregateAt, EventAt, Finding, LogDigest, VerifyReport};
use evercore::{
    Aggregate, AggregateId, Error, EventOptions, EventStore, Expected, Metadata, NaturalKey,
    Result, Sequence, Stream,
};

use crate::assert::snapshot_sequence;
use crate::domain::account::{self, Account, Deposit, Withdraw};
use crate::domain::counter::{self, Added, Counter};
use crate::domain::diary::{Diary, Noted};
use crate::domain::tally::{self, Counted, Tally};
use crate::fixture::Fixture;
use crate::race::race_all;
use crate::raw;

async fn chained(fixture: &Fixture) -> Result<EventStore> {
    fixture.store_with(fixture.builder().chain_events()).await
}

async fn verify(store: &EventStore) -> Result<VerifyReport> {
    let report = store.verify().page_size(3).run().await?;
    assert_eq!(report.findings(), [], "{report}");
    Ok(report)
}

async fn digest(store: &EventStore) -> Result<LogDigest> {
    Ok(verify(store).await?.digest().expect("events are chained"))
}

/// Writes through contexts, commands and appends, with all metadata, across snapshots, and from several stores.
pub(crate) async fn every_way_of_writing_goes_on_with_the_chain(fixture: &Fixture) -> Result<()> {
    let (store, other) = (chained(fixture).await?, chained(fixture).await?);
    assert_eq!(verify(&store).await?.digest(), None, "nothing is chained yet");
    let account = account::open(&store, 100).await?;
    let tally = tally::create(&store, &[1, 2, 3]).await?;
    for number in 4..=25 {
        let store = if number % 3 == 0 { &other } else { &store };
        tally::count(store, tally, &[number]).await?;
        let key = format!("request {number}");
        let request = store.execute::<Account, _>(account, Deposit { amount: 1 });
        request.idempotency_key(&*key).await.expect("a deposit is never refused");
    }
    store.execute::<Account, _>(account, Withdraw { amount: 7 }).await.expect("it has more");
    let options = || {
        let metadata = Metadata::new().correlation("c").causation("d").principal("ada");
        EventOptions::new().reference("r").metadata(metadata.with("free", 0.1))
    };
    store
        .with_context(async |ctx| {
            let mut diary = ctx.create::<Diary>().await?;
            ctx.apply(&mut diary, Noted { text: "an entry".to_owned() })?;
            ctx.apply_with(&mut diary, Noted { text: "with all".to_owned() }, options())
        })
        .await?;
    // Contexts continue where appends have left off, and vice versa.
    for round in 0..3 {
        let store = if round == 1 { &other } else { &store };
        let any =
            store.append::<Tally, _>(Stream::Id(tally), Expected::Any, [Counted { number: 1 }]);
        any.await?;
        let at = last(store, tally).await?;
        let events = [Counted { number: 2 }, Counted { number: 3 }];
        store.append::<Tally, _>(Stream::Id(tally), Expected::Exactly(at), events).await?;
        tally::count(store, tally, &[9]).await?;
    }
    let key = Stream::Key(NaturalKey::new("appended")?);
    for _ in 0..3 {
        store.append::<Counter, _>(key.clone(), Expected::Any, [Added { by: 1 }]).await?;
    }

    let report = verify(&store).await?;
    assert_eq!(report.verified().events, u64::try_from(fixture.log().await?.len()).expect("few"));
    assert_eq!(report.verified().snapshots, report.verified().compared_snapshots);
    // Stores that do not chain events can read chained ones.
    let plain = fixture.store_with(fixture.builder()).await?;
    assert_eq!(tally::state::<Tally>(&plain, tally).await?.events, 37);
    assert_eq!(digest(&plain).await?, digest(&store).await?);
    Ok(())
}

/// The snapshot is at the end of a commit with several events; the next event is chained to the last of them.
pub(crate) async fn a_snapshot_goes_on_from_the_last_event_before_it(
    fixture: &Fixture,
) -> Result<()> {
    let store = chained(fixture).await?;
    let id = tally::create(&store, &[1, 2, 3]).await?;
    tally::count(&store, id, &[4, 5]).await?;
    assert_eq!(snapshot_sequence(fixture.engine(), id).await?, Some(5));
    tally::count(&store, id, &[6]).await?;
    digest(&store).await.map(drop)
}

pub(crate) async fn racing_writers_keep_the_chain(fixture: &Fixture) -> Result<()> {
    let store = chained(fixture).await?;
    let id = counter::create(&store, 0).await?;
    race_all(4, |writer| {
        let store = store.clone();
        async move {
            for _ in 0..10 {
                if writer % 2 == 0 {
                    counter::add(&store, id, 1).await?;
                } else {
                    let event = [Added { by: 1 }];
                    store.append::<Counter, _>(Stream::Id(id), Expected::Any, event).await?;
                }
            }
            Ok(())
        }
    })
    .await?;
    assert_eq!(counter::value(&store, id).await?, 40);
    digest(&store).await.map(drop)
}

pub(crate) async fn a_digest_holds_for_as_long_as_its_events_do(fixture: &Fixture) -> Result<()> {
    let store = chained(fixture).await?;
    let id = counter::create(&store, 1).await?;
    counter::create(&store, 1).await?;
    let early = digest(&store).await?;
    let copied: LogDigest = early.to_string().parse()?;
    assert_eq!((copied, copied.position()), (early, store.head().await?));
    counter::add(&store, id, 1).await?;
    counter::create(&store, 1).await?;
    let late = digest(&store).await?;
    assert_ne!(late, early);
    for known in [early, late] {
        let report = store.verify().page_size(1).expect_digest(known).run().await?;
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.digest(), Some(late));
    }

    // Combines the hash of one digest with the position of another.
    let digits =
        early.to_string().split_once(':').expect("a position comes before it").1.to_owned();
    let forged: LogDigest = format!("{}:{digits}", late.position()).parse()?;
    let report = store.verify().expect_digest(forged).run().await?;
    let differs = Finding::DigestDiffers { expected: forged, found: Some(late) };
    assert_eq!(report.findings(), [differs]);
    for text in ["", "7", "7:", "7:12", "x:12", &early.to_string()[..20], &format!("{early}0")] {
        let refused = text.parse::<LogDigest>();
        assert!(matches!(refused, Err(Error::InvalidDigest { .. })), "{text}: {refused:?}");
    }
    Ok(())
}

pub(crate) async fn a_chain_begins_with_the_first_event_that_is_chained(
    fixture: &Fixture,
) -> Result<()> {
    let (plain, store) = (fixture.store(), chained(fixture).await?);
    let id = tally::create(plain, &[1, 2, 3, 4, 5]).await?;
    // Neither the snapshot at sequence 5 nor any event has a hash.
    tally::count(&store, id, &[6]).await?;
    tally::count(&store, id, &[7]).await?;
    digest(&store).await.map(drop)
}

pub(crate) async fn an_event_that_was_not_chained_is_found(fixture: &Fixture) -> Result<()> {
    let (plain, store) = (fixture.store(), chained(fixture).await?);
    let id = counter::create(&store, 1).await?;
    plain.append::<Counter, _>(Stream::Id(id), Expected::Any, [Added { by: 1 }]).await?;
    store.append::<Counter, _>(Stream::Id(id), Expected::Any, [Added { by: 1 }]).await?;
    let report = store.verify().run().await?;
    assert_eq!(report.findings(), [Finding::HashMissing { event: at(fixture, id, 2).await? }]);
    Ok(())
}

pub(crate) async fn an_event_with_the_hash_of_another_is_found(fixture: &Fixture) -> Result<()> {
    let store = chained(fixture).await?;
    let id = counter::create(&store, 1).await?;
    let first = store.history(id, ..).await?.events.remove(0);
    let mut event = raw::new_event(id, 2, &Added { by: 1 });
    event.payload = first.payload().clone();
    let writes = vec![raw::write::<Counter>(id, Precondition::Exists)];
    fixture.engine().commit(raw::commit(writes, vec![event])).await?;
    // The next event is chained to the stored one.
    store.append::<Counter, _>(Stream::Id(id), Expected::Any, [Added { by: 1 }]).await?;
    let report = store.verify().run().await?;
    assert_eq!(report.findings(), [Finding::HashDiffers { event: at(fixture, id, 2).await? }]);
    Ok(())
}

async fn last(store: &EventStore, id: AggregateId) -> Result<Sequence> {
    store.with_readonly_context(async |ctx| Ok(ctx.load::<Tally>(id).await?.sequence())).await
}

/// Returns the place of a counter's event.
async fn at(fixture: &Fixture, id: AggregateId, sequence: i64) -> Result<EventAt> {
    let log = fixture.log().await?;
    let event = log.iter().find(|event| event.sequence().get() == sequence).expect("it is there");
    let aggregate = AggregateAt { aggregate_type: Some(Counter::NAME.to_owned()), id: id.get() };
    Ok(EventAt { aggregate, sequence, position: event.position().get() })
}
