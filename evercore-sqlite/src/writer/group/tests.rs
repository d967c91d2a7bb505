use std::fs;
use std::path::Path;

use chrono::DateTime;
use evercore::boundary::Tags;
use evercore::engine::{AggregateWrite, EventRow, KeyChange, NewEvent, NewSnapshot, Precondition};
use evercore::format::Payload;
use evercore::{AggregateId, Codec, Fingerprint, Position, RecordedEvent, Sequence};
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::database::Database;
use crate::options::SqliteOptions;
use crate::schema;
use crate::url::Location;

fn commit(events: Vec<NewEvent>, snapshots: Vec<NewSnapshot>) -> Commit {
    Commit { events, snapshots, ..Commit::new(DateTime::UNIX_EPOCH) }
}

/// An event with a payload of so many bytes.
fn event(bytes: usize) -> NewEvent {
    event_of(AggregateId::FIRST, bytes)
}

fn event_of(aggregate_id: AggregateId, bytes: usize) -> NewEvent {
    let payload = Payload::from_encoded(Codec::Json, vec![b' '; bytes]);
    let row = EventRow::new(
        Position::FIRST,
        aggregate_id,
        Sequence::FIRST,
        "account".into(),
        "deposited".into(),
        payload.clone(),
        DateTime::UNIX_EPOCH,
    );
    let meta = RecordedEvent::from(row).meta().clone();
    NewEvent {
        event_type: "deposited",
        version: 1,
        payload,
        meta,
        metadata_column: None,
        tags: Tags::NONE,
    }
}

fn snapshot(bytes: usize) -> NewSnapshot {
    NewSnapshot {
        aggregate_id: AggregateId::FIRST,
        sequence: Sequence::FIRST,
        fingerprint: Fingerprint::new(1),
        state: vec![0; bytes].into(),
    }
}

/// The number of these commits that fill a group.
fn room_for(commit: &Commit) -> usize {
    let mut contents = Contents::default();
    (1..)
        .find(|_| {
            contents.add(commit);
            contents.is_full()
        })
        .expect("there is an end")
}

#[test]
fn the_size_of_a_commit_is_that_of_what_it_holds() {
    assert_eq!(size(&commit(Vec::new(), Vec::new())), 0);
    assert_eq!(size(&commit(vec![event(5)], vec![snapshot(300), snapshot(40)])), 345);
}

#[test]
fn a_group_is_full_at_the_first_limit_reached() {
    assert!(!Contents::default().is_full());
    assert_eq!(room_for(&commit(Vec::new(), Vec::new())), MOST_COMMITS);
    assert_eq!(room_for(&commit(vec![event(0); MOST_EVENTS / 4], Vec::new())), 4);
    assert_eq!(room_for(&commit(vec![event(0); MOST_EVENTS + 1], Vec::new())), 1);
    assert_eq!(room_for(&commit(Vec::new(), vec![snapshot(MOST_BYTES / 8)])), 8);
    assert_eq!(room_for(&commit(vec![event(MOST_BYTES)], Vec::new())), 1);
}

fn writer_on(file: &Path) -> WriterThread {
    let location = Location::File(file.to_owned());
    let database = Arc::new(Database::new(location, SqliteOptions::default()));
    let connection = database.create().expect("it opens");
    schema::migrate(&database, &connection).expect("it migrates");
    WriterThread::new(database, Arc::default(), connection, mpsc::channel(1).1)
}

/// Tries to store the first event of an aggregate.
fn attempt(writer: &mut WriterThread, id: i64) -> Outcome {
    let id = AggregateId::new(id).expect("it is one");
    let write = AggregateWrite {
        id,
        aggregate_type: "account",
        precondition: Precondition::New,
        key: KeyChange::Keep,
    };
    let mut commit = commit(vec![event_of(id, 5)], Vec::new());
    commit.writes.push(write);
    writer.attempt(&[CommitJob { commit, answer: oneshot::channel().0 }])
}

/// The files of a new connection exist once it has written.
#[cfg(unix)]
#[test]
fn after_a_lost_connection_the_files_in_use_are_remembered_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bank.db");
    let mut writer = writer_on(&file);
    writer.give_up_connection();
    assert_eq!(attempt(&mut writer, 1).landed(), 1);
    fs::rename(folder.path().join("bank.db-wal"), folder.path().join("aside"))
        .expect("it is there");
    assert_eq!(attempt(&mut writer, 2).landed(), 0, "it went to a file without a name");
}
