//! Compares the effects of a run with the log.

use std::collections::{BTreeMap, HashMap, HashSet};

use evercore::subscription::ParkedEvent;
use evercore::{AggregateId, Position, Sequence};

use crate::domain::{Course, Entry, MOST_COURSES, Moved, SEATS, Student};
use crate::violation::{MovedBack, Violation};
use crate::worker::{AT_LEAST_ONCE, EXACTLY_ONCE, PARKING};
use crate::writer::{Attempt, Beside, Told};

/// The handlers' effects in the database.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The events of the transactional handler, in the order of writing.
    pub(crate) handled: Vec<Entry>,
    /// The cursors that moved back, recorded by the database.
    pub(crate) moved_back: Vec<MovedBack>,
    /// The attempts whose row was written together with their events.
    pub(crate) beside: Vec<i64>,
}

/// All evidence at the end of a run.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// The log, with the number of the attempt that wrote each event.
    pub(crate) log: Vec<(Entry, i64)>,
    /// The moves of students, in the order of the log.
    pub(crate) moves: Vec<(Entry, Moved)>,
    /// What the store itself finds wrong with its contents.
    pub(crate) damage: Vec<Violation>,
    pub(crate) attempts: Vec<Attempt>,
    /// `None` for the engine in memory.
    pub(crate) written: Option<Written>,
    pub(crate) at_least_once: Vec<Entry>,
    /// The events handled by the parking handler when all others were parked.
    pub(crate) before_redrive: Vec<Entry>,
    /// The events that were parked then.
    pub(crate) parked: Vec<ParkedEvent>,
    /// The events that were still parked at the end.
    pub(crate) left_parked: Vec<ParkedEvent>,
    /// The events handled by the parking handler at the end.
    pub(crate) after_redrive: Vec<Entry>,
    /// A cursor that moved back, as seen by the watch.
    pub(crate) moved_back: Option<MovedBack>,
}

impl Evidence {
    /// Returns all violations.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let log: Vec<Entry> = self.log.iter().map(|(entry, _)| *entry).collect();
        found.extend(self.moved_back.clone().map(Violation::from));
        if let Some(written) = &self.written {
            found.extend(written.moved_back.iter().cloned().map(Violation::from));
            exactly_once(EXACTLY_ONCE, &log, &written.handled, &mut found);
        }
        at_least_once(AT_LEAST_ONCE, &log, &self.at_least_once, &mut found);
        self.parking(&log, &mut found);
        at_least_once(PARKING, &log, &self.after_redrive, &mut found);
        self.stored(&mut found);
        found
    }

    /// Checks what is stored: it is undamaged, agrees with the writers' answers, and each decision has seen all events
    /// before it.
    fn stored(&self, found: &mut Vec<Violation>) {
        found.extend(self.damage.iter().cloned());
        self.told(found);
        self.decided(found);
    }

    /// Returns the violations that can be found while handlers are still running.
    pub(crate) fn violations_so_far(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let log: Vec<Entry> = self.log.iter().map(|(entry, _)| *entry).collect();
        if let Some(written) = &self.written {
            found.extend(written.moved_back.iter().cloned().map(Violation::from));
            taken_in_once(EXACTLY_ONCE, &written.handled, &mut found);
            in_order(EXACTLY_ONCE, &log, &written.handled, &mut found);
        }
        self.stored(&mut found);
        found
    }

    /// Checks that each decision on a course and a student has seen all events before it, and keeps the rules.
    fn decided(&self, found: &mut Vec<Violation>) {
        let mut courses: HashMap<u32, Course> = HashMap::new();
        let mut students: HashMap<u32, Student> = HashMap::new();
        for (entry, moved) in &self.moves {
            let asked = moved.asked;
            let there = (
                courses.entry(asked.course).or_default().events,
                students.entry(asked.student).or_default().events,
            );
            let is_stale = there != (asked.of_course, asked.of_student);
            let course = courses.entry(moved.course).or_default();
            let was_apart = course.take(moved);
            let is_full = course.students.len() > SEATS;
            let student = students.entry(moved.student).or_default();
            let is_possible = student.take(moved) && was_apart;
            let has_many = student.courses.len() > MOST_COURSES;
            let problem = if is_stale {
                format!("{moved:?} was decided on fewer or more events than {there:?}")
            } else if is_full {
                format!("{moved:?} overfills the course")
            } else if has_many {
                format!("{moved:?} gives the student too many courses")
            } else if !is_possible {
                format!("{moved:?} cannot happen there")
            } else {
                continue;
            };
            found.push(Violation::Decided { event: entry.to_string(), problem });
        }
    }

    /// Checks that each bad event is parked with its reason, together with all later events of its aggregate; that no
    /// other event is parked; and that no parked event was handled.
    fn parking(&self, log: &[Entry], found: &mut Vec<Violation>) {
        let mut parked: HashMap<Position, &ParkedEvent> =
            self.parked.iter().map(|parked| (parked.event.position(), parked)).collect();
        let handled: HashSet<Position> =
            self.before_redrive.iter().map(|entry| entry.position).collect();
        let mut behind: HashSet<AggregateId> = HashSet::new();
        for entry in log {
            let is_behind = behind.contains(&entry.aggregate);
            let problem = match (parked.remove(&entry.position), is_behind, entry.is_bad()) {
                (None, false, false) => continue,
                (None, ..) => Some("it is not parked"),
                (Some(_), false, false) => Some("it is parked without need"),
                (Some(kept), ..) if Entry::from(&kept.event) != *entry => {
                    Some("another event is parked instead")
                }
                (Some(_), ..) if handled.contains(&entry.position) => {
                    Some("it is parked, and was handled")
                }
                (Some(kept), true, _) if kept.reason.is_some() || kept.attempts > 0 => {
                    Some("it was tried, behind an event that is parked")
                }
                (Some(kept), false, true) if kept.reason.is_none() || kept.attempts != 1 => {
                    Some("it is not parked for a failure of one attempt")
                }
                (Some(_), ..) => None,
            };
            if entry.is_bad() {
                behind.insert(entry.aggregate);
            }
            found.extend(
                problem.map(|problem| Violation::Parked { event: entry.to_string(), problem }),
            );
        }
        for kept in parked.values() {
            let event = Entry::from(&kept.event).to_string();
            found.push(Violation::Parked { event, problem: "it is parked, and not in the log" });
        }
        for left in &self.left_parked {
            let event = Entry::from(&left.event).to_string();
            found
                .push(Violation::Parked { event, problem: "it was redriven, and is still parked" });
        }
    }

    /// Checks that the writers' answers agree with the log.
    fn told(&self, found: &mut Vec<Violation>) {
        let mut landed: HashMap<i64, usize> = HashMap::new();
        for (_, attempt) in &self.log {
            *landed.entry(*attempt).or_default() += 1;
        }
        let mut beside: HashMap<i64, usize> = HashMap::new();
        for attempt in self.written.iter().flat_map(|written| &written.beside) {
            *beside.entry(*attempt).or_default() += 1;
        }
        for &Attempt { number, events, told, beside: has_row } in &self.attempts {
            let there = landed.remove(&number).unwrap_or_default();
            let is_right = match told {
                Told::Landed => there == events,
                Told::RolledBack | Told::Refused => there == 0,
                Told::Unknown => there == 0 || there == events,
            };
            if !is_right {
                let problem = format!(
                    "{there} of {events} events of attempt {number} are stored, and the writer was told {told:?}"
                );
                found.push(Violation::Told { problem });
            }
            let rows = beside.remove(&number).unwrap_or_default();
            let wanted = usize::from(has_row == Beside::Row && there > 0);
            if rows != wanted {
                let problem =
                    format!("{rows} rows are stored beside the {there} events of attempt {number}");
                found.push(Violation::Told { problem });
            }
        }
        for number in landed.into_keys().chain(beside.into_keys()) {
            found.push(Violation::Told { problem: format!("no writer made attempt {number}") });
        }
    }
}

/// Checks that each event of the log was handled once, in order within each aggregate.
fn exactly_once(
    subscription: &'static str,
    log: &[Entry],
    handled: &[Entry],
    found: &mut Vec<Violation>,
) {
    taken_in_once(subscription, handled, found);
    at_least_once(subscription, log, handled, found);
}

/// Checks that each event of the log was handled, in order within each aggregate, except for repetitions.
fn at_least_once(
    subscription: &'static str,
    log: &[Entry],
    handled: &[Entry],
    found: &mut Vec<Violation>,
) {
    in_order(subscription, log, handled, found);
    let seen: HashSet<&Entry> = handled.iter().collect();
    let missed = log.iter().filter(|entry| !seen.contains(entry));
    found.extend(missed.map(|entry| Violation::Missed { subscription, event: entry.to_string() }));
}

/// Checks that no event took effect twice.
fn taken_in_once(subscription: &'static str, handled: &[Entry], found: &mut Vec<Violation>) {
    let mut times: HashMap<Entry, usize> = HashMap::new();
    for entry in handled {
        *times.entry(*entry).or_default() += 1;
    }
    for (event, times) in times.iter().filter(|&(_, &times)| times > 1).collect::<BTreeMap<_, _>>()
    {
        found.push(Violation::Doubled { subscription, event: event.to_string(), times: *times });
    }
}

/// Checks that all handled events are in the log, in order within each aggregate, except for repetitions.
fn in_order(
    subscription: &'static str,
    log: &[Entry],
    handled: &[Entry],
    found: &mut Vec<Violation>,
) {
    let logged: HashSet<&Entry> = log.iter().collect();
    let mut last: HashMap<AggregateId, Sequence> = HashMap::new();
    for entry in handled {
        if !logged.contains(entry) {
            found.push(Violation::NotInLog { subscription, event: entry.to_string() });
        }
        let last = last.entry(entry.aggregate).or_default();
        if entry.sequence > last.next() {
            let (event, after) = (entry.to_string(), last.get());
            found.push(Violation::OutOfOrder { subscription, event, after });
        }
        *last = entry.sequence.max(*last);
    }
}

#[cfg(test)]
mod tests;
