//! Tests the program on PostgreSQL, when it is killed and when the server is.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use evercore::{EventStore, Position};
use evercore_examples::Program;
use throwaway_postgres::{Binaries, Server};

use super::{assert_published, in_the_log, real_log};
use crate::log::Log;
use crate::read_model::{NAME, ReadModel};
use crate::report::Totals;
use crate::{Args, run};

/// The name of [`program`], and the variables that hold its options.
const PROGRAM: &str = "tests::on_postgres::program";
const LOG: &str = "LOANS_TEST_LOG";
const DB: &str = "LOANS_TEST_DB";

/// The program itself and not a test, run in a process that the test below can kill.
#[tokio::test]
#[ignore = "it is run by the test that kills it"]
async fn program() -> anyhow::Result<()> {
    let (Ok(log), Ok(db)) = (std::env::var(LOG), std::env::var(DB)) else { return Ok(()) };
    run(Args::parse_from(["loans", "--log", &log, "--db", &db])).await
}

fn start(log: &Path, url: &str) -> anyhow::Result<Program> {
    let log = log.to_str().context("the path of the log is no text")?;
    Ok(Program::start(PROGRAM, &[(LOG, log), (DB, url)])?)
}

/// Waits until a program has reached a state.
async fn until(
    program: &mut Program,
    is_there: impl AsyncFn() -> evercore::Result<bool>,
) -> anyhow::Result<()> {
    loop {
        match is_there().await {
            Ok(true) => return Ok(()),
            // A connection from before the restart may be met.
            Err(error) if !error.is_retryable() => return Err(error.into()),
            Ok(false) | Err(_) => {}
        }
        program.check_runs()?;
        // A pause, so that the queries do not slow the program down.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_totals_are_right_after_the_program_and_the_server_were_killed() -> anyhow::Result<()> {
    let Some(log) = real_log() else { return Ok(()) };
    let mut server = Server::start(&Binaries::find()?, &[])?;
    let url = server.url();
    let store = EventStore::connect(&url).await?;
    let has_events = async |events| {
        let page = store.read_log(Position::new(events)?, 1).await?;
        Ok(!page.events.is_empty())
    };
    let has_counted = async |position| {
        let stored = store.subscriptions().find(NAME).await?;
        Ok(stored.is_some_and(|stored| stored.cursor.get() >= position))
    };

    let mut killed = start(&log, &url)?;
    until(&mut killed, async || has_events(40_000).await).await?;
    killed.kill()?;

    let mut interrupted = start(&log, &url)?;
    until(&mut interrupted, async || has_events(120_000).await).await?;
    server.crash()?;
    server.restart()?;
    assert!(!interrupted.ended()?.success(), "it lost its database in the middle of a commit");

    // Killed while the read model catches up.
    let mut killed = start(&log, &url)?;
    until(&mut killed, async || has_counted(60_000).await).await?;
    killed.kill()?;
    assert!(store.subscriptions().find(NAME).await?.is_some_and(|stored| stored.lag > 0));

    assert!(start(&log, &url)?.ended()?.success());
    let totals = Totals::of(&store).await?;
    assert_published(&totals);
    let figures = ReadModel::Postgres.read(&store).await?;
    assert_eq!(figures, in_the_log(&Log::open(&log)?.cases));
    assert_eq!(figures.activities, totals.activities);
    Ok(())
}
