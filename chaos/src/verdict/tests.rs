//! Checks the verdict on a sound run, and on the same run with one fault.

use std::sync::Arc;

use chrono::DateTime;
use evercore::RecordedEvent;
use evercore::engine::EventRow;
use evercore::format::Payload;

use super::*;
use crate::domain::Asked;

/// A fault in a run.
type Fault = fn(&mut Evidence);

/// A sound run. The third event of ledger 1 is bad; ledger 2 has no bad event. Each event has an attempt, the last one
/// with a row.
fn sound() -> Evidence {
    let numbers = [(1, 1, 1), (2, 2, 1), (4, 1, 2), (5, 1, 3), (6, 2, 2), (9, 1, 4)];
    let log: Vec<Entry> =
        numbers.map(|(position, aggregate, sequence)| entry(position, aggregate, sequence)).into();
    let attempt = |number| Attempt {
        number,
        events: 1,
        told: Told::Landed,
        beside: if number == 6 { Beside::Row } else { Beside::Nothing },
    };
    let written = Written { handled: log.clone(), moved_back: Vec::new(), beside: vec![6] };
    let mut again = log.clone();
    again.extend(&log[2..]);
    Evidence {
        log: log.iter().copied().zip(1..).collect(),
        moves: moves(&log),
        damage: Vec::new(),
        attempts: (1..=6).map(attempt).collect(),
        written: Some(written),
        at_least_once: again,
        before_redrive: vec![log[0], log[1], log[2], log[4]],
        parked: vec![parked(log[3], Some("bad"), 1), parked(log[5], None, 0)],
        left_parked: Vec::new(),
        after_redrive: vec![log[0], log[1], log[2], log[4], log[3], log[5]],
        moved_back: None,
    }
}

/// Two students enter a course, and the first leaves it.
fn moves(log: &[Entry]) -> Vec<(Entry, Moved)> {
    let moved = |student, enters, of_course, of_student| {
        let asked = Asked { course: 1, of_course, student, of_student };
        Moved { attempt: 1, course: 1, student, enters, asked }
    };
    let moves = [moved(1, true, 0, 0), moved(2, true, 1, 0), moved(1, false, 2, 1)];
    log.iter().copied().zip(moves).collect()
}

fn entry(position: i64, aggregate: i64, sequence: i64) -> Entry {
    Entry::new(position, aggregate, sequence).expect("the numbers are right")
}

fn parked(entry: Entry, reason: Option<&str>, attempts: u32) -> ParkedEvent {
    let event = RecordedEvent::from(EventRow::new(
        entry.position,
        entry.aggregate,
        entry.sequence,
        Arc::from("Ledger"),
        Arc::from("Entered"),
        Payload::from_encoded(evercore::Codec::Json, "{}"),
        DateTime::UNIX_EPOCH,
    ));
    let reason = reason.map(str::to_owned);
    let mut shown = ParkedEvent::new(event, DateTime::UNIX_EPOCH);
    shown.reason = reason;
    shown.attempts = attempts;
    shown
}

fn handled(evidence: &mut Evidence) -> &mut Vec<Entry> {
    &mut evidence.written.as_mut().expect("it has been written").handled
}

/// Returns the violations that are found after a sound run was changed.
fn found(fault: impl FnOnce(&mut Evidence)) -> Vec<String> {
    let mut evidence = sound();
    fault(&mut evidence);
    evidence.violations().iter().map(Violation::to_string).collect()
}

#[test]
fn a_run_in_which_all_is_right_is_found_so() {
    assert_eq!(found(|_| {}), <[&str; 0]>::default());
}

#[test]
fn an_event_that_was_not_handled_is_missed() {
    let exactly =
        "`exactly-once` was never given the event at position 9 (aggregate 1, sequence 4)";
    assert_eq!(found(|run| handled(run).truncate(5)), [exactly]);
    let at_least =
        "`at-least-once` was never given the event at position 2 (aggregate 2, sequence 1)";
    let lost = found(|run| run.at_least_once.retain(|entry| entry.position.get() != 2));
    assert_eq!(lost.last().map(String::as_str), Some(at_least));
}

#[test]
fn an_effect_that_came_twice_is_found_in_the_transactional_handler_alone() {
    let twice =
        "in `exactly-once`, the event at position 4 (aggregate 1, sequence 2) took effect 2 times";
    assert_eq!(found(|run| handled(run).push(entry(4, 1, 2))), [twice]);
    assert_eq!(found(|run| run.at_least_once.push(entry(4, 1, 2))).len(), 0);
}

#[test]
fn an_event_before_an_earlier_one_of_its_aggregate_is_out_of_order() {
    let swapped = found(|run| handled(run).swap(2, 3));
    let out = "`exactly-once` was given the event at position 5 (aggregate 1, sequence 3) next after sequence 1";
    assert_eq!(swapped, [out]);
    assert_eq!(
        found(|run| handled(run).swap(3, 4)).len(),
        0,
        "of other aggregates, any order will do"
    );
}

#[test]
fn an_event_that_is_not_in_the_log_is_found() {
    let foreign = "`exactly-once` was given the event at position 7 (aggregate 2, sequence 2), which is not in the log";
    assert_eq!(found(|run| handled(run).push(entry(7, 2, 2))), [foreign]);
}

#[test]
fn a_cursor_that_went_back_is_found_by_each_observer() {
    let moved = MovedBack { subscription: "parking".to_owned(), partition: 2, was: 9, became: 4 };
    let back = "partition 2 of `parking` went back from 9 to 4";
    assert_eq!(found(|run| run.moved_back = Some(moved.clone())), [back]);
    let by_database = found(|run| {
        let written = run.written.as_mut().expect("it has been written");
        written.moved_back.push(moved.clone());
    });
    assert_eq!(by_database, [back]);
}

#[test]
fn the_bad_event_and_later_events_of_its_aggregate_are_parked() {
    let faults: [(&str, Fault); 8] = [
        ("it is not parked", |run| run.parked.truncate(1)),
        ("it is not parked", |run| run.parked.retain(|parked| parked.reason.is_none())),
        ("it is parked without need", |run| run.parked.push(parked(entry(6, 2, 2), None, 0))),
        ("it is parked, and was handled", |run| run.before_redrive.push(entry(9, 1, 4))),
        ("it was tried, behind an event that is parked", |run| {
            run.parked[1].reason = run.parked[0].reason.clone();
        }),
        ("it is not parked for a failure of one attempt", |run| run.parked[0].attempts = 2),
        ("another event is parked instead", |run| {
            run.parked[0] = parked(entry(5, 2, 3), Some("bad"), 1);
        }),
        ("it was redriven, and is still parked", |run| {
            run.left_parked = vec![run.parked[0].clone()]
        }),
    ];
    for (problem, fault) in faults {
        let found = found(fault);
        assert!(matches!(&found[..], [only] if only.ends_with(problem)), "{problem}: {found:?}");
    }
}

#[test]
fn the_log_holds_what_writers_were_told() {
    let told = |told| move |run: &mut Evidence| run.attempts[1].told = told;
    let landed = "1 of 1 events of attempt 2 are stored, and the writer was told RolledBack";
    assert_eq!(found(told(Told::RolledBack)), [landed]);
    assert_eq!(found(told(Told::Unknown)).len(), 0);
    assert_eq!(
        found(|run| run.attempts[1].events = 2),
        ["1 of 2 events of attempt 2 are stored, and the writer was told Landed"]
    );
    assert_eq!(
        found(|run| run.attempts.retain(|attempt| attempt.number != 2)),
        ["no writer made attempt 2"]
    );
    let without_row =
        found(|run| run.written.as_mut().expect("it has been written").beside.clear());
    assert_eq!(without_row, ["0 rows are stored beside the 1 events of attempt 6"]);
}

#[test]
fn a_decision_has_seen_all_events_before_it() {
    let faults: [(&str, Fault); 4] = [
        ("was decided on fewer or more events than (2, 1)", |run| {
            run.moves[2].1.asked.of_course = 1;
        }),
        ("was decided on fewer or more events than (2, 1)", |run| {
            run.moves[2].1.asked.of_student = 2;
        }),
        ("cannot happen there", |run| run.moves[2].1.enters = true),
        ("cannot happen there", |run| run.moves[1].1.enters = false),
    ];
    for (problem, fault) in faults {
        let found = found(fault);
        assert!(matches!(&found[..], [only] if only.ends_with(problem)), "{problem}: {found:?}");
    }
}

#[test]
fn a_decision_keeps_the_rules() {
    let crowd = |places: &[(u32, u32)]| {
        let mut courses: HashMap<u32, usize> = HashMap::new();
        let mut students: HashMap<u32, usize> = HashMap::new();
        let moves = places.iter().map(|&(course, student)| {
            let of_course = courses.entry(course).or_default();
            let of_student = students.entry(student).or_default();
            let asked = Asked { course, of_course: *of_course, student, of_student: *of_student };
            *of_course += 1;
            *of_student += 1;
            (entry(1, 1, 1), Moved { attempt: 1, course, student, enters: true, asked })
        });
        let moves: Vec<_> = moves.collect();
        found(|run| run.moves = moves)
    };
    assert_eq!(crowd(&[(1, 1), (1, 2), (1, 3), (2, 1)]).len(), 0);
    let full = crowd(&[(1, 1), (1, 2), (1, 3), (1, 4)]);
    assert!(matches!(&full[..], [only] if only.ends_with("overfills the course")), "{full:?}");
    let many = crowd(&[(1, 1), (2, 1), (3, 1)]);
    assert!(matches!(&many[..], [only] if only.ends_with("too many courses")), "{many:?}");
}

#[test]
fn what_the_store_finds_wrong_is_a_violation() {
    let problem = "the index lacks a row".to_owned();
    let damaged = found(|run| run.damage = vec![Violation::Damaged { problem: problem.clone() }]);
    assert_eq!(damaged, [problem]);
}
