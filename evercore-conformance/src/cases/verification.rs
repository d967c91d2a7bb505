//! `verify` finds no problem in sound data, and finds those that a commit can cause. The tests of each engine cover
//! corruption behind the engine's back.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evercore::engine::{Capability, EventKey, InspectEvents, LogQuery, Precondition};
use evercore::verify::{AggregateAt, EventAt, Finding, VerifyReport};
use evercore::{
    Aggregate, AggregateId, Batch, CommitId, Error, EventStore, Expected, FailurePolicy, Handler,
    Position, RecordedEvent, Result, Stream, each,
};

use crate::domain::account::{self, Account, Deposit};
use crate::domain::counter::{self, Added, Counter};
use crate::domain::diary::{Diary, Noted};
use crate::domain::gauge::{self, Gauge};
use crate::domain::member::{self, Member};
use crate::domain::tally::{self, FINGERPRINT, OTHER_FINGERPRINT, Tally};
use crate::fixture::Fixture;
use crate::journal::idle;
use crate::race::race_all;
use crate::raw;

const PAGE_SIZES: [u32; 5] = [1, 2, 3, 7, 1_000];

/// Returns a handler that fails on the events of one aggregate.
fn fussy(disliked: AggregateId) -> impl Handler {
    each(
        async move |event: RecordedEvent| {
            if event.aggregate_id() == disliked { Err("not to my taste") } else { Ok(()) }
        },
    )
}

/// Writes aggregates of several types with and without keys, events and snapshots; commits with idempotency keys, and
/// one that was abandoned; and subscriptions with parked events.
async fn everything(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    for number in 0..7 {
        let numbers: Vec<u64> = (0..number * 2).collect();
        tally::create(store, &numbers).await?;
    }
    for (key, value) in [("one", 1), ("two", 2), ("three", 3)] {
        counter::create_with_key(store, key, value).await?;
    }
    counter::create(store, 0).await?;
    store.with_context(async |ctx| Ok::<_, Error>(ctx.create::<Counter>().await?.id())).await?;
    let account = account::open(store, 100).await?;
    let deposit = store.execute::<Account, _>(account, Deposit { amount: 5 });
    deposit.idempotency_key("request").await.expect("a deposit is never refused");
    store.find_commit(CommitId::generate()).await?;

    let policy = FailurePolicy::park();
    let worker =
        store.subscription("fussy").partitions(3).on_failure(policy).spawn(fussy(account))?;
    idle(store, "fussy", &worker).await?;
    worker.shutdown().await?;
    let worker = store.subscription("content").spawn(async |_: Batch| Ok::<_, Error>(()))?;
    idle(store, "content", &worker).await?;
    worker.shutdown().await
}

async fn verify(store: &EventStore) -> Result<VerifyReport> {
    store.verify().run().await
}

/// Asserts that the findings are exactly these, with each page size.
async fn assert_found(store: &EventStore, expected: &[Finding]) -> Result<()> {
    for page_size in PAGE_SIZES {
        let report = store.verify().page_size(page_size).run().await?;
        assert_eq!(report.findings(), expected, "in pages of {page_size}: {report}");
    }
    Ok(())
}

pub(crate) async fn a_sound_store_is_found_clean_in_pages_of_any_size(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    assert!(verify(store).await?.is_clean(), "an empty store");
    everything(fixture).await?;
    let whole = verify(store).await?;
    assert!(whole.is_clean(), "{whole}");
    let verified = whole.verified();
    let log = fixture.log().await?.len();
    assert_eq!((verified.aggregates, verified.events), (13, u64::try_from(log).expect("few")));
    // The tallies with 6, 8, 10 and 12 events; each has its newest snapshot.
    assert_eq!((verified.snapshots, verified.compared_snapshots), (4, 4));
    assert_eq!((verified.keys, verified.subscriptions, verified.parked_events), (3, 2, 2));
    assert!(verified.commits > 13, "{verified}");
    for page_size in PAGE_SIZES {
        let report = store.verify().page_size(page_size).run().await?;
        assert_eq!(report.verified(), verified, "in pages of {page_size}: {report}");
    }
    Ok(())
}

pub(crate) async fn writers_raise_no_alarm(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let ids = [tally::create(store, &[]).await?, tally::create(store, &[1]).await?];
    let counters = [
        counter::create_with_key(store, "a", 1).await?,
        counter::create_with_key(store, "b", 2).await?,
    ];
    let worker = store.subscription("beside").partitions(2).on_failure(FailurePolicy::park());
    let worker = worker.spawn(fussy(ids[0]))?;
    let done = Arc::new(AtomicBool::new(false));
    let verified = {
        let (store, done) = (store.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut runs = 0;
            while runs < 3 || !done.load(Ordering::SeqCst) {
                let report = store.verify().page_size(3).run().await?;
                assert!(report.is_clean(), "{report}");
                runs += 1;
            }
            Ok::<_, Error>(())
        })
    };
    race_all(4, |writer| {
        let store = store.clone();
        async move {
            for number in 0..15 {
                tally::count(&store, ids[writer % 2], &[number]).await?;
                tally::create(&store, &[number; 6]).await?;
                // One task alone, because contexts that load both counters during a swap may see one key twice.
                if writer == 0 {
                    swap_keys(&store, counters).await?;
                }
            }
            Ok(())
        }
    })
    .await?;
    done.store(true, Ordering::SeqCst);
    verified.await.expect("it does not panic")?;
    worker.shutdown().await
}

/// Swaps the keys of two aggregates. A context that reads one before the swap and the other after sees one key twice.
async fn swap_keys(store: &EventStore, [one, other]: [AggregateId; 2]) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut one = ctx.load::<Counter>(one).await?;
            let mut other = ctx.load::<Counter>(other).await?;
            let keys = [&one, &other].map(|counter| counter.key().cloned());
            let [Some(of_one), Some(of_other)] = keys else { panic!("they have keys: {keys:?}") };
            ctx.clear_key(&mut one)?;
            ctx.change_key(&mut other, of_one)?;
            ctx.change_key(&mut one, of_other)?;
            ctx.apply(&mut one, Added { by: 1 })?;
            ctx.apply(&mut other, Added { by: 1 })
        })
        .await
}

pub(crate) async fn an_unreadable_event_is_found_at_its_place(fixture: &Fixture) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let id = counter::create(store, 1).await?;
    let event = raw::encoded_event::<Added>(id, 2, &b"{\"by\":\"much\"}"[..]);
    engine
        .commit(raw::commit(vec![raw::write::<Counter>(id, Precondition::Exists)], vec![event]))
        .await?;
    store.append::<Counter, _>(Stream::Id(id), Expected::Any, [Added { by: 1 }]).await?;

    for page_size in PAGE_SIZES {
        let report = store.verify().page_size(page_size).run().await?;
        let [Finding::EventUnreadable { event, problem }] = report.findings() else {
            panic!("one finding, not {report}")
        };
        let at = fixture.log().await?[1].position().get();
        assert_eq!(event, &EventAt { aggregate: at_id::<Counter>(id), sequence: 2, position: at });
        assert!(problem.contains("at field `by`"), "{problem}");
    }
    Ok(())
}

/// As events that are written by hand leave it.
pub(crate) async fn an_unclaimed_value_is_found(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::UniqueValues)?;
    let (store, engine) = (fixture.store(), fixture.engine());
    let claimed = member::create(store, member::with_email("claimed")).await?;
    let [alone, shared] = [raw::fresh_id(engine).await?, raw::fresh_id(engine).await?];
    for (id, email) in [(alone, "unclaimed"), (shared, "claimed")] {
        engine.commit(raw::creation(id, &[member::with_email(email)])).await?;
    }
    let unclaimed = |id, value: &str, holder: Option<AggregateId>| Finding::ValueUnclaimed {
        aggregate: at_id::<Member>(id),
        value: value.to_owned(),
        holder: holder.map(AggregateId::get),
    };
    let expected = [
        unclaimed(alone, "email:unclaimed", None),
        unclaimed(shared, "email:claimed", Some(claimed)),
    ];
    for page_size in PAGE_SIZES {
        let report = store.verify().page_size(page_size).run().await?;
        assert_eq!(report.findings(), expected);
    }
    let report = store.verify().aggregates::<Member>().run().await?;
    assert_eq!(report.findings(), expected);
    let report = store.verify().aggregates::<Counter>().run().await?;
    assert!(report.is_clean(), "{report}");
    Ok(())
}

pub(crate) async fn a_snapshot_that_is_not_its_events_is_found(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = tally::create(store, &[1, 2, 3]).await?;
    let aggregate = || at_id::<Tally>(id);
    let truth = Tally::of(&[1, 2]);
    let json = |tally: &Tally| serde_json::to_vec(tally).expect("plain data");

    tally::plant(fixture, id, 2, FINGERPRINT, json(&truth)).await?;
    assert_found(store, &[]).await?;
    assert_eq!(verify(store).await?.verified().compared_snapshots, 1);

    let lie = Tally { digest: truth.digest + 1, ..truth.clone() };
    tally::plant(fixture, id, 2, FINGERPRINT, json(&lie)).await?;
    let differs = |field: &str| Finding::SnapshotDiffers {
        aggregate: aggregate(),
        sequence: 2,
        field: field.to_owned(),
    };
    assert_found(store, &[differs("digest")]).await?;

    tally::plant(fixture, id, 3, FINGERPRINT, b"{".to_vec()).await?;
    assert_found(store, &[Finding::SnapshotUnreadable { aggregate: aggregate(), sequence: 3 }])
        .await?;

    tally::plant(fixture, id, 4, FINGERPRINT, json(&truth)).await?;
    let beyond = Finding::SnapshotBeyondEnd { aggregate: aggregate(), sequence: 4, last: 3 };
    assert_found(store, &[beyond]).await?;

    // A snapshot of another program cannot be compared with a replayed state.
    tally::plant(fixture, id, 2, OTHER_FINGERPRINT, json(&lie)).await?;
    assert_found(store, &[]).await?;
    assert_eq!(verify(store).await?.verified().compared_snapshots, 0);
    Ok(())
}

/// JSON writes the two states alike, so comparing bytes is not enough.
pub(crate) async fn a_snapshot_that_its_format_has_changed_is_found(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = store
        .with_context(async |ctx| {
            let mut gauge = ctx.create::<Gauge>().await?;
            ctx.apply(&mut gauge, gauge::read(Some(3)))?;
            ctx.apply(&mut gauge, gauge::read(None))?;
            ctx.apply(&mut gauge, gauge::read(Some(3)))?;
            Ok::<_, Error>(gauge.id())
        })
        .await?;
    let plant = async |sequence, state: &'static str| {
        let write = raw::write::<Gauge>(id, Precondition::Exists);
        let mut commit = raw::commit(vec![write], Vec::new());
        commit.snapshots =
            vec![raw::snapshot(id, sequence, gauge::FINGERPRINT, state.as_bytes().to_vec())];
        fixture.engine().commit(commit).await
    };
    plant(1, r#"{"last":3,"lowest":3.0}"#).await?;
    assert_found(store, &[]).await?;

    plant(2, r#"{"last":null,"lowest":3.0}"#).await?;
    let aggregate = at_id::<Gauge>(id);
    let differs = Finding::SnapshotDiffers { aggregate, sequence: 2, field: "last".to_owned() };
    assert_found(store, &[differs]).await?;
    Ok(())
}

pub(crate) async fn an_event_of_an_unknown_type_is_counted(fixture: &Fixture) -> Result<()> {
    let store = fixture.store_with(fixture.builder().registry(tally::plain_registry()?)).await?;
    tally::create(fixture.store(), &[1, 2]).await?;
    counter::create(fixture.store(), 1).await?;
    counter::create(fixture.store(), 2).await?;
    let report = verify(&store).await?;
    assert!(report.is_clean(), "{report}");
    let unknown: Vec<_> =
        report.unknown_types().map(|(kind, count)| (kind.to_string(), count)).collect();
    assert_eq!(unknown, [("`counter`.`added` version 1".to_owned(), 2)]);
    assert_eq!(report.verified().unknown_events, 2);
    Ok(())
}

pub(crate) async fn one_type_alone_is_looked_at_where_that_is_asked_for(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    everything(fixture).await?;
    let id = tally::create(store, &[1, 2, 3]).await?;
    tally::plant(fixture, id, 2, FINGERPRINT, b"{".to_vec()).await?;
    for page_size in PAGE_SIZES {
        let counters = store.verify().aggregates::<Counter>().page_size(page_size).run().await?;
        assert!(counters.is_clean(), "{counters}");
        let verified = counters.verified();
        assert_eq!((verified.aggregates, verified.events, verified.keys), (5, 4, 3));
        assert_eq!((verified.commits, verified.subscriptions), (0, 0));
        let tallies = store.verify().aggregates::<Tally>().page_size(page_size).run().await?;
        assert_eq!(tallies.verified().findings, 1, "{tallies}");
    }
    Ok(())
}

pub(crate) async fn findings_are_all_told_and_kept_up_to_a_bound(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    for _ in 0..5 {
        let id = tally::create(store, &[1]).await?;
        tally::plant(fixture, id, 9, FINGERPRINT, b"{}".to_vec()).await?;
    }
    let (mut told, mut progress) = (Vec::new(), Vec::new());
    let report = store
        .verify()
        .page_size(2)
        .keep_findings(3)
        .on_finding(|finding| told.push(finding.clone()))
        .on_progress(|verified| progress.push(verified.events))
        .run()
        .await?;
    assert_eq!((report.verified().findings, told.len()), (5, 5));
    assert_eq!(report.findings(), &told[..3]);
    assert!(report.to_string().ends_with("and 2 more"), "{report}");
    assert!(progress.is_sorted() && progress.last() == Some(&5), "{progress:?}");
    let refused = store.verify().page_size(0).run().await;
    assert!(matches!(refused, Err(Error::InvalidNumber { .. })), "{refused:?}");
    Ok(())
}

/// `verify` relies on this, so it is a contract for engines: pages of any size contain each row once, in order.
pub(crate) async fn inspected_pages_hold_each_row_once(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Inspection)?;
    everything(fixture).await?;
    let log = fixture.log().await?;
    let inspection = fixture.engine().inspection();
    for limit in PAGE_SIZES {
        let most = usize::try_from(limit).expect("small");
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let page = inspection.positions(after, limit).await?;
            assert!(page.len() <= most);
            let Some(last) = page.last() else { break };
            after = Some(*last);
            found.extend(page);
        }
        let positions: Vec<_> = found.iter().map(|place| place.position).collect();
        assert_eq!(positions, crate::journal::positions(&log));

        let mut after = EventKey::after_all_of(0);
        let mut events = Vec::new();
        loop {
            let request = InspectEvents { after, up_to: i64::MAX, limit };
            let page = inspection.events(&request).await?;
            assert!(page.len() <= most);
            let Some(last) = page.last() else { break };
            after = last.place;
            for inspected in page {
                assert!(inspected.has_aggregate);
                events.push((inspected.place, inspected.event?));
            }
        }
        assert!(events.is_sorted_by_key(|(place, _)| *place), "{events:?}");
        let places: HashSet<_> =
            found.iter().map(|place| (place.aggregate_id, place.sequence)).collect();
        assert_eq!((places.len(), events.len()), (log.len(), log.len()));
        events.sort_by_key(|(_, event)| event.position());
        assert!(events.iter().map(|(_, event)| event).eq(&log), "in pages of {limit}");
    }
    let ids: HashSet<_> = log.iter().map(|event| event.aggregate_id().get()).collect();
    for id in ids {
        let request =
            InspectEvents { after: EventKey::after_all_of(id - 1), up_to: id, limit: 1_000 };
        let page = inspection.events(&request).await?;
        assert!(page.iter().all(|inspected| inspected.place.aggregate_id == id));
    }
    Ok(())
}

/// The numbers to be assigned next are not in use, even if some were assigned in vain.
pub(crate) async fn the_last_numbers_are_not_behind_those_in_use(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Inspection)?;
    let (store, engine) = (fixture.store(), fixture.engine());
    everything(fixture).await?;
    let diary =
        store.with_context(async |ctx| Ok::<_, Error>(ctx.create::<Diary>().await?.id())).await?;
    let text = "the last one".to_owned();
    let appended =
        store.append::<Diary, _>(Stream::Id(diary), Expected::NoStream, [Noted { text }]).await?;
    let last = appended.committed.position().expect("it has an event");
    let given = engine.inspection().last_given().await?;
    assert_eq!(given.position, last.get());
    assert!(given.aggregate_id >= diary.get() && given.token >= 4, "{given:?}");
    let block = engine.reserve_ids(1_000).await?;
    let given = engine.inspection().last_given().await?;
    assert_eq!(given.aggregate_id, block.first.get() + 999);
    assert_eq!(engine.read_log(LogQuery::new(Position::START, 1)).await?.events.len(), 1);
    Ok(())
}

fn at_id<A: Aggregate>(id: AggregateId) -> AggregateAt {
    AggregateAt { aggregate_type: Some(A::NAME.to_owned()), id: id.get() }
}
