//! The short form of `cargo xtask chaos kills`. `EVERCORE_KILLS` makes it longer.

use evercore_chaos::{Acknowledge, Engine, KillReport, Kills, Violation};
use tokio::sync::Mutex;

const KILLS: usize = 25;

/// A kill has to come between the report and the commit, so the control gets more kills than it usually needs.
const MOST_KILLS_OF_A_CONTROL: usize = 100;

/// Each run starts several processes.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

fn kills(engine: Engine, number: usize) -> Kills {
    Kills::new(engine, env!("CARGO_BIN_EXE_evercore-chaos"), number)
}

async fn run(kills: &Kills) -> KillReport {
    let report = kills.run().await;
    let report = report.unwrap_or_else(|error| panic!("{kills:?}: {error:?}"));
    println!("{report}");
    report
}

async fn assert_all_promises_hold(engine: Engine) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let wanted = std::env::var("EVERCORE_KILLS").ok();
    let wanted = wanted.map_or(KILLS, |wanted| wanted.parse().expect("a number of kills"));
    let report = run(&kills(engine, wanted)).await;
    assert!(report.violations().is_empty(), "{report}");
    assert_eq!(report.kills(), wanted);
    // A busy machine gets less done before each kill.
    let is_enough =
        report.acknowledged() > wanted / 5 && report.handled() > 0 && report.moves() > 0;
    assert!(is_enough, "too little: {report}");
    assert!(report.unknown() > 0, "no kill cut an attempt off: {report}");
}

async fn assert_caught(engine: Engine) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let control = kills(engine, MOST_KILLS_OF_A_CONTROL).acknowledge(Acknowledge::Beforehand);
    let report = run(&control).await;
    let is_lost = |found: &Violation| matches!(found, Violation::Told { .. });
    assert!(report.violations().iter().any(is_lost), "it was not caught: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_break_no_promise_on_sqlite() {
    assert_all_promises_hold(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_break_no_promise_on_postgres() {
    assert_all_promises_hold(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_before_the_commit_is_caught_on_sqlite() {
    assert_caught(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_before_the_commit_is_caught_on_postgres() {
    assert_caught(Engine::Postgres).await;
}
