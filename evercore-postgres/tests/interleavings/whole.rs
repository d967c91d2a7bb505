//! The functions of the migrations take the same steps that the other tests take one at a time.

use evercore::{AggregateId, Error, EventStore};
use sqlx::{Connection, PgConnection};

use crate::schedule::{Depth, Play};
use crate::stage::{ANNOUNCE, Counted, Counter, LOOK, READ_LAST, Stage, execute};
use crate::step::{Actor, Step};
use crate::{APPEND, ends};

/// Records what a writer holds immediately before it inserts its first event.
const OBSERVE: &str = "
    CREATE TABLE observed (locked bigint, floor bigint, drawn bigint);
    CREATE FUNCTION observe() RETURNS void LANGUAGE sql AS $$
        INSERT INTO observed
        SELECT
            (SELECT count(*) FROM evercore.aggregates a WHERE a.xmax = pg_current_xact_id()::xid),
            (
                SELECT min(f.floor) FROM evercore.floors(s.last_value) AS f
                WHERE f.pid = pg_backend_pid()
            ),
            s.last_value
        FROM evercore.event_positions s
    $$;
    CREATE FUNCTION before_insert() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM public.observe(); RETURN NULL; END
    $$;
    CREATE TRIGGER observe BEFORE INSERT ON evercore.events
        FOR EACH STATEMENT EXECUTE FUNCTION before_insert()";

/// The number of locked aggregate rows, and the distance of the floor, if there is one, to the drawn position.
type Observed = (i64, Option<i64>);

async fn observed(sql: &mut PgConnection) -> Vec<Observed> {
    let read = "WITH all_of_it AS (DELETE FROM observed RETURNING *)
                SELECT locked, drawn - floor FROM all_of_it";
    sqlx::query_as(read).fetch_all(sql).await.expect("it is ours")
}

async fn definition(sql: &mut PgConnection, function: &str) -> String {
    let read = "SELECT regexp_replace(pg_get_functiondef($1::regproc), '\\s+', ' ', 'g')";
    sqlx::query_scalar(read).bind(function).fetch_one(sql).await.expect("there is such a function")
}

/// Creates new counters without events.
async fn counters(store: &EventStore) -> [AggregateId; 2] {
    let created = store.with_context(async |ctx| {
        Ok::<_, Error>([ctx.create::<Counter>().await?.id(), ctx.create::<Counter>().await?.id()])
    });
    created.await.expect("nothing speaks against it")
}

async fn append(store: &EventStore, counters: &[AggregateId]) {
    let appended = store.with_context(async |ctx| {
        for id in counters {
            let mut counter = ctx.load::<Counter>(*id).await?;
            ctx.apply(&mut counter, Counted)?;
        }
        Ok::<_, Error>(())
    });
    appended.await.expect("there is no other writer");
}

#[tokio::test]
async fn a_writer_holds_the_same_when_it_draws_in_one_call_or_in_steps() {
    let mut stage = Stage::new("interleavings_whole").await;
    let mut sql = PgConnection::connect(&stage.url).await.expect("the server answers");
    let counters = counters(&stage.store).await;
    execute(&mut sql, OBSERVE.to_owned()).await;

    append(&stage.store, &counters[..1]).await;
    assert_eq!(observed(&mut sql).await, [(1, Some(0))], "in `append_one`");
    append(&stage.store, &counters).await;
    // It draws its positions before it inserts: the floor is the last one before its two.
    assert_eq!(observed(&mut sql).await, [(2, Some(2))], "in `append`");

    for (steps, expected) in [
        (&APPEND[..3], (1, Some(0))),
        // The controls: missing or premature steps are detected.
        (&[Step::Look, Step::Announce][..], (0, Some(0))),
        (&[Step::Lock, Step::Look][..], (1, None)),
        (&[Step::Lock, Step::Look, Step::Announce, Step::Draw][..], (1, Some(1))),
    ] {
        stage.begin(Actor::First).await;
        for &step in steps {
            stage.take(Actor::First, step).await;
        }
        stage.run(Actor::First, "SELECT observe()").await;
        stage.take(Actor::First, Step::Commit).await;
        assert_eq!(observed(&mut sql).await, [expected], "after {steps:?}");
    }
}

#[tokio::test]
async fn the_frontier_in_one_call_is_that_of_its_steps() {
    let mut stage = Stage::new("interleavings_frontier").await;
    let play = Play {
        first: ends(&[Step::Prepare, Step::CommitPrepared]),
        second: ends(&[Step::Commit]),
        reader: Vec::new(),
    };
    let mut held_back = 0;
    for schedule in play.schedules(Depth::Classes) {
        for (actor, step) in schedule {
            stage.take(actor, step).await;
            let (whole, steps) = stage.frontiers().await;
            assert_eq!(whole, steps, "after {step:?} of {actor:?}");
            held_back += usize::from(whole < stage.drawn());
        }
    }
    assert!(held_back > 0, "the control: no writer has ever held the frontier back");
}

#[tokio::test]
async fn each_step_is_a_part_of_the_function_that_takes_it() {
    let stage = Stage::new("interleavings_definitions").await;
    let mut sql = PgConnection::connect(&stage.url).await.expect("the server answers");
    let announce_floor = definition(&mut sql, "evercore.announce_floor").await;
    let frontier = definition(&mut sql, "evercore.frontier").await;
    for (function, part) in
        [(&announce_floor, LOOK), (&announce_floor, ANNOUNCE), (&frontier, READ_LAST)]
    {
        assert!(function.contains(part), "`{part}` in {function}");
    }
    let (first, second) = (frontier.find(READ_LAST), frontier.find("evercore.floors(drawn)"));
    assert!(first.is_some() && first < second, "the last position is read first: {frontier}");
}
