//! Compares the outcome of each commit with the answers that its client received.

use std::collections::{BTreeSet, HashMap};

use evercore::{CommitId, CommitOutcome};

use super::commits::{Answer, Commits, Sent};
use super::evidence::Entry;
use super::observation::EventBegun;
use super::violation::Violation;

/// The assignment of the log's events to commits.
#[derive(Debug)]
pub(super) struct Landings {
    /// The indices in the log of each commit's events, in the order of the sent commits.
    pub(super) events: Vec<Vec<usize>>,
    /// Whether each commit is stored, in the same order.
    pub(super) landed: Vec<bool>,
    /// The indices in the log of events that no commit of the history wrote.
    pub(super) unclaimed: Vec<usize>,
}

impl Landings {
    pub(super) fn find(
        commits: &Commits<'_>,
        log: &[Entry],
        outcomes: &HashMap<CommitId, CommitOutcome>,
    ) -> Self {
        let mut events = vec![Vec::new(); commits.sent.len()];
        let mut unclaimed = Vec::new();
        for (place, entry) in log.iter().enumerate() {
            match entry.commit.and_then(|commit| commits.index(commit)) {
                Some(index) => events[index].push(place),
                None => unclaimed.push(place),
            }
        }
        let landed = commits.sent.iter().zip(&events).map(|(sent, events)| {
            let outcome = outcomes.get(&sent.begun.commit);
            // For a commit without events, only the store's answer counts.
            !events.is_empty()
                || (sent.begun.events.is_empty()
                    && matches!(outcome, Some(CommitOutcome::Landed(_))))
        });
        let landed = landed.collect();
        Self { events, landed, unclaimed }
    }
}

/// Compares the answers that clients received with the log.
pub(super) fn check(
    commits: &Commits<'_>,
    log: &[Entry],
    outcomes: &HashMap<CommitId, CommitOutcome>,
    landings: &Landings,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for (sent, events) in commits.sent.iter().zip(&landings.events) {
        let events: Vec<&Entry> = events.iter().map(|&place| &log[place]).collect();
        let whole = check_wholeness(sent, &events, &mut found);
        check_outcome(sent, &events, outcomes.get(&sent.begun.commit), &mut found);
        if whole && !events.is_empty() {
            check_content(sent, &events, &mut found);
            check_decision(sent, &events, &mut found);
            check_conditions(sent, &events, log, &mut found);
        }
        check_answers(sent, &events, outcomes.get(&sent.begun.commit), &mut found);
        check_floor(sent, &events, &mut found);
    }
    check_idempotency(commits, landings, &mut found);
    found
}

/// Checks that all events of a commit are in the log, once each. Returns whether they are.
fn check_wholeness(sent: &Sent<'_>, events: &[&Entry], found: &mut Vec<Violation>) -> bool {
    let commit = sent.begun.commit;
    let (present, of) = (events.len(), sent.begun.events.len());
    if present > of {
        found.push(Violation::Doubled { commit, present, of });
    } else if present < of && sent.acknowledged.is_some() {
        found.push(Violation::Lost { commit, present, of });
    } else if present < of && present > 0 {
        found.push(Violation::Torn { commit, present, of });
    }
    if let (Some(reason), [first, ..]) = (sent.refusal(), events) {
        let position = first.place.position;
        found.push(Violation::Refused { commit, reason: reason.clone(), position });
    }
    present == of
}

/// Checks that the outcome reported by the store agrees with the client's answer and with the log.
fn check_outcome(
    sent: &Sent<'_>,
    events: &[&Entry],
    outcome: Option<&CommitOutcome>,
    found: &mut Vec<Violation>,
) {
    let Some(outcome) = outcome else { return };
    let landed = matches!(outcome, CommitOutcome::Landed(_));
    let is_known_to_have = sent.acknowledged.is_some() || !events.is_empty();
    let is_known_not_to_have = events.is_empty() && !sent.begun.events.is_empty();
    if (!landed && is_known_to_have) || (landed && is_known_not_to_have) {
        found.push(Violation::Outcome { commit: sent.begun.commit, landed });
    }
}

/// Checks that each event is the one that was sent.
fn check_content(sent: &Sent<'_>, events: &[&Entry], found: &mut Vec<Violation>) {
    let altered = events.iter().zip(&sent.begun.events).filter(|(entry, event)| {
        entry.event != **event || {
            let is_its = sent.begun.writes.iter().find(|write| write.aggregate == event.aggregate);
            is_its.is_none_or(|write| *write.aggregate_type != *entry.aggregate_type)
        }
    });
    let commit = sent.begun.commit;
    found.extend(altered.map(|(entry, _)| Violation::Altered { commit, event: entry.place }));
}

/// Checks that the written sequences follow the sequence on which the commit was decided.
fn check_decision(sent: &Sent<'_>, events: &[&Entry], found: &mut Vec<Violation>) {
    for write in &sent.begun.writes {
        let Some(decided_on) = write.decided_on.sequence() else { continue };
        let mut own = events.iter().filter(|entry| entry.place.aggregate == write.aggregate);
        if let Some(first) = own.next()
            && first.place.sequence != decided_on.next()
        {
            found.push(Violation::Stale {
                commit: sent.begun.commit,
                aggregate: write.aggregate,
                decided_on,
                written: first.place.sequence,
            });
        }
    }
}

/// Checks that each condition holds in the order of the log: exactly the events that were seen match it before the events
/// of the commit.
fn check_conditions(sent: &Sent<'_>, events: &[&Entry], log: &[Entry], found: &mut Vec<Violation>) {
    let Some(first) = events.first() else { return };
    for condition in &sent.begun.conditions {
        let from = log.partition_point(|entry| entry.place.position <= condition.beyond);
        let to = log.partition_point(|entry| entry.place.position < first.place.position);
        let matching = log.get(from..to).unwrap_or_default().iter().filter(|entry| {
            let EventBegun { event_type, tags, .. } = &entry.event;
            condition.matches(&entry.aggregate_type, event_type, tags)
        });
        let there = matching.count();
        if u64::try_from(there) != Ok(condition.seen) {
            found.push(Violation::StaleBoundary {
                commit: sent.begun.commit,
                boundary: condition.boundary.clone(),
                seen: condition.seen,
                there,
            });
        }
    }
}

/// Checks that the commit has the positions that its client and the store report.
fn check_answers(
    sent: &Sent<'_>,
    events: &[&Entry],
    outcome: Option<&CommitOutcome>,
    found: &mut Vec<Violation>,
) {
    let mut told: BTreeSet<Vec<_>> = sent
        .answers
        .iter()
        .filter_map(|answer| match answer {
            Answer::Landed(positions) => Some(positions.iter().collect()),
            Answer::Refused(_) => None,
        })
        .collect();
    if let Some(CommitOutcome::Landed(committed)) = outcome {
        told.insert(committed.positions.iter().collect());
    }
    let there: Vec<_> = events.iter().map(|entry| entry.place.position).collect();
    let commit = sent.begun.commit;
    let wrong = told.into_iter().filter(|told| *told != there);
    found.extend(wrong.map(|told| Violation::Misplaced { commit, told, found: there.clone() }));
}

/// Checks that the commit comes after everything that was acknowledged before it began.
fn check_floor(sent: &Sent<'_>, events: &[&Entry], found: &mut Vec<Violation>) {
    let commit = sent.begun.commit;
    if let ([first, ..], Some(floor)) = (events, sent.floor)
        && first.place.position <= floor.position
        && floor.commit != commit
    {
        let position = first.place.position;
        let (acknowledged, at) = (floor.commit, floor.position);
        found.push(Violation::Early { commit, position, acknowledged, at });
    }
}

/// Checks that at most one commit is stored for each idempotency key.
fn check_idempotency(commits: &Commits<'_>, landings: &Landings, found: &mut Vec<Violation>) {
    let mut firsts: HashMap<&str, CommitId> = HashMap::new();
    for (sent, landed) in commits.sent.iter().zip(&landings.landed) {
        let (Some(key), true) = (&sent.begun.idempotency_key, landed) else { continue };
        let second = sent.begun.commit;
        if let Some(first) = firsts.insert(key, second) {
            found.push(Violation::IdempotencyKey { key: key.clone(), first, second });
        }
    }
}
