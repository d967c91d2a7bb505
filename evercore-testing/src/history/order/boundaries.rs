//! Boundaries as objects of the order: a commit with a condition reads one, and a commit with a matching event adds to it.
//!
//! A boundary's state is the set of its events. A commit that rests on one has seen a set of a known size. If the
//! commit has events of its own, the set is also known: it holds the matching events that lie before them in the log,
//! because the engine judges a condition while nothing that matches can be added beside it.
//!
//! The check of each commit against the log alone ([`StaleBoundary`](super::super::Violation::StaleBoundary)) does not
//! imply an order of all commits. It says nothing about a commit that rests on a boundary and has no events, such as one
//! that guards an aggregate or changes a key. And an order that suits the boundaries need not suit the guards: the first
//! of two commits may rest on a boundary without the event of the second, and guard an aggregate after that event.

use std::collections::{BTreeSet, HashMap};

use evercore::Position;

use super::super::commits::Commits;
use super::super::evidence::Entry;
use super::super::landing::Landings;
use super::super::observation::{AtomBegun, ConditionBegun, EventBegun};
use super::super::violation::Obstacle;
use super::Node;

/// All boundaries that commits rest on, by the events that they select.
#[derive(Debug, Default)]
pub(super) struct Boundaries<'a> {
    numbers: HashMap<&'a [AtomBegun], usize>,
    /// The indices in the log of the events of each boundary, in order.
    events: Vec<Vec<usize>>,
    /// The boundaries of each event, by its index in the log.
    of_event: HashMap<usize, Vec<usize>>,
}

/// The part of a commit that concerns one boundary.
#[derive(Debug, Default)]
pub(super) struct Visit {
    /// The number of the boundary.
    boundary: usize,
    /// The number of events that the commit needs there, and the name of the boundary.
    needed: Vec<(usize, String)>,
    /// The number of events that the commit adds.
    added: usize,
    /// The position of the last of them.
    last: Option<Position>,
}

/// The number of events in each boundary after some of the commits, and the commits that have yet to read it.
#[derive(Debug, Default)]
pub(super) struct Standings {
    counts: HashMap<usize, usize>,
    /// The remaining commits with events that read a boundary, by their positions.
    readers: HashMap<usize, BTreeSet<(Position, usize)>>,
    /// The number of reads by remaining commits that need this number of events in a boundary.
    needed: HashMap<(usize, usize), usize>,
}

impl<'a> Boundaries<'a> {
    pub(super) fn of(commits: &Commits<'a>, log: &[Entry], landings: &Landings) -> Self {
        let mut boundaries = Self::default();
        let by_tag = by_tag(log);
        let landed = commits.sent.iter().zip(&landings.landed).filter(|(_, landed)| **landed);
        for condition in landed.flat_map(|(sent, _)| &sent.begun.conditions) {
            if boundaries.numbers.contains_key(&condition.atoms[..]) {
                continue;
            }
            let number = boundaries.events.len();
            boundaries.numbers.insert(&condition.atoms, number);
            let tags = condition.atoms.iter().filter_map(|atom| atom.tags.first());
            let tagged = tags.filter_map(|tag| by_tag.get(tag.as_str())).flatten().copied();
            let matching: BTreeSet<_> = tagged
                .filter(|&place| {
                    let EventBegun { event_type, tags, .. } = &log[place].event;
                    condition.matches(&log[place].aggregate_type, event_type, tags)
                })
                .collect();
            for &place in &matching {
                boundaries.of_event.entry(place).or_default().push(number);
            }
            boundaries.events.push(matching.into_iter().collect());
        }
        boundaries
    }

    /// Describes how a commit visits the boundaries. `events` are the indices of its events in the log.
    pub(super) fn visits(
        &self,
        conditions: &[ConditionBegun],
        events: &[usize],
        log: &[Entry],
    ) -> Vec<Visit> {
        let mut visits: Vec<Visit> = Vec::new();
        for place in events {
            for &boundary in self.of_event.get(place).into_iter().flatten() {
                let visit = visit(&mut visits, boundary);
                visit.added += 1;
                visit.last = Some(log[*place].place.position);
            }
        }
        for condition in conditions {
            let Some(&boundary) = self.numbers.get(&condition.atoms[..]) else { continue };
            let known = self.events[boundary]
                .partition_point(|&place| log[place].place.position <= condition.beyond);
            let seen = usize::try_from(condition.seen).unwrap_or(usize::MAX);
            let needed = (known.saturating_add(seen), condition.boundary.clone());
            visit(&mut visits, boundary).needed.push(needed);
        }
        visits
    }
}

impl Standings {
    pub(super) fn before(nodes: &[Node]) -> Self {
        let mut standings = Self::default();
        for (number, node) in nodes.iter().enumerate() {
            standings.expect(number, node);
        }
        standings
    }

    /// Returns the reason why a commit cannot come next.
    pub(super) fn obstacle(&self, number: usize, node: &Node) -> Option<Obstacle> {
        node.visits.iter().find_map(|visit| {
            let found = self.count(visit.boundary);
            let wrong = visit.needed.iter().find(|(needed, _)| *needed != found);
            if let Some((needed, boundary)) = wrong.cloned() {
                return Some(Obstacle::Boundary { boundary, needed, found });
            }
            let position = visit.last?;
            let all = self.needed.get(&(visit.boundary, found)).copied().unwrap_or_default();
            let mut readers = self.readers.get(&visit.boundary).into_iter().flatten();
            let is_needed = all > visit.needed.len()
                || readers.any(|(before, reader)| *before < position && *reader != number);
            is_needed.then_some(Obstacle::BoundaryNeeded { position })
        })
    }

    pub(super) fn apply(&mut self, number: usize, node: &Node) {
        for visit in &node.visits {
            for (needed, _) in &visit.needed {
                *self.needed.entry((visit.boundary, *needed)).or_default() -= 1;
            }
            *self.counts.entry(visit.boundary).or_default() += visit.added;
            if let (Some(position), false) = (node.position, visit.needed.is_empty()) {
                let readers = self.readers.entry(visit.boundary).or_default();
                readers.remove(&(position, number));
            }
        }
    }

    pub(super) fn take_back(&mut self, number: usize, node: &Node) {
        for visit in &node.visits {
            *self.counts.entry(visit.boundary).or_default() -= visit.added;
        }
        self.expect(number, node);
    }

    /// Notes that a commit has yet to read its boundaries.
    fn expect(&mut self, number: usize, node: &Node) {
        for visit in &node.visits {
            for (needed, _) in &visit.needed {
                *self.needed.entry((visit.boundary, *needed)).or_default() += 1;
            }
            if let (Some(position), false) = (node.position, visit.needed.is_empty()) {
                self.readers.entry(visit.boundary).or_default().insert((position, number));
            }
        }
    }

    fn count(&self, boundary: usize) -> usize {
        self.counts.get(&boundary).copied().unwrap_or_default()
    }
}

/// Returns the visit of a boundary, a new one if there is none yet.
fn visit(visits: &mut Vec<Visit>, boundary: usize) -> &mut Visit {
    let known = visits.iter().position(|visit| visit.boundary == boundary);
    let place = known.unwrap_or_else(|| {
        visits.push(Visit { boundary, ..Visit::default() });
        visits.len() - 1
    });
    &mut visits[place]
}

/// Returns the indices in the log of the events with each tag.
fn by_tag(log: &[Entry]) -> HashMap<&str, Vec<usize>> {
    let mut by_tag: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, entry) in log.iter().enumerate() {
        for tag in entry.event.tags.iter() {
            by_tag.entry(tag).or_default().push(place);
        }
    }
    by_tag
}
