//! P14: a decision that rests on a tag which its events were given later has seen the older ones as well.

use std::sync::Arc;
use std::time::Duration;

use evercore::boundary::Tag;
use evercore::engine::{Capability, StorageEngine};
use evercore::{Error, EventStore, Position, RecordedEvent, Registry, Result};
use tokio::time::sleep;

use crate::assert::assert_error;
use crate::domain::parcels::{
    self, Arrived, Parcel, Region, Returned, Sent, Weighed, newer, newest, older, post, send,
    store_one,
};
use crate::fixture::Fixture;
use crate::journal::{Journal, idle, until_true};
use crate::race::race_all;

/// The time between two commits of a writer, so that a log stays small.
const PACE: Duration = Duration::from_micros(500);

/// Opens a store of another program, with an engine of its own.
async fn program(fixture: &Fixture, registry: Result<Registry>) -> Result<EventStore> {
    on(fixture, fixture.harness().open().await?, registry).await
}

async fn on(
    fixture: &Fixture,
    engine: Arc<dyn StorageEngine>,
    registry: Result<Registry>,
) -> Result<EventStore> {
    fixture.builder().registry(registry?).open_shared(engine).await
}

/// Opens the older program, which has stored events, and then the newer one.
async fn left_behind(fixture: &Fixture) -> Result<(EventStore, EventStore)> {
    fixture.needs(Capability::Tags)?;
    let old = program(fixture, older()).await?;
    for place in ["north/Oslo", "south/Rome", "north/Oslo"] {
        post(&old, place).await?;
        weigh(&old).await?;
    }
    old.with_context(async |ctx| {
        let mut parcel = ctx.create::<Parcel>().await?;
        let (place, to) = ("south/Rome".to_owned(), "north/Oslo".to_owned());
        ctx.apply(&mut parcel, Returned { place, to })
    })
    .await?;
    Ok((old, program(fixture, newer()).await?))
}

async fn weigh(store: &EventStore) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut parcel = ctx.create::<Parcel>().await?;
            ctx.apply(&mut parcel, Weighed { grams: 7 })
        })
        .await
}

async fn region(store: &EventStore, region: &str) -> Result<Region> {
    store.detached().with_context(async |ctx| ctx.read(Region::of(region)).await).await
}

fn north() -> Tag {
    Tag::new("region", "north").expect("a tag")
}

fn sent(region: &str) -> Sent {
    Sent { region: region.to_owned(), seen: None }
}

/// Asserts that each decision has seen all events before it in the log, and no others.
fn judge(store: &EventStore, log: &[RecordedEvent]) -> Result<()> {
    let mut before = 0;
    for event in log {
        for sent in store.registry().decode_all::<Sent>(event)? {
            if sent.region == "north" {
                assert!(
                    sent.seen.is_none_or(|seen| seen == before),
                    "position {} has seen {:?} of {before}",
                    event.position(),
                    sent.seen
                );
                before += 1;
            }
        }
    }
    Ok(())
}

pub(crate) async fn a_tag_of_a_new_type_is_complete_at_once(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let store = program(fixture, newer()).await?;
    assert_eq!(region(&store, "north").await?, Region::default());
    send(&store, "north").await?;
    let done = store.backfill_tags().run().await?;
    assert_eq!((done.events, done.changed), (0, 0), "there is nothing to do");
    let next = program(fixture, newer()).await?;
    assert_eq!(region(&next, "north").await?.sent, 1);
    Ok(())
}

pub(crate) async fn older_events_are_refused_until_they_have_their_tags(
    fixture: &Fixture,
) -> Result<()> {
    let (_, new) = left_behind(fixture).await?;
    assert_error!(
        region(&new, "north").await,
        Error::TagIncomplete { aggregate, event, tag }
            if (&*aggregate, &*tag) == ("parcel", "region") && event.starts_with("parcel-")
    );
    let page = new.read_tagged(&[north()], Position::START).await;
    assert_error!(page, Error::TagIncomplete { .. });
    // An event of the newer program is written with the tag, and found later.
    store_one(&new, sent("north")).await?;

    let mut told = 0;
    let backfill = new.backfill_tags().batch_size(2).on_progress(|progress| {
        assert!(progress.position <= progress.end);
        told += 1;
    });
    let done = backfill.run().await?;
    assert_eq!((done.events, done.changed), (4, 4));
    assert!(told >= 2, "it goes page by page");

    assert_eq!(region(&new, "north").await?, Region { sent: 3, arrived: 1 });
    assert_eq!(region(&new, "south").await?, Region { sent: 2, arrived: 0 });
    let page = new.read_tagged(&[north()], Position::START).await?;
    assert_eq!(page.events.len(), 4);
    // Also by a program that looked before.
    let other = program(fixture, newer()).await?;
    assert_eq!(region(&other, "north").await?.sent, 3);
    Ok(())
}

pub(crate) async fn older_events_are_found_by_the_tags_of_their_present_shape(
    fixture: &Fixture,
) -> Result<()> {
    let (_, new) = left_behind(fixture).await?;
    new.backfill_tags().run().await?;
    let tags: Vec<Vec<String>> = fixture
        .log()
        .await?
        .iter()
        .map(|event| event.tags().iter().map(str::to_owned).collect())
        .collect();
    let none: [&str; 0] = [];
    let expected = [
        &["region:north"][..],
        &none,
        &["region:south"],
        &none,
        &["region:north"],
        &none,
        &["region:north", "region:south"],
    ];
    assert_eq!(tags, expected);
    Ok(())
}

pub(crate) async fn a_running_older_program_is_refused_once_tags_are_given(
    fixture: &Fixture,
) -> Result<()> {
    let (old, new) = left_behind(fixture).await?;
    post(&old, "north/Oslo").await?;
    new.backfill_tags().run().await?;
    for _ in 0..2 {
        assert_error!(
            post(&old, "north/Oslo").await,
            Error::OlderProgram { aggregate, event, tag }
                if [&*aggregate, &*event, &*tag] == ["parcel", "parcel-posted", "region"]
        );
    }
    assert_eq!(region(&new, "north").await?.sent, 3);
    // The newer program's own commits go on.
    send(&new, "north").await?;
    judge(&new, &fixture.log().await?)
}

pub(crate) async fn a_first_event_of_an_older_program_is_refused(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    // The older program is there, and has stored nothing yet.
    let old = program(fixture, older()).await?;
    let new = program(fixture, newer()).await?;
    assert_eq!(region(&new, "north").await?, Region::default());
    assert_error!(post(&old, "north/Oslo").await, Error::OlderProgram { .. });
    assert_eq!(fixture.log().await?, []);
    weigh(&old).await
}

pub(crate) async fn an_older_program_that_is_opened_again_is_refused(
    fixture: &Fixture,
) -> Result<()> {
    let (_, new) = left_behind(fixture).await?;
    assert_error!(program(fixture, older()).await.map(drop), Error::OlderProgram { .. });
    drop(new);
    Ok(())
}

pub(crate) async fn an_older_program_may_write_what_lacks_no_tag(fixture: &Fixture) -> Result<()> {
    let (old, new) = left_behind(fixture).await?;
    new.backfill_tags().run().await?;
    weigh(&old).await?;
    assert_error!(post(&old, "north/Oslo").await, Error::OlderProgram { .. });
    weigh(&old).await?;
    assert_eq!(fixture.log().await?.len(), 9);
    Ok(())
}

pub(crate) async fn no_decision_misses_an_event_beside_older_writers(
    fixture: &Fixture,
) -> Result<()> {
    let (old, new) = left_behind(fixture).await?;
    let programs = [&old, &old, &new, &new].map(EventStore::clone);
    race_all(programs.len(), |index| {
        let store = programs[index].clone();
        async move {
            match index {
                // Older writers, until they are refused.
                0 | 1 => loop {
                    sleep(PACE).await;
                    match post(&store, "north/Oslo").await {
                        Ok(()) => {}
                        Err(Error::OlderProgram { .. }) => return Ok(()),
                        Err(error) => return Err(error),
                    }
                },
                // A newer writer, which decides as soon as it can.
                2 => {
                    let mut decided = 0;
                    while decided < 8 {
                        sleep(PACE).await;
                        match send(&store, "north").await {
                            Ok(()) => decided += 1,
                            Err(Error::TagIncomplete { .. }) => {
                                store_one(&store, sent("north")).await?;
                            }
                            Err(error) => return Err(error),
                        }
                    }
                    Ok(())
                }
                _ => {
                    for _ in 0..5 {
                        sleep(PACE).await;
                        store_one(&store, Arrived { region: None }).await?;
                    }
                    store.backfill_tags().batch_size(3).run().await.map(drop)
                }
            }
        }
    })
    .await?;
    let log = fixture.log().await?;
    judge(&new, &log)?;
    let mut in_north = 0;
    for event in &log {
        for sent in new.registry().decode_all::<Sent>(event)? {
            in_north += usize::from(sent.region == "north");
        }
    }
    assert_eq!(region(&new, "north").await?.sent, in_north);
    Ok(())
}

pub(crate) async fn a_backfill_that_was_stopped_goes_on_where_it_was(
    fixture: &Fixture,
) -> Result<()> {
    let (_, new) = left_behind(fixture).await?;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let mut stop = Some(stop);
    let backfill = new.backfill_tags().batch_size(1).on_progress(move |progress| {
        if progress.events == 2 {
            stop.take().map(|stop| stop.send(progress.position));
        }
    });
    // Dropped after its second event, at the latest when it is polled next.
    let mut run = Box::pin(backfill.run());
    let position = tokio::select! {
        biased;
        position = stopped => position.expect("it was told"),
        done = &mut run => panic!("it was to be stopped: {done:?}"),
    };
    drop(run);
    assert_error!(region(&new, "north").await, Error::TagIncomplete { .. });

    let next = program(fixture, newer()).await?;
    let mut first = None;
    let done = next
        .backfill_tags()
        .batch_size(1)
        .on_progress(|progress| first = first.or(Some(progress.position)))
        .run()
        .await?;
    assert!(first.is_some_and(|first| first > position), "{first:?} after {position}");
    assert!(done.events < 4, "{done:?}");
    assert_eq!(region(&next, "north").await?, Region { sent: 2, arrived: 1 });
    assert_eq!(region(&new, "north").await?, Region { sent: 2, arrived: 1 });
    Ok(())
}

pub(crate) async fn several_backfills_do_each_event_once(fixture: &Fixture) -> Result<()> {
    let (_, new) = left_behind(fixture).await?;
    let others = [program(fixture, newer()).await?, new.clone(), program(fixture, newer()).await?];
    let done = race_all(others.len(), |index| {
        let store = others[index].clone();
        async move { store.backfill_tags().batch_size(1).run().await }
    })
    .await?;
    assert_eq!(done.iter().map(|done| done.changed).sum::<u64>(), 4, "{done:?}");
    assert_eq!(region(&new, "north").await?, Region { sent: 2, arrived: 1 });
    Ok(())
}

pub(crate) async fn an_event_that_cannot_be_read_ends_a_backfill(fixture: &Fixture) -> Result<()> {
    let (old, new) = left_behind(fixture).await?;
    // Its value cannot be that of a tag.
    post(&old, "").await?;
    let position = fixture.log().await?[7].position();
    let ended = new.backfill_tags().batch_size(1).run().await;
    assert_error!(
        ended,
        Error::InvalidTag { problem, .. } if problem.contains(&format!("position {position}"))
    );
    assert_error!(region(&new, "north").await, Error::TagIncomplete { .. });
    let kept: Vec<_> = fixture.log().await?.iter().map(|event| event.tags().is_empty()).collect();
    assert_eq!(kept, [false, true, false, true, false, true, false, true]);
    Ok(())
}

pub(crate) async fn a_tag_that_is_retired_refuses_what_rests_on_it(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let new = program(fixture, newer()).await?;
    send(&new, "north").await?;
    let newest = program(fixture, newest()).await?;
    assert_error!(
        send(&new, "north").await,
        Error::TagRetired { aggregate, event, tag }
            if (&*aggregate, &*tag) == ("parcel", "region") && event.starts_with("parcel-")
    );
    newest
        .with_context(async |ctx| {
            let mut parcel = ctx.create::<Parcel>().await?;
            let region = "north".to_owned();
            ctx.apply(&mut parcel, parcels::SentUntagged { region, seen: None })
        })
        .await?;
    assert_error!(send(&new, "north").await, Error::TagRetired { .. });
    assert_error!(program(fixture, newer()).await.map(drop), Error::TagRetired { .. });
    drop(program(fixture, self::newest()).await?);
    Ok(())
}

pub(crate) async fn a_view_from_before_the_backfill_is_refused(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::ReadViews)?;
    let (_, new) = left_behind(fixture).await?;
    new.with_readonly_context(async |ctx| {
        new.detached().backfill_tags().run().await?;
        assert_error!(ctx.read(Region::of("north")).await, Error::TagIncomplete { .. });
        let page = ctx.read_tagged(&[north()], Position::START).await;
        assert_error!(page, Error::TagIncomplete { .. });
        Ok::<_, Error>(())
    })
    .await?;
    let read = new.with_readonly_context(async |ctx| ctx.read(Region::of("north")).await).await?;
    assert_eq!(read.sent, 2);
    Ok(())
}

pub(crate) async fn a_subscription_by_an_incomplete_tag_is_refused(
    fixture: &Fixture,
) -> Result<()> {
    let (_, new) = left_behind(fixture).await?;
    let journal = Journal::default();
    let subscription = || new.subscription("the north").tag(north());
    let worker = subscription().spawn(journal.handler())?;
    until_true(async || Ok(worker.is_finished() || !worker.status().partitions.is_empty())).await?;
    assert!(worker.is_finished(), "the subscription follows a tag that is not complete");
    assert_error!(worker.join().await, Error::TagIncomplete { .. });
    let lanes = new.subscription("by region").event::<Sent>().lane("region");
    assert_error!(lanes.spawn(journal.handler())?.join().await, Error::TagIncomplete { .. });
    new.backfill_tags().run().await?;
    let worker = subscription().spawn(journal.handler())?;
    idle(&new, "the north", &worker).await?;
    worker.shutdown().await?;
    assert_eq!(journal.positions().len(), 3);
    Ok(())
}

pub(crate) async fn tags_that_were_given_later_pass_the_verification(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::Inspection)?;
    let (_, new) = left_behind(fixture).await?;
    new.backfill_tags().run().await?;
    let report = new.verify().run().await?;
    assert!(report.is_clean(), "{report}");
    Ok(())
}
