//! The short form of `cargo xtask chaos`.

use std::time::Duration;

use evercore_chaos::{Engine, Plan, Report, Violation, run_plan};
use tokio::sync::Mutex;

const LENGTH: Duration = Duration::from_secs(10);
const LENGTH_OF_A_CONTROL: Duration = Duration::from_secs(6);

/// The maximum number of runs of the control. Detection takes some luck: a worker has to be stopped at the wrong
/// moment. Usually a cursor moves back; an event that takes effect twice is rarer, and very rare on PostgreSQL, because
/// the server ends the transaction of a worker that is stopped for longer than its lease.
const MOST_RUNS: usize = 10;

/// Each run starts several processes and depends on timing.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

fn plan(engine: Engine) -> Plan {
    Plan::new(engine, env!("CARGO_BIN_EXE_evercore-chaos")).length(LENGTH)
}

async fn run(plan: &Plan) -> Report {
    let report = run_plan(plan).await;
    let report = report.unwrap_or_else(|error| panic!("{plan:?}: {error:?}"));
    println!("{report}");
    report
}

async fn assert_all_promises_hold(engine: Engine) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let report = run(&plan(engine)).await;
    assert!(report.violations().is_empty(), "{report}");
    let trouble = report.trouble();
    let is_enough = report.events() > 100 && report.moves() > 0 && report.parked() > 0;
    assert!(is_enough, "hardly anything was written: {report}");
    assert!(trouble.kills > 0 && trouble.leaves > 0, "there was little trouble: {report}");
    if engine != Engine::Memory {
        assert!(trouble.stops > 0 && trouble.restarts > 0, "there was little trouble: {report}");
    }
}

async fn assert_caught(engine: Engine) {
    let _alone = ONE_AT_A_TIME.lock().await;
    for _ in 0..MOST_RUNS {
        let report = run(&plan(engine).length(LENGTH_OF_A_CONTROL).without_fence()).await;
        if report.violations().iter().any(is_for_the_fence_to_prevent) {
            return;
        }
    }
    panic!("without its fence, {engine} kept all promises for {MOST_RUNS} runs");
}

fn is_for_the_fence_to_prevent(found: &Violation) -> bool {
    matches!(found, Violation::Doubled { .. } | Violation::MovedBack(_))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_promises_hold_on_memory() {
    assert_all_promises_hold(Engine::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_promises_hold_on_sqlite() {
    assert_all_promises_hold(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_promises_hold_on_postgres() {
    assert_all_promises_hold(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_is_caught_on_sqlite() {
    assert_caught(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_is_caught_on_postgres() {
    assert_caught(Engine::Postgres).await;
}
