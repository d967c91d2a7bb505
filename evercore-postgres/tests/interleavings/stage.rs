//! Two writers and a reader, each with a connection, that take the engine's steps one at a time.

use evercore::{Aggregate, AggregateId, Apply, Error, EventMeta, EventStore, Position, event};
use evercore_postgres as _;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::schedule::Schedule;
use crate::step::{Actor, Step};

/// The two halves of `announce_floor`, and the first half of `frontier`, whose second half calls `floors` as this code
/// does.
pub(crate) const LOOK: &str =
    "coalesce(pg_sequence_last_value('evercore.event_positions'), 0)::bit(32)::integer";
pub(crate) const ANNOUNCE: &str =
    "pg_advisory_xact_lock_shared( 'evercore.events'::regclass::oid::bigint::bit(32)::integer,";
pub(crate) const READ_LAST: &str = "CASE WHEN s.is_called THEN s.last_value ELSE 0 END";
const READ_FLOORS: &str = "SELECT min(f.floor) FROM evercore.floors($1) AS f";
const READ_PAGE: &str = include_str!("../../src/read_log.sql");

#[derive(Aggregate, Default)]
pub(crate) struct Counter;

#[event(aggregate = Counter)]
pub(crate) struct Counted;

impl Apply<Counted> for Counter {
    fn apply(&mut self, _event: &Counted, _meta: &EventMeta) {}
}

/// The state of the log before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// The log has events from earlier schedules.
    WithEvents,
    /// No position was ever drawn.
    NeverUsed,
}

/// The read of a decider, and whether its commit was refused.
#[derive(Clone, Copy, Debug, Default)]
struct Decision {
    frontier: i64,
    /// The position beyond which the decider counts.
    beyond: i64,
    highest: i64,
    /// The events with the tag that it has read, and how many of them lie beyond.
    read: i64,
    seen: i64,
    is_refused: bool,
}

/// The number of events with the tag that a decider has read, and of those before its own event in the log; `None` if it
/// was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) read: i64,
    pub(crate) before: i64,
}

/// A separate database and the actors on it.
pub(crate) struct Stage {
    pub(crate) url: String,
    pub(crate) store: EventStore,
    sql: PgConnection,
    writers: [Writer; 3],
    reader: Reader,
}

struct Writer {
    connection: PgConnection,
    counter: AggregateId,
    sequence: i64,
    looked: i64,
    drawn: i64,
    /// The position that it drew last for the second member of its group.
    beside: i64,
    /// The name of the writer's prepared transaction.
    prepared: String,
    decision: Option<Decision>,
}

struct Reader {
    connection: PgConnection,
    is_in_transaction: bool,
    cursor: i64,
    last: i64,
    lowest: Option<i64>,
    seen: Vec<i64>,
}

/// The events that a reader saw during a schedule and after it, and the events that it should have seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) seen: Vec<i64>,
    pub(crate) committed: Vec<i64>,
}

impl Stage {
    /// Each database uses the engine's default schema name, so that its SQL can be used unchanged.
    pub(crate) async fn new(database: &str) -> Self {
        let server = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
        let mut sql = PgConnection::connect(&server).await.expect("the server answers");
        let forgotten: Vec<String> =
            sqlx::query_scalar("SELECT gid FROM pg_prepared_xacts WHERE database = $1")
                .bind(database)
                .fetch_all(&mut sql)
                .await
                .expect("anyone may look");
        assert!(forgotten.is_empty(), "a run that was killed has left {forgotten:?}");
        execute(&mut sql, format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await;
        execute(&mut sql, format!("CREATE DATABASE {database}")).await;
        let (base, _) = server.rsplit_once('/').expect("the URL names a database");
        let url = format!("{base}/{database}?notifications=off");

        let store = EventStore::connect(&url).await.expect("it migrates");
        let url = format!("{base}/{database}");
        let writers = [
            Writer::new(&store, &url, format!("{database}_first")).await,
            Writer::new(&store, &url, format!("{database}_second")).await,
            Writer::new(&store, &url, format!("{database}_third")).await,
        ];
        let reader = Reader {
            connection: connect(&url).await,
            is_in_transaction: false,
            cursor: 0,
            last: 0,
            lowest: None,
            seen: Vec::new(),
        };
        Self { sql: connect(&url).await, url, store, writers, reader }
    }

    /// Takes all steps in order, then lets the reader continue to the end as the engine does.
    pub(crate) async fn perform(&mut self, schedule: &Schedule, log: Log) -> Shown {
        let before = self.prepare(log).await;
        self.reader.cursor = before;
        for &(actor, step) in schedule {
            self.take(actor, step).await;
        }
        self.reader.end().await;
        let mut seen = std::mem::take(&mut self.reader.seen);
        let mut cursor = Position::new(self.reader.cursor).expect("a position");
        loop {
            let page = self.store.read_log(cursor, 100).await.expect("it can be read");
            seen.extend(page.events.iter().map(|event| event.position().get()));
            cursor = page.end;
            if page.at_end {
                break;
            }
        }
        let committed =
            "SELECT position FROM evercore.events WHERE position > $1 ORDER BY position";
        let committed = sqlx::query_scalar(committed).bind(before).fetch_all(&mut self.sql).await;
        Shown { seen, committed: committed.expect("numbers") }
    }

    /// Takes all steps in order. Returns what each decider has decided on; `None` if its commit was refused.
    pub(crate) async fn decide(&mut self, schedule: &Schedule) -> Vec<Option<Decided>> {
        for &(actor, step) in schedule {
            self.take(actor, step).await;
        }
        let mut decided = Vec::new();
        for writer in &mut self.writers {
            let Some(decision) = writer.decision.take() else { continue };
            let before = format!(
                "SELECT count(*) FROM evercore.event_tags WHERE position < {}",
                writer.drawn
            );
            let before = number(&mut self.sql, &before).await;
            decided.push((!decision.is_refused).then_some(Decided { read: decision.read, before }));
        }
        decided
    }

    /// Returns a position at or before which all earlier events lie.
    async fn prepare(&mut self, log: Log) -> i64 {
        if log == Log::NeverUsed {
            let sql = "TRUNCATE evercore.events; ALTER SEQUENCE evercore.event_positions RESTART";
            execute(&mut self.sql, sql.to_owned()).await;
            return 0;
        }
        number(&mut self.sql, "SELECT last_value FROM evercore.event_positions").await
    }

    pub(crate) async fn take(&mut self, actor: Actor, step: Step) {
        match actor {
            Actor::First => self.writers[0].take(step).await,
            Actor::Second => self.writers[1].take(step).await,
            Actor::Reader if step.is_of_reader() => self.reader.take(step).await,
            Actor::Reader => self.writers[2].take(step).await,
        }
    }

    /// Begins a writer's transaction. If the step `Lock` begins it again, the server only warns.
    pub(crate) async fn begin(&mut self, actor: Actor) {
        self.run(actor, "BEGIN").await;
    }

    /// Executes a statement in a writer's transaction.
    pub(crate) async fn run(&mut self, actor: Actor, sql: &str) {
        let writer = match actor {
            Actor::First => &mut self.writers[0],
            Actor::Second => &mut self.writers[1],
            Actor::Reader => panic!("a reader does not write"),
        };
        execute(&mut writer.connection, sql.to_owned()).await;
    }

    /// Returns the last position that was drawn when the reader last looked.
    pub(crate) fn drawn(&self) -> i64 {
        self.reader.last
    }

    /// Returns the frontier from the function `frontier`, and from its separate steps.
    pub(crate) async fn frontiers(&mut self) -> (i64, i64) {
        let whole = number(&mut self.sql, "SELECT frontier FROM evercore.frontier()").await;
        self.reader.take(Step::ReadLast).await;
        self.reader.take(Step::ReadFloors).await;
        (whole, self.reader.frontier())
    }
}

impl Writer {
    async fn new(store: &EventStore, url: &str, prepared: String) -> Self {
        let created = store.with_context(async |ctx| {
            let mut counter = ctx.create::<Counter>().await?;
            ctx.apply(&mut counter, Counted)?;
            Ok::<_, Error>(counter.id())
        });
        let counter = created.await.expect("nothing speaks against it");
        let connection = connect(url).await;
        let decision = None;
        let (sequence, looked, drawn, beside) = (1, 0, 0, 0);
        Self { connection, counter, sequence, looked, drawn, beside, prepared, decision }
    }

    async fn take(&mut self, step: Step) {
        let Self { connection, counter, sequence, looked, drawn, beside, prepared, decision } =
            self;
        let is_refused = decision.is_some_and(|decision| decision.is_refused);
        match step {
            Step::Draw | Step::InsertTagged if is_refused => {}
            Step::ReadFrontier => {
                let frontier = "SELECT frontier FROM evercore.frontier()";
                let frontier = number(connection, frontier).await;
                *decision = Some(Decision { frontier, ..Decision::default() });
            }
            Step::ReadTagged => {
                let decision = decision.as_mut().expect("the frontier was read before");
                let [beyond, read, seen, highest] = tagged(connection, decision.frontier).await;
                *decision = Decision { beyond, read, seen, highest, ..*decision };
            }
            Step::TakeHighest => {
                let decision = decision.as_mut().expect("the events were read before");
                *decision = Decision { beyond: decision.highest, seen: 0, ..*decision };
            }
            Step::LockNothing => execute(connection, "BEGIN".to_owned()).await,
            Step::LockTag | Step::LockBoundaryShared => {
                execute(connection, "BEGIN; SELECT pg_advisory_xact_lock_shared(7)".to_owned())
                    .await;
            }
            Step::LockBoundary => {
                execute(connection, "BEGIN; SELECT pg_advisory_xact_lock(7)".to_owned()).await;
            }
            Step::Check => {
                let decision = decision.as_mut().expect("the events were read before");
                let check = format!(
                    "SELECT coalesce(cardinality(evercore.unmet_conditions(
                         ARRAY[{}], ARRAY[{}], '{{1}}', ARRAY[t.id], NULL, NULL, '{{7}}', '{{all:1}}'
                     )), 0)::bigint FROM evercore.event_types t",
                    decision.beyond, decision.seen
                );
                decision.is_refused = number(connection, &check).await > 0;
            }
            Step::AnnounceFloor => {
                execute(connection, "SELECT evercore.announce_floor()".to_owned()).await;
            }
            Step::InsertTagged => {
                *sequence += 1;
                insert_tagged(connection, *drawn, *counter, *sequence).await;
            }
            Step::DrawBeside => {
                *beside = number(connection, "SELECT nextval('evercore.event_positions')").await;
            }
            Step::InsertBeside => {
                *sequence += 1;
                insert_tagged(connection, *beside, *counter, *sequence).await;
            }
            Step::Lock => {
                let lock = format!(
                    "BEGIN ISOLATION LEVEL READ COMMITTED;
                     SELECT a.id FROM evercore.aggregates a WHERE a.id = ANY ('{{{counter}}}')
                     ORDER BY a.id FOR NO KEY UPDATE"
                );
                execute(connection, lock).await;
            }
            Step::Look => *looked = number(connection, &format!("SELECT {LOOK}::bigint")).await,
            Step::Announce => {
                execute(connection, format!("SELECT {ANNOUNCE} {looked})")).await;
            }
            Step::Draw => {
                *drawn = number(connection, "SELECT nextval('evercore.event_positions')").await;
            }
            Step::Insert => {
                *sequence += 1;
                let insert = format!(
                    "INSERT INTO evercore.events (
                         position, aggregate_id, sequence, event_type_id, version, codec, payload,
                         event_time, recorded_at
                     )
                     SELECT {drawn}, {counter}, {sequence}, t.id, 1, 1, 'null', now(), now()
                     FROM evercore.event_types t"
                );
                execute(connection, insert).await;
            }
            Step::Commit => execute(connection, "COMMIT".to_owned()).await,
            Step::Rollback => execute(connection, "ROLLBACK".to_owned()).await,
            Step::Prepare => {
                execute(connection, format!("PREPARE TRANSACTION '{prepared}'")).await;
            }
            Step::CommitPrepared => {
                execute(connection, format!("COMMIT PREPARED '{prepared}'")).await;
            }
            Step::RollbackPrepared => {
                execute(connection, format!("ROLLBACK PREPARED '{prepared}'")).await;
            }
            other => panic!("{other:?} is no step of a writer"),
        }
    }
}

impl Reader {
    async fn end(&mut self) {
        if std::mem::take(&mut self.is_in_transaction) {
            execute(&mut self.connection, "COMMIT".to_owned()).await;
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::ReadLast => {
                let sql = format!("SELECT {READ_LAST} FROM evercore.event_positions s");
                self.last = number(&mut self.connection, &sql).await;
            }
            Step::ReadFloors => self.look_at(READ_FLOORS).await,
            Step::ReadFloorsOfProcesses => {
                self.look_at(&format!("{READ_FLOORS} WHERE f.pid IS NOT NULL")).await;
            }
            Step::ReadPage => self.read_to(self.frontier()).await,
            Step::ReadAll => self.read_to(i64::MAX).await,
            Step::TakeSnapshot => {
                self.is_in_transaction = true;
                let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_snapshot()";
                execute(&mut self.connection, sql.to_owned()).await;
            }
            other => panic!("{other:?} is no step of a reader"),
        }
    }

    fn frontier(&self) -> i64 {
        self.lowest.map_or(self.last, |lowest| lowest.min(self.last))
    }

    async fn look_at(&mut self, floors: &str) {
        let lowest = sqlx::query_scalar(AssertSqlSafe(floors)).bind(self.last);
        self.lowest = lowest.fetch_one(&mut self.connection).await.expect("a number");
    }

    async fn read_to(&mut self, frontier: i64) {
        let page: Vec<PgRow> = sqlx::query(READ_PAGE)
            .bind(self.cursor)
            .bind(frontier)
            .bind(100_i64)
            .fetch_all(&mut self.connection)
            .await
            .expect("events");
        let positions = page.iter().map(|row| row.get::<i64, _>(0));
        self.seen.extend(positions);
        self.cursor = self.seen.last().copied().unwrap_or(self.cursor);
    }
}

/// Inserts an event with the tag.
async fn insert_tagged(
    connection: &mut PgConnection,
    position: i64,
    counter: AggregateId,
    sequence: i64,
) {
    let insert = format!(
        "INSERT INTO evercore.events (
             position, aggregate_id, sequence, event_type_id, version, codec, payload, event_time,
             recorded_at, tags
         )
         SELECT {position}, {counter}, {sequence}, t.id, 1, 1, 'null', now(), now(), 'all:1'
         FROM evercore.event_types t;
         INSERT INTO evercore.event_tags (tag, event_type_id, position)
         SELECT 7, t.id, {position} FROM evercore.event_types t"
    );
    execute(connection, insert).await;
}

/// Returns the greatest visible position up to the frontier, how many events with the tag there are, how many of them
/// lie beyond, and the position of the last.
async fn tagged(connection: &mut PgConnection, frontier: i64) -> [i64; 4] {
    let read = "SELECT beyond.position, count(t.position), count(*) FILTER (WHERE t.position > beyond.position),
                    coalesce(max(t.position), 0)
                FROM (SELECT coalesce(max(e.position), 0) FROM evercore.events e WHERE e.position <= $1)
                    AS beyond(position)
                LEFT JOIN evercore.event_tags t ON true
                GROUP BY beyond.position";
    let row = sqlx::query(read).bind(frontier).fetch_one(connection).await.expect("numbers");
    [row.get(0), row.get(1), row.get(2), row.get(3)]
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("the server answers")
}

pub(crate) async fn execute(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.expect("the statement is right");
}

pub(crate) async fn number(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.expect("a number")
}
