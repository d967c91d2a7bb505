//! The program on PostgreSQL, when it is killed and when the server is.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::Parser;
use evercore::{EventStore, Position};
use throwaway_postgres::{Binaries, Server};

use super::{assert_published, real_log};
use crate::report::Totals;
use crate::{Args, run};

/// The name under which this file finds [`program`], and the variables that hold its options.
const PROGRAM: &str = "tests::on_postgres::program";
const LOG: &str = "LOANS_TEST_LOG";
const DB: &str = "LOANS_TEST_DB";

/// Not a test but the program, in a process that the test below can kill.
#[tokio::test]
#[ignore = "it is run by the test that kills it"]
async fn program() -> anyhow::Result<()> {
    let (Ok(log), Ok(db)) = (std::env::var(LOG), std::env::var(DB)) else { return Ok(()) };
    run(Args::parse_from(["loans", "--log", &log, "--db", &db])).await
}

/// A run of the program, on the real log.
struct Run(Child);

impl Run {
    fn start(log: &Path, url: &str) -> anyhow::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(["--exact", PROGRAM, "--ignored", "--nocapture"])
            .env(LOG, log)
            .env(DB, url)
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    /// Waits until more than this many events are there, while it runs.
    async fn reach(&mut self, store: &EventStore, events: i64) -> anyhow::Result<()> {
        while store.read_log(Position::new(events)?, 1).await?.events.is_empty() {
            let ended = self.0.try_wait()?;
            anyhow::ensure!(ended.is_none(), "it ended too early: {ended:?}");
            // So that asking does not slow it down.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Sends it SIGKILL.
    fn kill(mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        let status = self.0.wait()?;
        anyhow::ensure!(status.code().is_none(), "it had ended before: {status}");
        Ok(())
    }

    fn succeeds(mut self) -> anyhow::Result<bool> {
        Ok(self.0.wait()?.success())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Most have ended by now; those of a test that failed have not.
        let _: std::io::Result<()> = self.0.kill();
        let _: std::io::Result<_> = self.0.wait();
    }
}

#[tokio::test]
async fn the_totals_are_right_after_the_program_and_the_server_were_killed() -> anyhow::Result<()> {
    let Some(log) = real_log() else { return Ok(()) };
    let mut server = Server::start(&Binaries::find()?, &[])?;
    let url = server.url();
    let store = EventStore::connect(&url).await?;

    let mut killed = Run::start(&log, &url)?;
    killed.reach(&store, 40_000).await?;
    killed.kill()?;

    let mut interrupted = Run::start(&log, &url)?;
    interrupted.reach(&store, 120_000).await?;
    server.crash()?;
    server.restart()?;
    // Should it survive that, there is nothing left to do for the last one.
    interrupted.succeeds()?;

    assert!(Run::start(&log, &url)?.succeeds()?);
    let store = EventStore::connect(&url).await?;
    assert_published(&Totals::of(&store).await?);
    Ok(())
}
