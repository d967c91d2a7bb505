use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use evercore::boundary::{Tag, Tags};
use evercore::engine::{
    AggregateWrite, Condition, EventRow, Idempotency, KeyChange, NewEvent, NewSnapshot,
    Precondition, StoredEvent, TagAtom, TagQuery,
};
use evercore::format::Payload;
use evercore::{
    AggregateId, Codec, Fingerprint, IdempotencyKey, NaturalKey, Position, RecordedEvent, Sequence,
};

use super::*;

type Answers = Vec<oneshot::Receiver<Result<Committed>>>;

fn key(text: &str) -> NaturalKey {
    NaturalKey::new(text).expect("short")
}

fn write(id: i64, precondition: Precondition, key: KeyChange) -> AggregateWrite {
    let id = AggregateId::new(id).expect("positive");
    AggregateWrite { id, aggregate_type: "account", precondition, key }
}

/// A write to an aggregate that has a key.
fn holder(id: i64, held: &str, change: KeyChange) -> AggregateWrite {
    write(id, Precondition::Unchanged { sequence: Sequence::FIRST, key: Some(key(held)) }, change)
}

fn plain(id: i64) -> AggregateWrite {
    write(id, Precondition::Exists, KeyChange::Keep)
}

fn commit(writes: Vec<AggregateWrite>) -> Commit {
    Commit { writes, ..Commit::new(DateTime::UNIX_EPOCH) }
}

/// A request with a snapshot of so many bytes.
fn heavy(id: i64, bytes: usize) -> Commit {
    let snapshot = NewSnapshot {
        aggregate_id: AggregateId::new(id).expect("positive"),
        sequence: Sequence::FIRST,
        fingerprint: Fingerprint::new(1),
        state: Bytes::from(vec![0; bytes]),
    };
    Commit { snapshots: vec![snapshot], ..commit(vec![plain(id)]) }
}

fn once(id: i64, key: &str) -> Commit {
    let key = IdempotencyKey::new(key).expect("short");
    let idempotency = Some(Idempotency { key, command: "deposit".into(), result: "".into() });
    Commit { idempotency, ..commit(vec![plain(id)]) }
}

fn tag(text: &str) -> Tag {
    let (name, value) = text.split_once(':').expect("a name and a value");
    Tag::new(name, value).expect("a tag")
}

/// An event of an account, of this type and with these tags.
fn tagged(id: i64, event_type: &'static str, tags: &[&str]) -> NewEvent {
    let id = AggregateId::new(id).expect("positive");
    let payload = Payload::from_encoded(Codec::Json, "null");
    let row = EventRow::new(
        Position::START,
        id,
        Sequence::FIRST,
        "account".into(),
        event_type.into(),
        payload.clone(),
        DateTime::<Utc>::UNIX_EPOCH,
    );
    NewEvent {
        event_type,
        version: 1,
        payload,
        meta: RecordedEvent::from(row).meta().clone(),
        metadata_column: None,
        tags: Tags::new(tags.iter().map(|text| tag(text))).expect("few"),
    }
}

/// A commit of an event with these tags.
fn writes(id: i64, event_type: &'static str, tags: &[&str]) -> Commit {
    Commit { events: vec![tagged(id, event_type, tags)], ..commit(vec![plain(id)]) }
}

/// A commit that rests on what it has read of the events of this type with these tags, any of several lists of them.
fn rests(id: i64, event_type: &str, any: &[&[&str]]) -> Commit {
    let types = vec![StoredEvent { aggregate: "account".into(), event: event_type.into() }];
    let atom = |tags: &&[&str]| TagAtom {
        types: types.clone(),
        tags: tags.iter().map(|text| tag(text)).collect(),
    };
    let query = Arc::new(TagQuery { atoms: any.iter().map(atom).collect() });
    let condition = Condition { boundary: "Seats", query, beyond: Position::START, seen: 0 };
    Commit { conditions: vec![condition], ..commit(vec![plain(id)]) }
}

fn queue(commits: Vec<Commit>) -> (VecDeque<Request>, Answers) {
    commits
        .into_iter()
        .map(|commit| {
            let (answer, awaited) = oneshot::channel();
            (Request::new(commit, answer), awaited)
        })
        .unzip()
}

/// Returns the groups of the commits, as the ids of their first aggregates.
fn groups(commits: Vec<Commit>) -> Vec<Vec<i64>> {
    let (mut waiting, _answers) = queue(commits);
    let mut groups = Vec::new();
    while !waiting.is_empty() {
        let group = next_group(&mut waiting);
        assert!(!group.is_empty(), "it goes on");
        groups.push(group.iter().map(|request| request.commit.writes[0].id.get()).collect());
    }
    groups
}

#[test]
fn commits_of_an_aggregate_follow_each_other() {
    let two = |first, second| commit(vec![plain(first), plain(second)]);
    let commits = vec![two(1, 2), two(2, 3), two(4, 5), two(6, 1), two(2, 9)];
    assert_eq!(groups(commits), [vec![1, 4], vec![2, 6], vec![2]]);
}

#[test]
fn commits_that_name_a_key_follow_each_other() {
    let set = |text| KeyChange::Set(key(text));
    let new = |id, text| commit(vec![write(id, Precondition::New, set(text))]);
    assert_eq!(groups(vec![new(1, "a"), new(2, "a"), new(3, "b")]), [vec![1, 3], vec![2]]);

    // A commit also names a key that it gives up, but not one that it keeps.
    let gives_up = commit(vec![holder(1, "a", KeyChange::Clear)]);
    assert_eq!(groups(vec![gives_up, new(2, "a")]), [[1], [2]]);
    let changes = commit(vec![holder(1, "a", set("b"))]);
    assert_eq!(groups(vec![changes, new(2, "a"), new(3, "b")]), [vec![1], vec![2, 3]]);
    let keeps = commit(vec![holder(1, "a", KeyChange::Keep)]);
    assert_eq!(groups(vec![keeps, new(2, "a")]), [[1, 2]]);
}

#[test]
fn types_have_keys_of_their_own() {
    let new = |id, aggregate_type| {
        let creation = write(id, Precondition::New, KeyChange::Set(key("a")));
        commit(vec![AggregateWrite { aggregate_type, ..creation }])
    };
    assert_eq!(groups(vec![new(1, "account"), new(2, "customer")]), [[1, 2]]);
}

#[test]
fn commits_of_an_idempotency_key_follow_each_other() {
    assert_eq!(groups(vec![once(1, "k"), once(2, "k"), once(3, "l")]), [vec![1, 3], vec![2]]);
}

/// All conditions of a group are judged before its events are stored.
#[test]
fn a_commit_that_rests_on_an_earlier_event_waits_for_the_next_group() {
    let event = |id| writes(id, "seated", &["course:1", "student:1"]);
    for any in [&[&["course:1"][..]][..], &[&["student:1"]], &[&["course:9"], &["student:1"]]] {
        let commits = vec![event(1), rests(2, "seated", any), rests(3, "seated", &[&["course:2"]])];
        assert_eq!(groups(commits), [vec![1, 3], vec![2]], "{any:?}");
    }
    let all_of_both = rests(2, "seated", &[&["course:1", "student:1"]]);
    assert_eq!(groups(vec![event(1), all_of_both]), [[1], [2]]);
}

#[test]
fn a_commit_that_rests_on_other_events_shares_a_group_with_them() {
    let event = |id| writes(id, "seated", &["course:1", "student:1"]);
    for other in [rests(2, "seated", &[&["course:2"]]), rests(2, "left", &[&["course:1"]])] {
        assert_eq!(groups(vec![event(1), other]), [[1, 2]]);
    }
    assert_eq!(groups(vec![event(1), event(2)]), [[1, 2]], "events rest on nothing");
    let untagged = Commit { events: vec![tagged(1, "seated", &[])], ..commit(vec![plain(1)]) };
    assert_eq!(groups(vec![untagged, rests(2, "seated", &[&["course:1"]])]), [[1, 2]]);
}

/// The commit with the condition comes first in the log.
#[test]
fn an_event_shares_a_group_with_an_earlier_condition_that_it_matches() {
    let event = |id| writes(id, "seated", &["course:1"]);
    let decision =
        |id| Commit { events: event(id).events, ..rests(id, "seated", &[&["course:1"]]) };
    assert_eq!(groups(vec![rests(1, "seated", &[&["course:1"]]), event(2)]), [[1, 2]]);
    assert_eq!(
        groups(vec![rests(1, "seated", &[&["course:1"]]), rests(2, "seated", &[&["course:1"]])]),
        [[1, 2]]
    );
    assert_eq!(groups(vec![decision(1), decision(2), event(3)]), [vec![1, 3], vec![2]]);
}

#[test]
fn a_group_holds_up_to_the_limit_of_locks_or_one_commit_with_more() {
    // Each has twenty locks on tags.
    let twenty = |id: i64| {
        let tags: Vec<_> = (0..20).map(|number| format!("course:{id}-{number}")).collect();
        writes(id, "seated", &tags.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let sizes: Vec<_> = groups((1..=30).map(twenty).collect()).iter().map(Vec::len).collect();
    assert_eq!(sizes, [MOST_LOCKS / 20, 30 - MOST_LOCKS / 20]);
    let condition = |id: i64| rests(id, "seated", &[&[format!("course:{id}").as_str()]]);
    let mut commits: Vec<_> = (1..=25).map(twenty).collect();
    commits.extend([condition(26), commit(vec![plain(27)])]);
    let found = groups(commits);
    assert_eq!(found[0].len(), 26, "a commit without locks has room");
    assert_eq!(found[1], [26]);

    let events =
        (0..MOST_LOCKS + 1).map(|number| tagged(1, "seated", &[&format!("course:{number}")]));
    let many = Commit { events: events.collect(), ..commit(vec![plain(1)]) };
    assert_eq!(groups(vec![many, twenty(2), twenty(3)]), [vec![1], vec![2, 3]]);
}

#[test]
fn a_group_holds_up_to_the_byte_limit_or_one_larger_commit() {
    let half = GROUP_BYTES / 2;
    let exact = vec![heavy(1, half), heavy(2, GROUP_BYTES - half), heavy(3, 1)];
    assert_eq!(groups(exact), [vec![1, 2], vec![3]]);
    assert_eq!(groups(vec![heavy(1, GROUP_BYTES + 1), heavy(2, 0)]), [[1], [2]]);
    assert_eq!(
        groups(vec![heavy(1, 1), heavy(2, GROUP_BYTES), heavy(3, 1)]),
        [vec![1, 3], vec![2]]
    );
}

#[test]
fn a_group_holds_up_to_the_commit_limit() {
    let commits: Vec<_> = (1..=300).map(|id| commit(vec![plain(id)])).collect();
    let sizes: Vec<_> = groups(commits).iter().map(Vec::len).collect();
    assert_eq!(sizes, [GROUP, 300 - GROUP]);
}

#[test]
fn requests_without_a_waiting_caller_are_left_out() {
    let (mut waiting, mut answers) = queue(vec![commit(vec![plain(1)]), commit(vec![plain(1)])]);
    drop(answers.remove(0));
    let group = next_group(&mut waiting);
    assert!(waiting.is_empty());
    assert_eq!(group.len(), 1);
    let sending = Sending { began: Instant::now(), observer: ObserverSlot::new() };
    group.into_iter().for_each(|request| request.answer(Err(evercore::Error::Closed), &sending));
    assert!(matches!(answers[0].try_recv(), Ok(Err(evercore::Error::Closed))));
}
