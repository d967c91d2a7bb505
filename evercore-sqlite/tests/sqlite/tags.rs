//! Tags of events as they are stored, and decisions that rest on events found by them.

use std::path::Path;
use std::sync::Arc;

use chrono::Utc;
use evercore::boundary::{Facts, Tag, Tags};
use evercore::engine::{
    AggregateWrite, Commit, Condition, KeyChange, LogQuery, NewEvent, Precondition, Reader,
    StorageEngine, StoredEvent, TagAtom, TagPage, TagQuery, TagRequest, Transactor,
};
use evercore::format::Payload;
use evercore::{
    Aggregate, Apply, Boundary, Codec, CommitId, Error, EventMeta, EventStore, Position,
    RecordedEvent, event,
};
use evercore_sqlite::{SqliteContext, SqliteEngine};
use futures_util::future::join_all;

use crate::account::{engine, file, store};
use crate::bank::{Bank, BankError};
use crate::raw::{connect, execute, number};

#[event(name = "seat-taken", tags(course, student))]
struct SeatTaken {
    course: String,
    student: String,
}

/// The seats of a course, of which there are seven.
#[derive(Boundary, Default)]
#[boundary(key(course: String), events(SeatTaken))]
struct Seats {
    taken: u32,
}

impl Apply<SeatTaken> for Seats {
    fn apply(&mut self, _: &SeatTaken, _: &EventMeta) {
        self.taken += 1;
    }
}

const SEATS: u32 = 7;

#[derive(Debug)]
enum Refused {
    Full,
    Store(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

fn seat(course: &str, student: &str) -> SeatTaken {
    SeatTaken { course: course.to_owned(), student: student.to_owned() }
}

async fn take(store: &EventStore, course: &str, student: &str) -> Result<(), Refused> {
    store
        .with_context(async |ctx| {
            if ctx.read(Seats::of(course)).await?.taken >= SEATS {
                return Err(Refused::Full);
            }
            Ok(ctx.emit(seat(course, student))?)
        })
        .await
}

async fn taken(store: &EventStore, course: &str) -> u32 {
    let read = store.with_readonly_context(async |ctx| ctx.read(Seats::of(course)).await).await;
    read.expect("it is read").taken
}

fn tag(text: &str) -> Tag {
    let (name, value) = text.split_once(':').expect("a name and a value");
    Tag::new(name, value).expect("a tag")
}

/// Returns a query of one atom for each list of tags.
fn query(types: &[&str], atoms: &[&[&str]]) -> Arc<TagQuery> {
    let types: Vec<_> = types
        .iter()
        .map(|&event| StoredEvent { aggregate: Facts::NAME.into(), event: event.into() })
        .collect();
    let atom = |tags: &&[&str]| TagAtom {
        types: types.clone(),
        tags: tags.iter().map(|text| tag(text)).collect(),
    };
    Arc::new(TagQuery { atoms: atoms.iter().map(atom).collect() })
}

fn of_course(course: &str) -> Arc<TagQuery> {
    query(&["seat-taken"], &[&[&format!("course:{course}")]])
}

/// Returns a commit of events with these types and tags, in an aggregate of their own.
async fn commit(engine: &SqliteEngine, events: &[(&'static str, &[&str])]) -> Commit {
    let id = engine.reserve_ids(1).await.expect("an id").first;
    let (aggregate_type, precondition, key) = (Facts::NAME, Precondition::New, KeyChange::Keep);
    let template = {
        let row = evercore::engine::EventRow::new(
            Position::FIRST,
            id,
            evercore::Sequence::FIRST,
            Facts::NAME.into(),
            "seat-taken".into(),
            Payload::from_encoded(Codec::Json, &b"{}"[..]),
            Utc::now(),
        );
        RecordedEvent::from(row)
    };
    let events = events.iter().map(|(event_type, tags)| NewEvent {
        event_type,
        version: 1,
        payload: template.payload().clone(),
        meta: template.meta().clone(),
        metadata_column: None,
        tags: Tags::new(tags.iter().map(|text| tag(text))).expect("few tags"),
    });
    Commit {
        writes: vec![AggregateWrite { id, aggregate_type, precondition, key }],
        events: events.collect(),
        ..Commit::new(Utc::now())
    }
}

fn condition(query: Arc<TagQuery>, beyond: Position, seen: u64) -> Condition {
    Condition { boundary: "Seats", query, beyond, seen }
}

async fn page(reader: &dyn Reader, request: TagRequest) -> TagPage {
    let mut pages = reader.read_tagged(vec![request]).await.expect("a page");
    assert_eq!(pages.len(), 1);
    pages.remove(0)
}

fn positions(page: &TagPage) -> Vec<i64> {
    page.events.iter().map(|event| event.position().get()).collect()
}

fn at(position: i64) -> Position {
    Position::new(position).expect("a position")
}

/// Adds a row to the index, as if the tag and one of the event had the same number.
async fn collide(path: &Path, text: &str, event: i64) {
    let mut connection = connect(path).await;
    let added = sqlx::query(
        "INSERT INTO event_tags SELECT ?1, event_type_id, position FROM events WHERE position = ?2",
    )
    .bind(tag(text).index())
    .bind(event)
    .execute(&mut connection)
    .await;
    assert_eq!(added.expect("a row").rows_affected(), 1);
}

#[tokio::test]
async fn an_event_has_its_tags_and_a_row_for_each() {
    let (_folder, path) = file();
    let store = store(&path).await;
    take(&store, "algebra", "Ada").await.expect("a free seat");
    crate::account::open_account(&store, &[1, 2]).await.expect("it commits");
    let mut connection = connect(&path).await;
    let columns: Vec<Option<String>> =
        sqlx::query_scalar("SELECT tags FROM events ORDER BY position")
            .fetch_all(&mut connection)
            .await
            .expect("three events");
    assert_eq!(columns, [Some("course:algebra\nstudent:Ada".to_owned()), None, None]);
    let rows: Vec<(i64, i64)> =
        sqlx::query_as("SELECT i.tag, i.position FROM event_tags AS i JOIN events AS e USING (position, event_type_id)")
            .fetch_all(&mut connection)
            .await
            .expect("two rows");
    let mut expected = ["course:algebra", "student:Ada"].map(|text| (tag(text).index(), 1));
    expected.sort_unstable();
    assert_eq!(rows, expected);
    let shown: String = sqlx::query_scalar("SELECT tags FROM event_log WHERE position = 1")
        .fetch_one(&mut connection)
        .await
        .expect("a row");
    assert_eq!(shown, "course:algebra\nstudent:Ada");
    let log = store.read_log(Position::START, 10).await.expect("a page").events;
    let tags: Vec<Vec<_>> = log.iter().map(|event| event.tags().iter().collect()).collect();
    assert_eq!(tags, [vec!["course:algebra", "student:Ada"], vec![], vec![]]);
}

#[tokio::test]
async fn two_stores_on_one_file_never_overfill_a_course() {
    let (_folder, path) = file();
    let stores = [store(&path).await, store(&path).await];
    let clients: Vec<_> = (0..16)
        .map(|client: usize| {
            let store = stores[client % 2].clone();
            tokio::spawn(async move { take(&store, "algebra", &format!("{client}")).await })
        })
        .collect();
    let mut landed = 0;
    for client in clients {
        match client.await.expect("no panic") {
            Ok(()) => landed += 1,
            Err(Refused::Full) => {}
            Err(Refused::Store(error)) => panic!("{error}"),
        }
    }
    assert_eq!(landed, SEATS);
    for store in &stores {
        assert_eq!(taken(store, "algebra").await, SEATS);
    }
}

/// All of them have decided on an empty course, and wait while another program writes, so that they land together.
#[tokio::test]
async fn a_condition_sees_the_earlier_commits_of_its_group() {
    let (_folder, path) = file();
    let engine = engine(&path).await;
    let mut commits = Vec::new();
    for course in ["algebra", "biology", "algebra", "algebra", "biology", "chemistry"] {
        let tags: &[&str] = &[&format!("course:{course}")];
        let mut commit = commit(&engine, &[("seat-taken", tags)]).await;
        commit.conditions = vec![condition(of_course(course), Position::START, 0)];
        commits.push(commit);
    }
    engine
        .commit(commit(&engine, &[("seat-taken", &["course:other"])]).await)
        .await
        .expect("it lands");
    let mut other = connect(&path).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.expect("it begins");
    let release = async {
        sqlx::raw_sql("COMMIT").execute(&mut other).await.expect("it ends");
    };
    let landing = join_all(commits.into_iter().map(|commit| engine.commit(commit)));
    let (landed, ()) = futures_util::join!(landing, release);
    let landed: Vec<_> = landed
        .into_iter()
        .map(|landed| match landed {
            Ok(committed) => committed.position().map(Position::get),
            Err(Error::BoundaryConflict { .. }) => None,
            Err(other) => panic!("{other}"),
        })
        .collect();
    assert_eq!(landed, [Some(2), Some(3), None, None, None, Some(4)]);
}

#[tokio::test]
async fn a_false_row_of_the_index_misleads_neither_reads_nor_checks() {
    let (_folder, path) = file();
    let engine = engine(&path).await;
    let events: [(&str, &[&str]); 3] = [
        ("seat-taken", &["course:algebra"]),
        ("seat-taken", &["course:biology"]),
        ("course-closed", &["course:algebra"]),
    ];
    engine.commit(commit(&engine, &events).await).await.expect("it lands");
    collide(&path, "course:algebra", 2).await;
    // The row of an event with the tag, but under another type.
    execute(
        &path,
        "INSERT INTO event_tags
         SELECT i.tag, e.event_type_id, i.position
         FROM event_tags AS i, events AS e
         WHERE i.position = 3 AND e.position = 1",
    )
    .await;
    let request = TagRequest::new(of_course("algebra"), 1);
    let found = page(&engine, request).await;
    assert_eq!((positions(&found), found.at_end), (vec![1], true));

    let mut stale = commit(&engine, &[("seat-taken", &["course:algebra"])]).await;
    let mut fresh = stale.clone();
    stale.conditions = vec![condition(of_course("algebra"), Position::START, 2)];
    let refused = engine.commit(stale).await;
    assert!(matches!(refused, Err(Error::BoundaryConflict { .. })), "{refused:?}");
    fresh.id = CommitId::generate();
    fresh.conditions = vec![
        condition(of_course("algebra"), Position::START, 1),
        condition(of_course("algebra"), at(1), 0),
    ];
    engine.commit(fresh).await.expect("exactly one event matches");
}

#[tokio::test]
async fn a_row_of_the_index_for_an_event_that_is_gone_is_damage() {
    let (_folder, path) = file();
    let engine = engine(&path).await;
    let tags: &[&str] = &["course:algebra"];
    let two = [("seat-taken", tags), ("seat-taken", tags)];
    engine.commit(commit(&engine, &two).await).await.expect("it lands");
    execute(&path, "DELETE FROM events WHERE position = 1").await;
    let read = engine.read_tagged(vec![TagRequest::new(of_course("algebra"), 10)]).await;
    assert!(matches!(read, Err(Error::Corrupt { what: "event_tags", .. })), "{read:?}");
    let mut deciding = commit(&engine, &[("seat-taken", tags)]).await;
    deciding.conditions = vec![condition(of_course("algebra"), Position::START, 1)];
    let refused = engine.commit(deciding).await;
    assert!(matches!(refused, Err(Error::Corrupt { what: "event_tags", .. })), "{refused:?}");
}

/// Compares pages and verdicts with a plain search through the log, for tags that are rare and frequent.
#[tokio::test]
async fn pages_and_verdicts_are_those_of_a_search_through_the_log() {
    const TYPES: [&str; 3] = ["seat-taken", "seat-freed", "never-written"];
    let seed = std::env::var("EVERCORE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("EVERCORE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (_folder, path) = file();
    let engine = engine(&path).await;
    // `rare` is on each hundredth event, the others on a half, a third and a fifth.
    let all = [("rare:1", 100), ("half:1", 2), ("third:1", 3), ("fifth:1", 5)];
    for _ in 0..30 {
        let mut events = Vec::new();
        for _ in 0..100 {
            let tags: Vec<&str> = all
                .iter()
                .filter(|(_, one_in)| random.u32(..*one_in) == 0)
                .map(|(tag, _)| *tag)
                .collect();
            events.push((TYPES[random.usize(..2)], tags));
        }
        let events: Vec<_> = events.iter().map(|(name, tags)| (*name, &tags[..])).collect();
        engine.commit(commit(&engine, &events).await).await.expect("it lands");
    }
    let log = engine.read_log(LogQuery::new(Position::START, 3_000)).await.expect("a page").events;
    assert_eq!(log.len(), 3_000);
    let mut head = 3_000;
    for _ in 0..60 {
        let atom = |random: &mut fastrand::Rng| {
            let count = random.usize(1..=3);
            random.choose_multiple(all.iter().map(|(tag, _)| *tag), count)
        };
        let atoms: Vec<_> = (0..random.usize(1..=3)).map(|_| atom(&mut random)).collect();
        let atoms: Vec<_> = atoms.iter().map(|tags| &tags[..]).collect();
        let query = query(&random.choose_multiple(TYPES, 2), &atoms);
        let (after, up_to) = (random.i64(0..3_000), random.i64(1..=3_000));
        let expected: Vec<i64> = log
            .iter()
            .filter(|event| (after + 1..=up_to).contains(&event.position().get()))
            .filter(|event| query.matches(event.aggregate_type(), event.event_type(), event.tags()))
            .map(|event| event.position().get())
            .collect();
        let limit = *random.choice(&[1, 7, 500, 2_000]).expect("a limit");
        let up_to = Some(at(up_to));
        let mut request = TagRequest { query: query.clone(), after: at(after), up_to, limit };
        let mut found = Vec::new();
        loop {
            let page = page(&engine, request.clone()).await;
            assert_eq!(page.frontier, at(head));
            assert!(page.at_end || page.events.len() == usize::try_from(limit).expect("small"));
            found.extend(positions(&page));
            match page.events.last() {
                Some(last) if !page.at_end => request.after = last.position(),
                _ => break,
            }
        }
        assert_eq!(found, expected, "{query:?} in pages of {limit}");

        let matching = log.iter().filter(|event| {
            event.position() > at(after)
                && query.matches(event.aggregate_type(), event.event_type(), event.tags())
        });
        let seen = u64::try_from(matching.count()).expect("few");
        for told in [seen.checked_sub(1), Some(seen), Some(seen + 1)].into_iter().flatten() {
            let mut deciding = commit(&engine, &[("untagged", &[])]).await;
            deciding.conditions = vec![condition(query.clone(), at(after), told)];
            let verdict = engine.commit(deciding).await;
            assert_eq!(verdict.is_ok(), told == seen, "{told} instead of {seen}: {verdict:?}");
            head += i64::from(verdict.is_ok());
        }
    }
}

#[tokio::test]
async fn all_pages_of_a_view_are_as_of_its_beginning() {
    let (_folder, path) = file();
    let engine = engine(&path).await;
    let one: [(&str, &[&str]); 1] = [("seat-taken", &["course:algebra", "student:Ada"])];
    engine.commit(commit(&engine, &one).await).await.expect("it lands");
    let view = engine.begin_read().await.expect("a view");
    engine.commit(commit(&engine, &one).await).await.expect("it lands");
    let by_student = query(&["seat-taken"], &[&["student:Ada"]]);
    let requests =
        || vec![TagRequest::new(of_course("algebra"), 10), TagRequest::new(by_student.clone(), 10)];
    for (reader, last) in [(&*view, 1), (&engine as &dyn Reader, 2)] {
        let pages = reader.read_tagged(requests()).await.expect("pages");
        assert_eq!(pages.len(), 2);
        for page in pages {
            let expected: Vec<i64> = (1..=last).collect();
            assert_eq!((positions(&page), page.frontier), (expected, at(last)));
        }
    }
}

#[tokio::test]
async fn a_type_of_another_process_is_found() {
    let (_folder, path) = file();
    let (ours, theirs) = (engine(&path).await, engine(&path).await);
    let empty = page(&ours, TagRequest::new(of_course("algebra"), 10)).await;
    assert_eq!((positions(&empty), empty.frontier, empty.at_end), (vec![], Position::START, true));
    let tags: &[&str] = &["course:algebra"];
    theirs.commit(commit(&theirs, &[("seat-taken", tags)]).await).await.expect("it lands");
    let mut stale = commit(&ours, &[("untagged", &[])]).await;
    stale.conditions = vec![condition(of_course("algebra"), Position::START, 0)];
    let refused = ours.commit(stale).await;
    assert!(matches!(refused, Err(Error::BoundaryConflict { .. })), "{refused:?}");
    let found = page(&ours, TagRequest::new(of_course("algebra"), 10)).await;
    assert_eq!(positions(&found), [1]);
}

#[tokio::test]
async fn a_commit_of_ten_thousand_tagged_events_lands_and_is_found() {
    let (_folder, path) = file();
    let store = store(&path).await;
    store
        .with_context(async |ctx| {
            for number in 0..10_000 {
                ctx.emit(seat("algebra", &format!("student {number}")))?;
            }
            Ok::<_, Error>(())
        })
        .await
        .expect("it lands");
    assert_eq!(taken(&store, "algebra").await, 10_000);
    assert_eq!(number(&path, "SELECT count(*) FROM event_tags").await, 20_000);
    let single = query(&["seat-taken"], &[&["course:algebra", "student:student 7777"]]);
    let found = page(store.engine(), TagRequest::new(single, 10)).await;
    assert_eq!(positions(&found), [7_778]);
    assert!(store.verify().run().await.expect("a report").is_clean());
}

#[tokio::test]
async fn a_transaction_of_user_code_decides_on_a_boundary() {
    for bank in Bank::each().await {
        let take = async |student: &'static str| {
            bank.store
                .with_transaction(async |ctx: &mut SqliteContext| {
                    if ctx.read(Seats::of("algebra")).await?.taken >= 2 {
                        return Err(BankError::Refused);
                    }
                    let row = sqlx::query(
                        "INSERT INTO balances VALUES ((SELECT count(*) FROM balances), 1)",
                    );
                    row.execute(&mut **ctx.transaction()).await?;
                    ctx.emit(seat("algebra", student))?;
                    Ok(())
                })
                .await
        };
        let all = join_all(["Ada", "Bob", "Cleo", "Dora"].map(take)).await;
        assert_eq!(all.iter().filter(|taken| taken.is_ok()).count(), 2, "{all:?}");
        assert_eq!(taken(&bank.store, "algebra").await, 2);
        assert_eq!(bank.rows().await, 2);
    }
}

/// The transaction begins after the read, so that it lands only if the condition is judged in it.
#[tokio::test]
async fn a_transaction_of_user_code_rests_on_what_was_read_before_it_began() {
    let (_folder, path) = file();
    let engine = engine(&path).await;
    let tags: &[&str] = &["course:algebra"];
    for (between, lands) in [(tags, false), (&["course:biology"], true)] {
        let read = page(&engine, TagRequest::new(of_course("algebra"), 10)).await;
        engine.commit(commit(&engine, &[("seat-taken", between)]).await).await.expect("it lands");
        let mut deciding = commit(&engine, &[("seat-taken", tags)]).await;
        deciding.conditions = vec![condition(of_course("algebra"), read.frontier, 0)];
        let transaction = engine.begin(None).await.expect("it begins");
        match engine.finish(transaction, deciding).await {
            Ok(_) => assert!(lands),
            Err(Error::BoundaryConflict { boundary, tags }) => {
                assert!(!lands);
                assert_eq!((&*boundary, &*tags), ("Seats", "course:algebra"));
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(number(&path, "SELECT count(*) FROM events").await, 3);
    assert_eq!(number(&path, "SELECT count(*) FROM event_tags").await, 3);
}
