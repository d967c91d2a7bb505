//! The global log: each event once, in an order that respects acknowledged commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use evercore::engine::LogQuery;
use evercore::engine::Positions;
use evercore::subscription::Partition;
use evercore::{
    Aggregate, Error, Event, Expected, Metadata, Position, RecordedEvent, Result, Stream,
    with_metadata,
};
use tokio::sync::watch;

use crate::assert::assert_unbroken;
use crate::domain::account::{self, Account, Deposited};
use crate::domain::counter::{self, Added, Counter};
use crate::domain::tally::{self, Counted, Tally};
use crate::fixture::Fixture;
use crate::race::race_all;

pub(crate) async fn positions_grow_and_follow_the_sequences(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let ids = [counter::create(store, 0).await?, counter::create(store, 0).await?];
    race_all(6, |runner| {
        let (store, id) = (store.clone(), ids[runner % 2]);
        async move {
            for _ in 0..6 {
                counter::add(&store, id, 1).await?;
            }
            Ok(())
        }
    })
    .await?;

    let log = fixture.log().await?;
    assert_eq!(log.len(), 38);
    assert!(log.windows(2).all(|pair| pair[0].position() < pair[1].position()));
    assert!(log[0].position() > Position::START);
    for id in ids {
        let own: Vec<_> = log.iter().filter(|event| event.aggregate_id() == id).cloned().collect();
        assert_unbroken(&own);
        assert_eq!(own, store.history(id, ..).await?.events, "history and log tell the same");
    }
    Ok(())
}

/// P8: a commit that begins after another was acknowledged comes after it, whichever engine they use.
pub(crate) async fn a_commit_begun_after_another_was_acknowledged_comes_later(
    fixture: &Fixture,
) -> Result<()> {
    let stores = [fixture.store().clone(), fixture.neighbour().await?];
    let acknowledged = Arc::new(AtomicI64::new(0));
    race_all(6, |runner| {
        let (store, acknowledged) = (stores[runner % 2].clone(), Arc::clone(&acknowledged));
        async move {
            let id = counter::create(&store, 0).await?;
            for _ in 0..10 {
                let earlier = acknowledged.load(Ordering::SeqCst);
                let events = [Added { by: 1 }, Added { by: 1 }];
                let appended =
                    store.append::<Counter, _>(Stream::Id(id), Expected::Any, events).await?;
                let positions = appended.committed.positions;
                let first = positions.first().expect("it wrote events");
                assert!(first.get() > earlier, "{first} is not after the acknowledged {earlier}");
                let last = positions.last().expect("it wrote events");
                acknowledged.fetch_max(last.get(), Ordering::SeqCst);
            }
            Ok(())
        }
    })
    .await
    .map(drop)
}

pub(crate) async fn the_answer_names_the_positions_in_the_log(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 0).await?;
    for count in 1..=3 {
        let events = vec![Added { by: 1 }; count];
        let appended = store.append::<Counter, _>(Stream::Id(id), Expected::Any, events).await?;
        let log = fixture.log().await?;
        let own = &log[log.len() - count..];
        let positions: Vec<_> = own.iter().map(RecordedEvent::position).collect();
        assert_eq!(appended.committed.positions, Positions::listed(positions)?);
    }
    Ok(())
}

pub(crate) async fn pages_of_any_size_give_each_event_once(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    for round in 0..4 {
        let id = counter::create(store, round).await?;
        let events = [Added { by: 1 }, Added { by: 2 }];
        store.append::<Counter, _>(Stream::Id(id), Expected::Any, events).await?;
    }
    let log = fixture.log().await?;
    assert_eq!(log.len(), 12);
    for limit in 1..=13 {
        let mut events = Vec::new();
        let mut after = Position::START;
        loop {
            let page = store.read_log(after, limit).await?;
            let rest = log.len() - events.len() - page.events.len();
            assert_eq!(page.at_end, rest == 0, "in pages of {limit}");
            events.extend(page.events);
            assert_eq!(events.last().map(|event| event.position()), Some(page.end));
            after = page.end;
            if page.at_end {
                break;
            }
        }
        assert_eq!(events, log, "in pages of {limit}");
        let beyond = store.read_log(after, limit).await?;
        assert_eq!((beyond.events, beyond.end, beyond.at_end), (Vec::new(), after, true));
    }
    for (index, event) in log.iter().enumerate() {
        let page = store.read_log(event.position(), 100).await?;
        assert_eq!(page.events, log[index + 1..], "after {}", event.position());
    }
    Ok(())
}

/// A reader continues from the end of each page while writers are active.
pub(crate) async fn a_reader_that_follows_the_log_misses_nothing(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let (writing, mut done) = watch::channel(false);
    let reader = tokio::spawn({
        let engine = fixture.shared_engine();
        async move {
            let mut events = Vec::new();
            let mut after = Position::START;
            loop {
                let last_round = *done.borrow_and_update();
                let page = engine.read_log(LogQuery::new(after, 7)).await?;
                after = page.end;
                events.extend(page.events);
                if last_round && page.at_end {
                    return Ok::<_, Error>(events);
                }
                tokio::task::yield_now().await;
            }
        }
    });
    let answer = race_all(8, |runner| {
        let store = store.clone();
        async move {
            for round in 0..15 {
                if (runner + round) % 5 == 0 {
                    let key = format!("{}", round % 3);
                    // Some commits fail, as they do in practice.
                    match counter::create_with_key(&store, &key, 1).await {
                        Ok(_) | Err(Error::KeyTaken { .. }) => {}
                        Err(other) => return Err(other),
                    }
                } else {
                    account::open(&store, 1).await?;
                }
            }
            Ok(())
        }
    })
    .await;
    writing.send_replace(true);
    let followed = reader.await.expect("the reader panicked")?;
    answer?;
    let positions = |events: &[RecordedEvent]| -> Vec<_> {
        events.iter().map(|event| event.position().get()).collect()
    };
    let log = fixture.log().await?;
    assert_eq!(positions(&followed), positions(&log));
    assert_eq!(followed, log);
    Ok(())
}

pub(crate) async fn the_log_holds_all_types(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counter::create(store, 1).await?;
    account::open(store, 2).await?;
    tally::create(store, &[3]).await?;
    let log = fixture.log().await?;
    assert!(log[0].is::<Added>() && !log[0].is::<Deposited>());
    assert_eq!(log[1].decode::<Deposited>()?.amount, 2);
    let types: Vec<_> =
        log.iter().map(|event| (event.aggregate_type(), event.event_type())).collect();
    let expected = [
        (Counter::NAME, Added::NAME),
        (Account::NAME, Deposited::NAME),
        (Tally::NAME, Counted::NAME),
    ];
    assert_eq!(types, expected);
    assert_eq!(Added::NAME, Counted::NAME, "two types have an event of this name");
    assert!(log[2].is::<Counted>() && !log[2].is::<Added>());
    assert!(log.iter().all(|event| event.version() == 1));
    Ok(())
}

/// Otherwise a reader that follows the pages would skip later events.
pub(crate) async fn a_page_never_ends_past_what_was_read(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let empty = store.read_log(Position::START, 10).await?;
    assert_eq!(
        (empty.end, empty.at_end),
        (Position::START, true),
        "an empty log ends at its start"
    );

    counter::create(store, 1).await?;
    let all = store.read_log(Position::START, 10).await?;
    let last = all.events.last().expect("it was written").position();
    assert_eq!((all.end, all.at_end), (last, true));
    let rest = store.read_log(last, 10).await?;
    assert_eq!((rest.events.len(), rest.end, rest.at_end), (0, last, true));
    Ok(())
}

pub(crate) async fn events_are_read_by_their_correlation_id(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    assert_eq!(store.read_correlated("request 1", Position::START).await?.events, []);
    let (one, other) = (counter::create(store, 0).await?, account::open(store, 0).await?);
    for round in 0..9 {
        let request = Metadata::new().correlation(format!("request {}", round % 3));
        with_metadata(request, async {
            counter::add(store, one, 1).await?;
            account::transfer(store, other, other, 0).await.ok();
            counter::add(store, one, 1).await
        })
        .await?;
    }
    let log = fixture.log().await?;
    for request in ["request 0", "request 1", "request 2", "request", "request 11"] {
        let expected: Vec<_> = log
            .iter()
            .filter(|event| event.metadata().correlation_id() == Some(request))
            .cloned()
            .collect();
        let (mut read, mut after) = (Vec::new(), Position::START);
        loop {
            let query = LogQuery::new(after, 2).correlation(request);
            let page = fixture.engine().read_log(query).await?;
            assert!(page.events.len() <= 2);
            assert_eq!(page.end, page.events.last().map_or(after, |event| event.position()));
            after = page.end;
            let is_empty = page.events.is_empty();
            read.extend(page.events);
            if is_empty && page.at_end {
                break;
            }
        }
        assert_eq!(read, expected, "{request}");
        let mut in_parts = Vec::new();
        for index in 0..2 {
            let query = LogQuery::new(Position::START, 100).correlation(request);
            let query = query.partition(Partition::new(index, 2)?);
            in_parts.extend(fixture.engine().read_log(query).await?.events);
        }
        in_parts.sort_by_key(RecordedEvent::position);
        assert_eq!(in_parts, expected, "{request}");
        let view = store
            .with_readonly_context(async |ctx| ctx.read_correlated(request, Position::START).await);
        assert_eq!(view.await?.events, expected, "{request}");
    }
    let bad = store.read_correlated("", Position::START).await;
    assert!(matches!(bad, Err(Error::InvalidMetadata { .. })), "{bad:?}");
    Ok(())
}
