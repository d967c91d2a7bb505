//! Target for the rows of a SQLite file written by another program: anything that the tables accept.

use std::cell::RefCell;

use evercore::{AggregateId, Error, EventStore, Position};
use rusqlite::{Connection, ToSql, params};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::domain::{Account, Moved, Noted, Opened};
use crate::fields::{Fields, Seed};
use crate::payloads;

const PAGE: u32 = 100;

/// The number of events in the file.
const EVENTS: i64 = 3;

/// The statements that overwrite each row.
const INSERT_EVENT: &str = "INSERT OR REPLACE INTO events
    (position, aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at, reference,
     correlation_id, causation_id, metadata, tags)
    VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, CAST(?9 AS TEXT), CAST(?10 AS TEXT), CAST(?11 AS TEXT),
            CAST(?12 AS TEXT), CAST(?13 AS TEXT))";
const UPDATE_AGGREGATE: &str =
    "UPDATE aggregates SET aggregate_type_id = ?1, natural_key = CAST(?2 AS TEXT) WHERE id = 1";
const UPDATE_SNAPSHOT: &str =
    "UPDATE snapshots SET sequence = ?1, state = ?2 WHERE aggregate_id = 1";
const UPDATE_SUBSCRIPTION: &str =
    "UPDATE subscriptions SET filter = CAST(?1 AS TEXT), partitions = ?2 WHERE name = 'all'";
const UPDATE_PARTITION: &str = "UPDATE subscription_partitions
    SET cursor = ?1, token = ?2, owner = CAST(?3 AS TEXT), leased_until = CASE WHEN ?3 IS NULL THEN NULL ELSE ?4 END,
        failure = CAST(?5 AS TEXT)
    WHERE subscription = 'all'";

/// A store with an account that has a key, a snapshot and three events, and a second connection to change its rows.
struct World {
    runtime: Runtime,
    store: EventStore,
    other: Connection,
    _folder: TempDir,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Any row can either be read or causes an error that is not retryable.
pub(crate) fn run(bytes: &[u8]) {
    WORLD.with_borrow_mut(|world| {
        let world = world.get_or_insert_with(World::new);
        // Rows that the tables themselves refuse cannot be read.
        if world.damage(bytes).is_ok() {
            world.runtime.block_on(read(&world.store));
        }
    });
}

async fn read(store: &EventStore) {
    let id = AggregateId::FIRST;
    if let Some(page) = read_or_refused(store.read_log(Position::START, PAGE).await) {
        assert!(page.events.len() <= 100);
        for event in &page.events {
            payloads::check::<Opened>(event.payload());
            payloads::check::<Noted>(event.payload());
            payloads::check::<Moved>(event.payload());
            read_or_refused(event.to_json(store.registry()));
            read_or_refused(event.decode::<Opened>());
        }
    }
    if let Some(page) = read_or_refused(store.history(id, ..).await) {
        assert!(page.events.iter().all(|event| event.aggregate_id() == id));
    }
    let state = store.with_readonly_context(async |ctx| ctx.load::<Account>(id).await).await;
    if let Some(state) = read_or_refused(state) {
        assert_eq!(state.id(), id);
    }
    read_or_refused(store.subscriptions().list().await);
    read_or_refused(store.subscriptions().parked("all", Position::START, PAGE).await);
}

fn read_or_refused<T>(answer: Result<T, Error>) -> Option<T> {
    answer
        .inspect_err(|error| {
            assert!(!error.is_retryable(), "what is damaged stays so: {error:?}");
            assert!(!matches!(error, Error::OutcomeUnknown { .. }), "{error:?}");
        })
        .ok()
}

impl World {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log.db");
        let url = format!("sqlite://{}?synchronous=normal&readers=1", file.display());
        let store = runtime.block_on(open(&url)).expect("it opens");
        let other = Connection::open(&file).expect("it opens");
        other
            .execute_batch(
                "PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;
                 INSERT INTO subscriptions (name, filter, partitions) VALUES ('all', '{}', 1);
                 INSERT INTO subscription_partitions (subscription, number, cursor) VALUES ('all', 0, 0);
                 INSERT INTO parked_events (subscription, position, lane, reason, parked_at)
                 VALUES ('all', 1, 1, 'why', 0)",
            )
            .expect("they are new");
        Self { runtime, store, other, _folder: folder }
    }

    /// Overwrites the rows with values from the bytes.
    fn damage(&mut self, bytes: &[u8]) -> rusqlite::Result<()> {
        let mut fields = Fields::new(bytes);
        let transaction = self.other.transaction()?;
        let run = |sql, values: &[&dyn ToSql]| transaction.prepare_cached(sql)?.execute(values);
        run(UPDATE_AGGREGATE, params![fields.number(), fields.optional()])?;
        run(UPDATE_SNAPSHOT, params![fields.number(), fields.bytes()])?;
        run(UPDATE_SUBSCRIPTION, params![fields.bytes(), fields.number()])?;
        let (cursor, token, owner) = (fields.number(), fields.number(), fields.optional());
        run(UPDATE_PARTITION, params![cursor, token, owner, fields.number(), fields.optional()])?;
        run("DELETE FROM events", &[])?;
        for _ in 0..EVENTS {
            let (position, sequence, kind) = (fields.number(), fields.number(), fields.number());
            let (version, codec, payload) = (fields.number(), fields.number(), fields.bytes());
            let (event_time, recorded_at) = (fields.number(), fields.number());
            let (reference, correlation) = (fields.optional(), fields.optional());
            let (causation, metadata) = (fields.optional(), fields.optional());
            let tags = fields.optional();
            run(
                INSERT_EVENT,
                params![
                    position,
                    sequence,
                    kind,
                    version,
                    codec,
                    payload,
                    event_time,
                    recorded_at,
                    reference,
                    correlation,
                    causation,
                    metadata,
                    tags
                ],
            )?;
        }
        transaction.commit()
    }
}

/// Opens a store with one account, so that there are types, an aggregate and a snapshot.
async fn open(url: &str) -> evercore::Result<EventStore> {
    let store = EventStore::connect(url).await?;
    store
        .with_context(async |ctx| {
            let mut account = ctx.create_with_key::<Account>("ada").await?;
            ctx.apply(&mut account, Opened { owner: "Ada".to_owned(), limit: None })?;
            ctx.apply(&mut account, Noted::filled())?;
            ctx.apply(&mut account, Moved::filled())
        })
        .await?;
    Ok(store)
}

/// Returns the original rows, and variants with one fault each.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let whole = Rows::default();
    vec![
        whole.seed(),
        Rows { key: &[0xFF], ..whole }.seed(),
        Rows { snapshot: (9, b"{}"), ..whole }.seed(),
        Rows { snapshot: (1, b"{\"owner\":"), ..whole }.seed(),
        Rows { filter: b"{\"aggregates\":{\"account\":[\"moved\"]},\"key\":\"ada\"}", ..whole }
            .seed(),
        Rows { filter: b"{\"colour\":1}", ..whole }.seed(),
        Rows { owner: b"worker", ..whole }.seed(),
        Rows { first_sequence: 2, ..whole }.seed(),
        Rows { first_sequence: i64::MAX - 1, ..whole }.seed(),
        Rows { codec: 5, ..whole }.seed(),
        Rows { codec: i64::from(i16::MIN), ..whole }.seed(),
        Rows { time: i64::MAX, ..whole }.seed(),
        Rows { metadata: b"{\"fields\":{\"tenant\":\"nl\"}}", ..whole }.seed(),
        Rows { metadata: b"[]", ..whole }.seed(),
        Rows { tags: b"course:42\nstudent:7", ..whole }.seed(),
        Rows { tags: b"course", ..whole }.seed(),
    ]
}

/// The values of the rows.
#[derive(Clone, Copy)]
struct Rows<'a> {
    key: &'a [u8],
    snapshot: (i64, &'a [u8]),
    filter: &'a [u8],
    owner: &'a [u8],
    first_sequence: i64,
    codec: i64,
    time: i64,
    metadata: &'a [u8],
    tags: &'a [u8],
}

impl Default for Rows<'_> {
    fn default() -> Self {
        Self {
            key: b"ada",
            snapshot: (2, b"{\"owner\":\"Ada\",\"limit\":null,\"moves\":1}"),
            filter: b"{}",
            owner: b"",
            first_sequence: 1,
            codec: 1,
            time: 1_000_000,
            metadata: b"",
            tags: b"",
        }
    }
}

impl Rows<'_> {
    fn seed(&self) -> Vec<u8> {
        let mut seed = Seed::default().number(1).bytes(self.key);
        seed = seed.number(self.snapshot.0).bytes(self.snapshot.1).bytes(self.filter).number(1);
        seed = seed.number(0).number(0).bytes(self.owner).number(1_000).bytes(b"");
        for (place, kind) in (0..EVENTS).zip(1..) {
            let payload = b"{\"owner\":\"Ada\",\"limit\":null}";
            seed = seed
                .number(place + 1)
                .number(self.first_sequence.saturating_add(place))
                .number(kind);
            seed = seed
                .number(1)
                .number(self.codec)
                .bytes(payload)
                .number(self.time)
                .number(self.time);
            seed = seed.bytes(b"reference").bytes(b"request-17").bytes(b"1/1").bytes(self.metadata);
            seed = seed.bytes(self.tags);
        }
        seed.rest(b"")
    }
}
