use bytes::Bytes;
use chrono::DateTime;
use evercore::engine::{AggregateWrite, Idempotency, KeyChange, NewSnapshot, Precondition};
use evercore::{AggregateId, CommitId, Fingerprint, IdempotencyKey, NaturalKey, Sequence};

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
    Commit {
        id: CommitId::generate(),
        recorded_at: DateTime::UNIX_EPOCH,
        writes,
        events: Vec::new(),
        snapshots: Vec::new(),
        idempotency: None,
        conditions: Vec::new(),
        completes: Vec::new(),
    }
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
