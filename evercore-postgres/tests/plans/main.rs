//! Checks the plan of every statement on tables with many rows, with different statistics.
//!
//! The server logs the plan of each statement, including those inside functions, with the rows and blocks that each
//! step has touched. The engine then does everything that it can do. The work of a statement may depend on its page but
//! not on the length of the log, and every SQL file must have been used.
//!
//! `EVERCORE_PLANS_EVENTS` sets the number of events; the default is the smallest log that reveals wrong plans.

mod later;
mod plan;
mod sources;
mod tables;
mod work;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use evercore::engine::{Detail, SubscriptionStorage as _};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use throwaway_postgres::{Binaries, Server};

use plan::Ran;
use tables::Knowledge;

/// The number of events in a page.
const PAGE: u32 = 500;

/// The number of events that a page of a subscription scans, the same as in the engine.
const MOST_LOOKED_AT: u64 = 10_000;

/// The ways in which a session plans prepared statements.
const PLANS: [&str; 2] = ["force_custom_plan", "force_generic_plan"];

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let settings = [
            "fsync=off",
            "autovacuum=off",
            "shared_preload_libraries=auto_explain",
            "auto_explain.log_min_duration=0",
            "auto_explain.log_analyze=on",
            "auto_explain.log_buffers=on",
            "auto_explain.log_timing=off",
            "auto_explain.log_nested_statements=on",
            "auto_explain.log_format=json",
            "log_line_prefix=%d:",
        ];
        Binaries::find()
            .and_then(|binaries| Server::start(&binaries, &settings))
            .unwrap_or_else(|failure| panic!("{failure}"))
    })
}

/// Returns the URL of one of the server's databases.
fn url(database: &str) -> String {
    let url = server().url();
    let (server, _) = url.rsplit_once('/').expect("a URL ends with its database");
    format!("{server}/{database}")
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("the server answers")
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{error}: {sql}"));
}

/// Runs everything in a database with these statistics, and checks the plans.
async fn looks_up_what_it_is_asked_for(database: &str, knowledge: Knowledge) {
    tables::fill(database, knowledge, tables::wanted_events()).await;
    for plans in PLANS {
        let before = server().log().expect("the server has a log").len();
        work::all(&format!("{}?options[plan_cache_mode]={plans}", url(database))).await;
        let log = server().log().expect("the server has a log");
        let ran = plan::read(&log[before..], database);

        let faults: Vec<String> = ran.iter().flat_map(Ran::faults).collect();
        assert!(faults.is_empty(), "{plans}, {knowledge:?}:\n{}", faults.join("\n"));
        let texts: BTreeSet<String> = ran.iter().map(|ran| sources::flat(&ran.text)).collect();
        let missing = sources::left_out(&texts);
        assert!(missing.is_empty(), "{plans}: not a plan of these was looked at: {missing:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_plan_depends_on_the_log_without_statistics() {
    looks_up_what_it_is_asked_for("unknown", Knowledge::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_plan_depends_on_the_log_analysed_when_empty() {
    looks_up_what_it_is_asked_for("empty", Knowledge::Empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_plan_depends_on_the_log_analysed_with_one_event_type() {
    looks_up_what_it_is_asked_for("one_kind", Knowledge::OneKind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_plan_depends_on_the_log_with_complete_statistics() {
    looks_up_what_it_is_asked_for("known", Knowledge::All).await;
}

/// Workers that stand by look at the leases at short intervals.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_the_leases_reads_neither_parked_events_nor_the_log() {
    tables::fill("leases", Knowledge::All, tables::EVENTS).await;
    for plans in PLANS {
        let options = format!("{}?options[plan_cache_mode]={plans}", url("leases"));
        let options: PostgresOptions = options.parse().expect("a URL");
        let engine = PostgresEngine::open(options).await.expect("the server answers");
        for (detail, reads) in [(Detail::Places, false), (Detail::Backlog, true)] {
            let before = server().log().expect("the server has a log").len();
            engine.subscriptions(None, detail).await.expect("the server answers");
            let log = server().log().expect("the server has a log");
            let ran = plan::read(&log[before..], "leases");
            let list = ran.iter().find(|ran| ran.text.contains("AS waiting_since"));
            let list = list.expect("its plan is logged");
            assert_eq!(list.rows_of("parked_events") > 0, reads, "{plans}, {detail:?}: {list:#?}");
            // The last position.
            assert!(reads || list.rows_of("events") <= 1, "{plans}, {detail:?}: {list:#?}");
        }
    }
}

/// Former statements that read the log for each page, or all events with a tag.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_depends_on_the_log_is_found() {
    // The bounds in the statements are chosen for this length.
    tables::fill("control", Knowledge::None, tables::EVENTS).await;
    let mut control = connect(&url("control")).await;
    for (planted, fault) in [
        (include_str!("planted/range.sql"), "Bitmap Heap Scan"),
        (include_str!("planted/history.sql"), "Bitmap Heap Scan"),
        (include_str!("planted/whole.sql"), "Seq Scan"),
        (include_str!("planted/sorted.sql"), "on disk"),
        (include_str!("planted/listed.sql"), "of event_tags reads"),
    ] {
        let before = server().log().expect("the server has a log").len();
        execute(&mut control, planted).await;
        let log = server().log().expect("the server has a log");
        let ran = plan::read(&log[before..], "control");
        let faults: Vec<String> = ran.iter().flat_map(Ran::faults).collect();
        assert!(faults.iter().any(|found| found.contains(fault)), "{planted}{faults:#?}");
    }
    let seen = BTreeSet::from(["SELECT".to_owned()]);
    assert!(sources::left_out(&seen).len() > 40, "a statement that was not run is found");
}

/// A function that is not inlined would be planned again for each page of the log.
#[tokio::test(flavor = "multi_thread")]
async fn the_floors_are_a_part_of_the_statement_that_asks_for_them() {
    tables::migrate("floors").await;
    let mut sql = connect(&url("floors")).await;
    let explain = "EXPLAIN SELECT min(f.floor) FROM evercore.floors(1) AS f";
    let plan: Vec<String> = sqlx::query_scalar(explain).fetch_all(&mut sql).await.expect("a plan");
    assert!(plan.iter().any(|step| step.contains("on pg_lock_status")), "{plan:#?}");
}
