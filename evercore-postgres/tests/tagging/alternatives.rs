//! A page of a boundary with many alternatives is no larger than that of one with a single tag.

use std::sync::Arc;

use evercore::boundary::Tag;
use evercore::engine::{Reader as _, StoredEvent, TagAtom, TagPage, TagQuery, TagRequest};
use evercore::{EventStore, Position, event};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

const ROOMS: usize = 20;

/// The first rooms, which nothing asks for.
const OTHERS: usize = 5;

const ROUNDS: usize = 6;

const LIMIT: u32 = 10;

#[event(name = "entered", tags(room))]
struct Entered {
    room: usize,
}

/// A store in which each round has an event of each room, in their order.
async fn rooms(schema: &str) -> (PostgresEngine, PgConnection) {
    let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
    let mut sql = PgConnection::connect(&url).await.expect("a connection");
    execute(&mut sql, format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await;
    let options: PostgresOptions = url.parse().expect("a URL");
    let engine = PostgresEngine::open(options.schema(schema).expect("a name")).await;
    let engine = engine.expect("it opens");
    let store = EventStore::builder().open_shared(Arc::new(engine.clone())).await;
    let store = store.expect("it opens");
    for _ in 0..ROUNDS {
        let events = (0..ROOMS).map(|room| Entered { room });
        store.with_context(async |ctx| ctx.emit_all(events.clone())).await.expect("it lands");
    }
    execute(&mut sql, format!("SET search_path = {schema}")).await;
    (engine, sql)
}

async fn execute(sql: &mut PgConnection, statement: String) {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(sql).await.expect("it runs");
}

fn entered(room: usize) -> TagAtom {
    let stored = StoredEvent { aggregate: "evercore.facts".into(), event: "entered".into() };
    TagAtom { types: vec![stored], tags: vec![Tag::new("room", room).expect("a tag")] }
}

/// Reads all pages of the rooms that are asked for, and checks that each is full except the last.
async fn assert_pages(engine: &PostgresEngine) {
    let query = Arc::new(TagQuery { atoms: (OTHERS..ROOMS).map(entered).collect() });
    let (mut after, mut found) = (Position::START, Vec::new());
    loop {
        let request = TagRequest { after, ..TagRequest::new(Arc::clone(&query), LIMIT) };
        let mut pages = engine.read_tagged(vec![request]).await.expect("it is read");
        let TagPage { events, at_end, .. } = pages.remove(0);
        assert!(at_end || events.len() == LIMIT as usize, "{events:#?}");
        after = events.last().map_or(after, |event| event.position());
        found.extend(events.iter().map(|event| event.tags().iter().collect::<String>()));
        if at_end {
            break;
        }
    }
    let rounds = (0..ROUNDS).flat_map(|_| OTHERS..ROOMS);
    assert_eq!(found, rounds.map(|room| format!("room:{room}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn only_the_events_of_the_page_are_read() {
    let (engine, mut sql) = rooms("alternatives_read").await;
    assert_pages(&engine).await;
    let read = "SELECT r.position
        FROM (
            SELECT
                array_agg(1) AS requests, array_agg(t.type) AS types, array_agg(t.tag) AS numbers,
                array_agg(NULL::text) AS others, array_agg(t.tags) AS tags
            FROM (
                SELECT DISTINCT t.event_type_id AS type, t.tag, e.tags
                FROM event_tags t JOIN events e ON e.position = t.position
            ) AS t
        ) AS a
        CROSS JOIN LATERAL read_tagged(
            NULL, '{0}', '{NULL}', '{11}', a.requests, a.types, NULL, NULL, a.numbers, a.others, a.tags
        ) AS r
        WHERE r.position IS NOT NULL
        ORDER BY r.position";
    let found: Vec<i64> = sqlx::query_scalar(read).fetch_all(&mut sql).await.expect("it is read");
    assert_eq!(found, (1..=11).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_page_is_full_although_other_tags_have_the_same_number() {
    let (engine, mut sql) = rooms("alternatives_numbers").await;
    let (asked, other) = (OTHERS, 0);
    let same = format!(
        "INSERT INTO event_tags (tag, event_type_id, position)
         SELECT a.tag, e.event_type_id, e.position
         FROM events e, (
             SELECT t.tag FROM event_tags t JOIN events f ON f.position = t.position WHERE f.tags = 'room:{asked}' LIMIT 1
         ) AS a
         WHERE e.tags = 'room:{other}'"
    );
    execute(&mut sql, same).await;
    assert_pages(&engine).await;
}
