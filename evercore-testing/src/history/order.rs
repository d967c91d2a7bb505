//! Searches for an order of all commits in which each was decided on the state that preceded it.
//!
//! The search follows Wing and Gong's test of linearizability ("Testing and Verifying Concurrent Objects", 1993). A
//! commit can come next if no remaining commit ended before it began, and if its preconditions hold in the state so
//! far. At a dead end the last choice is undone, and it is not made again in the same state ("Testing for
//! linearizability", Lowe, 2017). The sequences in the log leave few choices.
//!
//! The objects are aggregates, natural keys, and the [boundaries] that commits rest on. A commit visits several at once,
//! so it is not enough that there is an order for each object alone.

mod boundaries;
mod search;
mod state;

use std::collections::{BTreeSet, HashMap};

use evercore::engine::{LoadRequest, LoadTarget};
use evercore::{AggregateId, CommitId, Error, EventStore, NaturalKey, Position, Result, Sequence};

use super::commits::Commits;
use super::evidence::Entry;
use super::landing::Landings;
use super::observation::{DecidedOn, KeyWish};
use super::sessions::Moment;
use super::violation::Violation;
pub(super) use state::Ended;

/// A stored commit.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) commit: CommitId,
    /// The moment at which the commit was sent; `None`, for any time, if no recorder observed it.
    pub(super) began: Option<Moment>,
    /// The moment at which a client learned that it is stored; `None` if none did.
    pub(super) ended: Option<Moment>,
    pub(super) position: Option<Position>,
    pub(super) touches: Vec<Touch>,
    visits: Vec<boundaries::Visit>,
}

/// The part of a commit that concerns one aggregate.
#[derive(Debug)]
pub(super) struct Touch {
    pub(super) aggregate: AggregateId,
    pub(super) aggregate_type: String,
    pub(super) decided_on: DecidedOn,
    pub(super) key: KeyWish,
    /// The sequences of the events that it writes, from the log.
    pub(super) written: Option<Written>,
}

/// Consecutive events of one aggregate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// The sequence before the first event.
    pub(super) from: Sequence,
    pub(super) to: Sequence,
}

/// Searches for an order. Returns the state after the last commit.
pub(super) fn find(nodes: &[Node]) -> Result<Ended, Violation> {
    search::Search::new(nodes).run()
}

/// Collects all stored commits, each event of an unobserved writer as a commit of its own.
pub(super) fn nodes(commits: &Commits<'_>, log: &[Entry], landings: &Landings) -> Vec<Node> {
    let boundaries = boundaries::Boundaries::of(commits, log, landings);
    let observed = commits.sent.iter().zip(&landings.landed).zip(&landings.events);
    let observed = observed.filter(|((_, landed), _)| **landed).map(|((sent, _), events)| {
        let mut written: HashMap<AggregateId, Written> = HashMap::new();
        for place in events.iter().map(|&place| log[place].place) {
            let from = Sequence::new(place.sequence.get() - 1).unwrap_or_default();
            let own = written.entry(place.aggregate);
            own.or_insert(Written { from, to: place.sequence }).to = place.sequence;
        }
        let touches = sent.begun.writes.iter().map(|write| Touch {
            aggregate: write.aggregate,
            aggregate_type: write.aggregate_type.clone(),
            decided_on: write.decided_on.clone(),
            key: write.key.clone(),
            written: written.get(&write.aggregate).copied(),
        });
        Node {
            commit: sent.begun.commit,
            began: Some(sent.began),
            ended: sent.acknowledged,
            position: events.first().map(|&place| log[place].place.position),
            touches: touches.collect(),
            visits: boundaries.visits(&sent.begun.conditions, events, log),
        }
    });
    let unclaimed = landings.unclaimed.iter().map(|&place| Node {
        visits: boundaries.visits(&[], &[place], log),
        ..foreign(&log[place])
    });
    observed.chain(unclaimed).collect()
}

/// Describes an event of an unobserved writer as a commit.
fn foreign(entry: &Entry) -> Node {
    let place = entry.place;
    let from = Sequence::new(place.sequence.get() - 1).unwrap_or_default();
    let touch = Touch {
        aggregate: place.aggregate,
        aggregate_type: entry.aggregate_type.as_ref().to_owned(),
        decided_on: DecidedOn::Existing,
        key: KeyWish::Keep,
        written: Some(Written { from, to: place.sequence }),
    };
    Node {
        commit: entry.commit.unwrap_or_else(CommitId::generate),
        began: None,
        ended: None,
        position: Some(place.position),
        touches: vec![touch],
        visits: Vec::new(),
    }
}

/// Checks that the store holds the state after the last commit of the order: which aggregates exist and hold which key.
pub(super) async fn check_ended(
    store: &EventStore,
    ended: &Ended,
    nodes: &[Node],
) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    for (&aggregate, standing) in ended.aggregates() {
        let target = LoadTarget::Id(aggregate);
        let stored = load(store, &standing.aggregate_type, target).await?;
        match (stored, &standing.key) {
            (None, _) => found.push(Violation::Existence { aggregate, stored: false }),
            (Some((_, key)), Some(expected)) if key != *expected => {
                let expected = expected.clone();
                found.push(Violation::Key { aggregate, expected, found: key });
            }
            (Some(_), _) => {}
        }
    }
    for (aggregate_type, key) in claimed(nodes) {
        let expected = ended.holder(aggregate_type, key);
        let target = LoadTarget::Key(key.clone());
        let holder = load(store, aggregate_type, target).await?.map(|(id, _)| id);
        // An aggregate whose key is unknown may hold this one.
        if holder != expected && (expected.is_some() || !ended.may_hold(holder)) {
            let (aggregate_type, key) = (aggregate_type.to_owned(), key.clone());
            found.push(Violation::Holder { aggregate_type, key, expected, found: holder });
        }
    }
    Ok(found)
}

/// Returns all keys that a commit has ever claimed.
fn claimed(nodes: &[Node]) -> impl Iterator<Item = (&str, &NaturalKey)> {
    let touches = nodes.iter().flat_map(|node| &node.touches);
    let claims = touches.filter_map(|touch| match &touch.key {
        KeyWish::Set(key) => Some((touch.aggregate_type.as_str(), key)),
        KeyWish::Keep | KeyWish::Clear => None,
    });
    claims.collect::<BTreeSet<_>>().into_iter()
}

/// Loads the id and key of an aggregate, without its events.
async fn load(
    store: &EventStore,
    aggregate_type: &str,
    target: LoadTarget,
) -> Result<Option<(AggregateId, Option<NaturalKey>)>> {
    let request = LoadRequest {
        aggregate_type: registered(store, aggregate_type)?,
        target,
        snapshot: None,
        up_to: Some(Sequence::ZERO),
        limit: 1,
    };
    let loaded = store.engine().load(request).await?;
    Ok(loaded.map(|loaded| (loaded.id, loaded.key)))
}

/// Returns the name as a static string from the registry.
fn registered(store: &EventStore, aggregate_type: &str) -> Result<&'static str> {
    let names = store.registry().aggregates();
    let mut names = names
        .flat_map(|known| std::iter::once(known.name()).chain(known.aliases().iter().copied()));
    names.find(|name| *name == aggregate_type).ok_or_else(|| {
        let problem = format!(
            "the store's registry does not know the aggregate type `{aggregate_type}`; open the store with all types that were written"
        );
        Error::storage("check who holds which key", problem)
    })
}
