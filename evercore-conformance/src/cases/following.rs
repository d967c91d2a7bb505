//! P7 and P8: a subscription misses no event that it follows, and receives the events in order.

use std::pin::pin;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use evercore::engine::LogQuery;
use evercore::subscription::Partition;
use evercore::{
    Error, EventFilter, EventStore, Expected, ManualClock, NaturalKey, Position, RecordedEvent,
    Result, Start, Stream,
};

use crate::assert::assert_error;
use crate::domain::account::{self, Account, Deposited};
use crate::domain::counter::{self, Added, Counter, Reset};
use crate::domain::tally;
use crate::fixture::Fixture;
use crate::journal::{Journal, cursor, idle, info, positions, stored};
use crate::race::race_all;

/// Writes events of three aggregate types and four event types, with keys, and a commit of several events.
async fn varied(fixture: &Fixture) -> Result<Vec<RecordedEvent>> {
    let store = fixture.store();
    for round in 0..4 {
        let id = counter::create_with_key(store, &format!("key {round}"), round).await?;
        account::open(store, 1).await?;
        tally::create(store, &[1, 2, 3]).await?;
        store
            .with_context(async |ctx| {
                let mut counter = ctx.load::<Counter>(id).await?;
                ctx.apply(&mut counter, Reset { to: 7 })?;
                ctx.apply(&mut counter, Added { by: 1 })
            })
            .await?;
    }
    fixture.log().await
}

/// Returns the positions of all matching events, read page by page.
async fn matching(
    fixture: &Fixture,
    filter: &EventFilter,
    partition: Partition,
    limit: u32,
) -> Result<Vec<i64>> {
    let mut found = Vec::new();
    let (mut after, filter) = (Position::START, Arc::new(filter.clone()));
    loop {
        let query = LogQuery::new(after, limit).filter(Arc::clone(&filter)).partition(partition);
        let page = fixture.engine().read_log(query).await?;
        assert!(page.events.len() <= usize::try_from(limit).expect("small"));
        assert!(page.end >= after, "a page leads on");
        found.extend(positions(&page.events));
        if page.at_end {
            return Ok(found);
        }
        assert!(page.end > after, "a page that is not the last has to lead on");
        after = page.end;
    }
}

pub(crate) async fn a_filter_passes_what_it_names_and_nothing_else(
    fixture: &Fixture,
) -> Result<()> {
    let log = varied(fixture).await?;
    let holder = fixture
        .store()
        .with_readonly_context(async |ctx| ctx.load_by_key::<Counter>("key 2").await)
        .await?
        .id();
    let key = NaturalKey::new("key 2")?;
    let filters = [
        EventFilter::new(),
        EventFilter::new().aggregate::<Counter>(),
        EventFilter::new().aggregate::<Counter>().aggregate::<Account>(),
        EventFilter::new().event::<Added>(),
        EventFilter::new().event::<Added>().event::<Deposited>(),
        EventFilter::new().aggregate::<Account>().event::<Reset>(),
        EventFilter::new().key(key.clone()),
        EventFilter::new().event::<Reset>().key(key.clone()),
        EventFilter::new().aggregate::<Account>().key(key.clone()),
    ];
    for filter in &filters {
        for count in [1, 3] {
            for index in 0..count {
                let partition = Partition::new(index, count)?;
                let expected = log.iter().filter(|event| {
                    let key = (event.aggregate_id() == holder).then_some(&key);
                    filter.matches(event.aggregate_type(), event.event_type(), key, event.tags())
                        && partition.contains(event.aggregate_id())
                });
                let expected = positions(expected);
                for limit in [1, 2, 100] {
                    let found = matching(fixture, filter, partition, limit).await?;
                    assert_eq!(found, expected, "{filter}, {partition:?}, pages of {limit}");
                }
            }
        }
    }
    Ok(())
}

/// Otherwise a subscription to rare events would read the whole log again and again.
pub(crate) async fn a_page_without_a_match_leads_to_the_last_event(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let filter = Arc::new(EventFilter::new().event::<Deposited>());
    let query = |after| LogQuery::new(after, 10).filter(Arc::clone(&filter));
    let page = fixture.engine().read_log(query(Position::START)).await?;
    assert_eq!((page.events.len(), page.end, page.at_end), (0, Position::START, true));

    for value in 0..5 {
        counter::create(store, value).await?;
    }
    let last = fixture.log().await?.last().expect("it was written").position();
    let page = fixture.engine().read_log(query(Position::START)).await?;
    assert_eq!((page.events.len(), page.end, page.at_end), (0, last, true));
    let page = fixture.engine().read_log(query(last)).await?;
    assert_eq!((page.events.len(), page.end, page.at_end), (0, last, true));
    Ok(())
}

/// An engine scans a limited number of events per page.
pub(crate) async fn rare_events_are_found_behind_many_others(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 0).await?;
    for count in [10_000, 2_000] {
        let events = std::iter::repeat_n(Added { by: 1 }, count);
        store.append::<Counter, _>(Stream::Id(id), Expected::Any, events).await?;
    }
    let rare = EventFilter::new().event::<Reset>();
    assert!(matching(fixture, &rare, Partition::WHOLE, 10).await?.is_empty());

    store.append::<Counter, _>(Stream::Id(id), Expected::Any, [Reset { to: 1 }]).await?;
    store.append::<Counter, _>(Stream::Id(id), Expected::Any, [Added { by: 1 }]).await?;
    let expected: Vec<_> = fixture.log().await?.into_iter().rev().skip(1).take(1).collect();
    assert_eq!(matching(fixture, &rare, Partition::WHOLE, 10).await?, positions(&expected));
    Ok(())
}

/// No event of the type was stored when the subscription began.
pub(crate) async fn a_type_that_comes_later_is_followed(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let journal = Journal::default();
    let worker = store.subscription("later").event::<Deposited>().spawn(journal.handler())?;
    counter::create(store, 1).await?;
    idle(store, "later", &worker).await?;
    assert_eq!(journal.len(), 0);
    account::open(store, 1).await?;
    idle(store, "later", &worker).await?;
    assert_eq!(journal.len(), 1);
    worker.shutdown().await
}

pub(crate) async fn a_subscription_misses_nothing_of_racing_writers(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let neighbour = fixture.neighbour().await?;
    let (all, some) = (Journal::default(), Journal::default());
    let everything = store.subscription("all").batch_size(7).spawn(all.handler())?;
    let counters =
        neighbour.subscription("counters").aggregate::<Counter>().spawn(some.handler())?;
    race_all(8, |runner| {
        let store = if runner % 2 == 0 { store.clone() } else { neighbour.clone() };
        async move {
            for round in 0..15 {
                match (runner + round) % 5 {
                    0 => {
                        let key = format!("{}", round % 3);
                        // Some commits fail, as they do in practice.
                        match counter::create_with_key(&store, &key, 1).await {
                            Ok(_) | Err(Error::KeyTaken { .. }) => {}
                            Err(other) => return Err(other),
                        }
                    }
                    1 => drop(counter::create(&store, 1).await?),
                    _ => drop(account::open(&store, 1).await?),
                }
            }
            Ok(())
        }
    })
    .await?;
    idle(store, "all", &everything).await?;
    idle(store, "counters", &counters).await?;
    let log = fixture.log().await?;
    assert_eq!(all.events(), log);
    let expected = log.iter().filter(|event| event.aggregate_type() == "counter");
    assert_eq!(some.positions(), positions(expected));
    everything.shutdown().await?;
    counters.shutdown().await
}

pub(crate) async fn a_subscription_goes_on_where_it_was(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let journal = Journal::default();
    for round in 0..3 {
        counter::create(store, round).await?;
        let worker = store.subscription("resumed").spawn(journal.handler())?;
        idle(store, "resumed", &worker).await?;
        worker.shutdown().await?;
        counter::create(store, round).await?;
    }
    let last = store.subscription("resumed").spawn(journal.handler())?;
    idle(store, "resumed", &last).await?;
    assert_eq!(journal.events(), fixture.log().await?);
    last.shutdown().await?;
    assert_eq!(info(store, "resumed").await?.lag, 0);
    Ok(())
}

/// The stored position is also past events that the subscription does not follow.
pub(crate) async fn a_stopped_subscription_has_stored_its_place(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    account::open(store, 1).await?;
    let journal = Journal::default();
    let worker = store.subscription("place").event::<Deposited>().spawn(journal.handler())?;
    idle(store, "place", &worker).await?;
    for _ in 0..5 {
        counter::create(store, 1).await?;
    }
    let head = fixture.log().await?.last().expect("it was written").position();
    while worker.status().position < head {
        tokio::task::yield_now().await;
    }
    worker.shutdown().await?;
    assert_eq!(cursor(store, "place").await?, head);
    assert_eq!(journal.len(), 1);
    Ok(())
}

pub(crate) async fn a_place_outlives_the_process(fixture: &Fixture) -> Result<()> {
    if fixture.harness().durability() == crate::Durability::Process {
        return Ok(());
    }
    let store = fixture.store();
    counter::create(store, 1).await?;
    let journal = Journal::default();
    let worker = store.subscription("outlives").spawn(journal.handler())?;
    idle(store, "outlives", &worker).await?;
    worker.shutdown().await?;

    let next = fixture.successor().await?.store;
    counter::create(&next, 2).await?;
    let worker = next.subscription("outlives").spawn(journal.handler())?;
    idle(&next, "outlives", &worker).await?;
    assert_eq!(journal.len(), 2, "each was given once");
    worker.shutdown().await
}

pub(crate) async fn a_start_is_where_it_says(fixture: &Fixture) -> Result<()> {
    let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
    let store = fixture.store_with(fixture.builder().clock(clock.clone())).await?;
    for value in 0..6 {
        counter::create(&store, value).await?;
        clock.advance(TimeDelta::hours(1));
    }
    let log = positions(&fixture.log().await?);
    let (third, last) = (Position::new(log[2])?, Position::new(log[5])?);
    let at = |hours| DateTime::UNIX_EPOCH + TimeDelta::hours(hours);
    let cases = [
        ("beginning", Start::Beginning, 0),
        ("end", Start::End, 6),
        ("after", Start::After(third), 3),
        ("after start", Start::After(Position::START), 0),
        ("after the last", Start::After(last), 6),
        ("from", Start::From(at(2)), 2),
        ("from between", Start::From(at(2) + TimeDelta::minutes(1)), 3),
        ("from before", Start::From(at(-5)), 0),
        ("from a moment after", Start::From(at(2) + TimeDelta::nanoseconds(900)), 2),
        ("from after the last", Start::From(at(5) + TimeDelta::minutes(1)), 6),
        ("from now", Start::From(at(6)), 6),
    ];
    for (name, start, skipped) in cases {
        let journal = Journal::default();
        let worker = store.subscription(name).start(start).spawn(journal.handler())?;
        idle(&store, name, &worker).await?;
        assert_eq!(journal.positions(), log[skipped..], "{name}");
        worker.shutdown().await?;
        // The start applies to the first run only.
        let worker = store.subscription(name).start(Start::Beginning).spawn(journal.handler())?;
        idle(&store, name, &worker).await?;
        assert_eq!(journal.positions(), log[skipped..], "{name}, run again");
        worker.shutdown().await?;
    }
    let beyond = Position::new(log[5] + 1_000)?;
    let refused = store.subscription("beyond").start(Start::After(beyond));
    let refused = refused.run(Journal::default().handler()).await;
    assert_error!(refused, Error::StartBeyondEnd { position, .. } if position == beyond);
    Ok(())
}

/// The first event at a future time is unknown until then, and events recorded before it must not be handled.
pub(crate) async fn a_start_that_lies_ahead_is_refused(fixture: &Fixture) -> Result<()> {
    let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
    let store = fixture.store_with(fixture.builder().clock(clock.clone())).await?;
    counter::create(&store, 1).await?;
    let noon = DateTime::UNIX_EPOCH + TimeDelta::hours(12);
    let ahead = Start::From(noon);
    let journal = Journal::default();
    let refused = store.subscription("ahead").start(ahead).run(journal.handler()).await;
    assert_error!(refused, Error::StartAhead { time, now } if time == noon && now < noon);
    assert!(store.subscriptions().list().await?.is_empty(), "nothing is stored");
    let refused = store.ephemeral().start(ahead).run(journal.handler()).await;
    assert_error!(refused, Error::StartAhead { .. });

    // A stored subscription has a cursor and ignores the start.
    let worker = store.subscription("stored").spawn(journal.handler())?;
    idle(&store, "stored", &worker).await?;
    worker.shutdown().await?;
    let refused = store.subscriptions().reset("stored", ahead).await;
    assert_error!(refused, Error::StartAhead { .. });
    let worker = store.subscription("stored").start(ahead).spawn(journal.handler())?;
    idle(&store, "stored", &worker).await?;
    worker.shutdown().await?;
    assert_eq!(journal.positions().len(), 1);

    clock.advance(TimeDelta::hours(12));
    let journal = Journal::default();
    let worker = store.subscription("ahead").start(ahead).spawn(journal.handler())?;
    counter::create(&store, 2).await?;
    idle(&store, "ahead", &worker).await?;
    worker.shutdown().await?;
    let last = positions(&fixture.log().await?)[1];
    assert_eq!(journal.positions(), [last]);
    Ok(())
}

pub(crate) async fn an_ephemeral_follower_misses_nothing(fixture: &Fixture) -> Result<()> {
    use futures_util::StreamExt;

    let store = fixture.store().clone();
    counter::create(&store, 1).await?;
    let new_only = store.ephemeral().aggregate::<Counter>().stream();
    let from_start = store.ephemeral().start(Start::Beginning).batch_size(3).stream();
    let mut new_only = pin!(new_only);
    // The stream starts when it is first polled, after the first event and before the second.
    let first_new = {
        let mut next = pin!(new_only.next());
        assert!(futures_util::poll!(&mut next).is_pending(), "there is nothing new");
        // Whether or not the stream has read the log by now, it must not miss later events.
        while store.subscriptions().list().await?.is_empty() && !has_begun(&mut next).await {
            tokio::task::yield_now().await;
        }
        let writing = race_all(4, |_| {
            let store = store.clone();
            async move {
                for _ in 0..10 {
                    counter::create(&store, 1).await?;
                    account::open(&store, 1).await?;
                }
                Ok(())
            }
        });
        let (first, written) = tokio::join!(next, writing);
        written?;
        first.expect("it never ends")?
    };
    let log = fixture.log().await?;
    let from_start: Vec<_> = from_start.take(log.len()).collect::<Vec<_>>().await;
    let from_start = from_start.into_iter().collect::<Result<Vec<_>>>()?;
    assert_eq!(from_start, log);

    let counters: Vec<_> =
        log[1..].iter().filter(|event| event.aggregate_type() == "counter").cloned().collect();
    let mut seen = vec![first_new];
    while seen.len() < counters.len() {
        seen.push(new_only.next().await.expect("it never ends")?);
    }
    assert_eq!(seen, counters);
    assert!(store.subscriptions().list().await?.is_empty(), "it leaves nothing in the store");
    Ok(())
}

/// Gives a stream that starts at the end the time to find the end.
async fn has_begun<F: Future + Unpin>(next: &mut F) -> bool {
    for _ in 0..100 {
        assert!(futures_util::poll!(&mut *next).is_pending(), "there is nothing new");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    true
}

pub(crate) async fn an_ephemeral_handler_is_given_everything_in_order(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    for value in 0..20 {
        counter::create(store, value).await?;
    }
    let log = fixture.log().await?;
    let journal = Journal::default();
    let following = store.ephemeral().start(Start::Beginning).batch_size(6).run(journal.handler());
    let mut following = pin!(following);
    while journal.len() < log.len() {
        tokio::select! {
            ended = &mut following => panic!("it ended: {ended:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(journal.events(), log);
    Ok(())
}

pub(crate) async fn a_commit_wakes_subscriptions(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let mut watch = fixture.engine().watch_log();
    counter::create(store, 1).await?;
    let told = tokio::time::timeout(std::time::Duration::from_secs(5), watch.notified()).await;
    told.expect("a commit wakes those who watch the log");
    let neighbour = fixture.neighbour().await?;
    let journal = Journal::default();
    let worker = neighbour.subscription("woken").spawn(journal.handler())?;
    stored(&neighbour, "woken", &worker).await?;
    counter::create(store, 2).await?;
    while journal.len() < 2 {
        tokio::task::yield_now().await;
    }
    worker.shutdown().await
}

pub(crate) async fn a_changed_filter_leaves_nothing_of_the_old_one(
    fixture: &Fixture,
) -> Result<()> {
    let store: &EventStore = fixture.store();
    let journal = Journal::default();
    let worker = store
        .subscription("changed")
        .aggregate::<Counter>()
        .key(NaturalKey::new("a key")?)
        .spawn(journal.handler())?;
    idle(store, "changed", &worker).await?;
    worker.shutdown().await?;

    let other = || store.subscription("changed").aggregate::<Account>();
    let refused = other().run(journal.handler()).await;
    assert_error!(&refused, Error::SubscriptionDiffers { stored, wanted, .. }
        if stored == "counter with key `a key`" && wanted == "account");

    let worker = other().replace_stored().spawn(journal.handler())?;
    idle(store, "changed", &worker).await?;
    counter::create_with_key(store, "a key", 1).await?;
    account::open(store, 1).await?;
    idle(store, "changed", &worker).await?;
    assert_eq!(journal.len(), 1);
    assert_eq!(journal.events()[0].aggregate_type(), "account");
    worker.shutdown().await?;
    assert_eq!(info(store, "changed").await?.filter, EventFilter::new().aggregate::<Account>());

    let worker = other().spawn(journal.handler())?;
    idle(store, "changed", &worker).await?;
    worker.shutdown().await
}
