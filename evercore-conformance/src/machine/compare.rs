//! Checks that the store and the model agree.

mod queue;

use std::collections::BTreeMap;

use evercore::engine::{Capability, TagPage, TagRequest};
use evercore::{Aggregate, AggregateId, Error, EventStore, Position, ReadContext, Result};
use evercore_testing::model::Refusal;

use super::boundaries::{Question, named};
use super::commands::{Kind, key_text};
use super::generate::{KEYS, LABELS, OWNERS, ROOMS};
use super::reason::Reason;
use super::reference::{Answer, Reference, SUBSCRIPTION};
use super::subject::{Said, Subject, number};
use super::writing::{Known, Trouble};
use crate::domain::counter::Counter;
use crate::domain::tally::{PlainTally, Tally};
use crate::fixture::whole_log;

/// The events in a page of a boundary: few, so that most take several pages.
const PAGE: u32 = 3;

/// Compares a store's answer with the expected one.
pub(super) fn answers(
    subject: &Subject,
    after: &Reference,
    said: Result<Said, Trouble>,
    should: &Answer,
) -> Result<(), String> {
    let agree = match (&said, should) {
        (Ok(Said::Done), Answer::Done) => true,
        (Ok(Said::Handled(positions)), Answer::Handled(places)) => {
            return handled(subject, after, positions, places);
        }
        (Ok(Said::Tally(tally)), Answer::Events(numbers)) => *tally == Tally::of(numbers),
        (Ok(Said::Counter(value)), Answer::Events(numbers)) => *value == sum(numbers),
        (Ok(Said::Numbers(found)), Answer::Events(numbers)) => found == numbers,
        (Ok(Said::Read(found)), Answer::Read(numbers)) => found == numbers,
        (Ok(Said::Claimed(given)), Answer::Claimed(should)) => {
            return queue::claimed(subject, given, should);
        }
        (Ok(Said::Held(is_held)), Answer::Held(should)) => is_held == should,
        (Ok(Said::Changed(changed)), Answer::Changed(should)) => changed == should,
        (Ok(Said::Served(served)), Answer::Served(should)) => served == should,
        (Err(Trouble::Store(error)), Answer::Refused(reasons)) => {
            refusal(subject, error).is_some_and(|reason| reasons.contains(&reason))
        }
        (Err(Trouble::Store(error)), Answer::Unknown) => matches!(
            error,
            Error::UnknownId { .. }
                | Error::UnknownKey { .. }
                | Error::WrongAggregateType { .. }
                | Error::UnknownSubscription { .. }
        ),
        _ => false,
    };
    if agree { Ok(()) } else { Err(format!("it answers {said:?}, and should {should:?}")) }
}

fn refusal(subject: &Subject, error: &Error) -> Option<Reason> {
    let refusal = match error {
        Error::Conflict { id, .. } => {
            Refusal::Stale(subject.ids.iter().position(|known| known == id)?)
        }
        Error::KeyTaken { key, .. } => Refusal::KeyTaken(key.clone()),
        Error::BoundaryConflict { boundary, tags } => Refusal::Outdated(named(boundary, tags)),
        Error::IdempotencyKeyUsed { key } => Refusal::IdempotencyKeyUsed(key.clone()),
        Error::TaskKeyTaken { key, .. } => return Some(Reason::TaskKeyTaken(key.clone())),
        Error::TaskLeaseLost { .. } => return Some(Reason::LeaseLost),
        Error::UnknownTask { .. } => return Some(Reason::UnknownTask),
        _ => return None,
    };
    Some(Reason::Model(refusal))
}

/// Compares handled events: the same set, in the same order within each aggregate.
fn handled(
    subject: &Subject,
    after: &Reference,
    positions: &[Position],
    places: &[usize],
) -> Result<(), String> {
    let place = |position: &Position| subject.positions.iter().position(|it| it == position);
    let lanes = |places: &mut dyn Iterator<Item = Option<usize>>| {
        let mut lanes: BTreeMap<Option<usize>, Vec<Option<usize>>> = BTreeMap::new();
        for place in places {
            let aggregate = place.map(|place| after.model.log()[place].aggregate);
            lanes.entry(aggregate).or_default().push(place);
        }
        lanes
    };
    let given = lanes(&mut positions.iter().map(place));
    let should = lanes(&mut places.iter().copied().map(Some));
    if given == should {
        return Ok(());
    }
    Err(format!("by aggregate, {given:?} were handled, and {should:?} should"))
}

/// Compares everything that can be read.
pub(super) async fn contents(subject: &mut Subject, after: &mut Reference) -> Result<(), Trouble> {
    log(subject, after).await?;
    boundaries(subject, after).await?;
    let known = subject.known(after);
    if known.len() != after.model.aggregates().len() {
        let wanted = after.model.aggregates().len();
        return Err(Trouble::Wrong(format!("{} aggregates, of {wanted}", known.len())));
    }
    states::<Tally>(&subject.first.store, after, &known).await?;
    states::<PlainTally>(&subject.plain.store, after, &known).await?;
    queue::contents(subject, after).await?;
    parked(subject, after).await
}

async fn log(subject: &mut Subject, after: &Reference) -> Result<(), Trouble> {
    let mut found = Vec::new();
    let mut positions = Vec::new();
    for event in whole_log(&*subject.first.engine).await? {
        positions.push(event.position());
        found.push((event.aggregate_id(), event.sequence().get(), number(&event)?));
    }
    let wanted = after.model.log().iter().map(|logged| {
        let id = subject.ids.get(logged.aggregate).copied();
        let sequence = i64::try_from(logged.sequence).unwrap_or(i64::MAX);
        (id.unwrap_or(AggregateId::FIRST), sequence, logged.event)
    });
    let wanted: Vec<_> = wanted.collect();
    let rises = positions.windows(2).all(|pair| pair[0] < pair[1]);
    if found != wanted || !rises || !positions.starts_with(&subject.positions) {
        return Err(Trouble::Wrong(format!(
            "the log (aggregate, sequence, number) is {found:?} at {positions:?}, and should be {wanted:?}"
        )));
    }
    subject.positions = positions;
    Ok(())
}

/// Compares all boundaries, read in small pages.
async fn boundaries(subject: &Subject, after: &Reference) -> Result<(), Trouble> {
    if !subject.has(Capability::Tags) {
        return Ok(());
    }
    let mut open: Vec<_> = Question::all(ROOMS, LABELS, OWNERS)
        .into_iter()
        .map(|question| (question, Vec::new(), Position::START))
        .collect();
    while !open.is_empty() {
        let request = |(question, _, after): &(Question, _, _)| TagRequest {
            after: *after,
            ..TagRequest::new(question.query(), PAGE)
        };
        let requests: Vec<_> = open.iter().map(request).collect();
        let pages = subject.first.engine.read_tagged(requests).await?;
        if pages.len() != open.len() {
            let (given, asked) = (pages.len(), open.len());
            return Err(Trouble::Wrong(format!("{asked} requests got {given} pages")));
        }
        for ((question, found, last), page) in open.iter_mut().zip(&pages) {
            frontier(subject, page)?;
            for event in &page.events {
                found.push(number(event)?);
                *last = event.position();
            }
            if page.at_end {
                let wanted = after.model.log().iter().filter(|event| question.selects(event));
                let wanted: Vec<_> = wanted.map(|event| event.event).collect();
                if *found != wanted {
                    return Err(Trouble::Wrong(format!(
                        "{question:?} finds {found:?}, and should find {wanted:?}"
                    )));
                }
            } else if page.events.len() != PAGE as usize {
                let count = page.events.len();
                return Err(Trouble::Wrong(format!("{count} events of {question:?} are a page")));
            }
        }
        let mut ended = pages.iter().map(|page| page.at_end);
        open.retain(|_| !ended.next().unwrap_or_default());
    }
    Ok(())
}

/// Checks that a frontier is the position of an event of the log, or its start.
fn frontier(subject: &Subject, page: &TagPage) -> Result<(), Trouble> {
    let TagPage { frontier, .. } = page;
    if *frontier == Position::START || subject.positions.contains(frontier) {
        return Ok(());
    }
    Err(Trouble::Wrong(format!("the frontier {frontier} is no position of an event")))
}

/// Compares all aggregates, by id and by key, in one view.
async fn states<T: Aggregate + AsRef<Tally>>(
    store: &EventStore,
    after: &Reference,
    known: &[Known],
) -> Result<(), Trouble> {
    store
        .with_readonly_context(async |ctx| {
            for (place, known) in known.iter().enumerate() {
                state::<T>(ctx, after, place, known).await?;
            }
            for key in (0..KEYS).map(key_text) {
                let found = ctx.find_by_key::<T>(key.as_str()).await?.map(|found| found.id());
                holder(after, known, Kind::Tally, &key, found)?;
                let found = ctx.find_by_key::<Counter>(key.as_str()).await?.map(|it| it.id());
                holder(after, known, Kind::Counter, &key, found)?;
            }
            Ok(())
        })
        .await
}

async fn state<T: Aggregate + AsRef<Tally>>(
    ctx: &ReadContext,
    after: &Reference,
    place: usize,
    known: &Known,
) -> Result<(), Trouble> {
    let numbers = after.model.events(place);
    let (sequence, key, is_right) = match known.kind {
        Kind::Tally => {
            let tally = ctx.load::<T>(known.id).await?;
            let is_right = *tally.state().as_ref() == Tally::of(numbers);
            (tally.sequence(), tally.key().cloned(), is_right)
        }
        Kind::Counter => {
            let counter = ctx.load::<Counter>(known.id).await?;
            let is_right = counter.state().value == sum(numbers);
            (counter.sequence(), counter.key().cloned(), is_right)
        }
        // Its events are compared as parts of the log and of boundaries.
        Kind::Facts => return Ok(()),
    };
    let is_right = is_right
        && usize::try_from(sequence.get()) == Ok(numbers.len())
        && key.as_ref().map(evercore::NaturalKey::as_str) == known.key.as_deref();
    if is_right {
        return Ok(());
    }
    Err(Trouble::Wrong(format!(
        "aggregate {place} ({known:?}) is at {sequence} with the key {key:?} and another state than after {numbers:?}"
    )))
}

fn holder(
    after: &Reference,
    known: &[Known],
    kind: Kind,
    key: &str,
    found: Option<AggregateId>,
) -> Result<(), Trouble> {
    let wanted = after.model.find(kind.name(), key).map(|place| known[place].id);
    if found == wanted {
        return Ok(());
    }
    Err(Trouble::Wrong(format!("{key} of {kind:?} leads to {found:?}, and should to {wanted:?}")))
}

/// Compares the parked events, and whether each has failed.
async fn parked(subject: &Subject, after: &mut Reference) -> Result<(), Trouble> {
    if !after.is_stored {
        return Ok(());
    }
    let subscriptions = subject.store().subscriptions();
    let parked = subscriptions.parked(SUBSCRIPTION, Position::START, 1_000).await?.events;
    let found: Vec<_> =
        parked.iter().map(|it| (it.event.position(), it.reason.is_some())).collect();
    let wanted = after.model.subscription(SUBSCRIPTION).parked().iter();
    let wanted: Vec<_> = wanted.map(|it| (subject.positions[it.place], it.failed)).collect();
    if found != wanted {
        return Err(Trouble::Wrong(format!(
            "parked (position, failed) are {found:?}, and should be {wanted:?}"
        )));
    }
    let discarded = subscriptions.discarded(SUBSCRIPTION, Position::START, 1_000).await?.events;
    let found: Vec<_> = discarded.iter().map(|it| it.event.position()).collect();
    let wanted = after.model.subscription(SUBSCRIPTION).discarded();
    let wanted: Vec<_> = wanted.map(|place| subject.positions[place]).collect();
    if found == wanted {
        return Ok(());
    }
    Err(Trouble::Wrong(format!("discarded are {found:?}, and should be {wanted:?}")))
}

fn sum(numbers: &[u64]) -> i64 {
    numbers.iter().map(|&number| i64::try_from(number).unwrap_or(i64::MAX)).sum()
}
