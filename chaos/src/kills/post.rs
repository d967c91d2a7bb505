//! The process that is killed, as the one sees it that kills it.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::Kills;
use super::line::Line;
use crate::stage::Stage;
use crate::writer::Attempt;

/// How many tasks write.
const WRITERS: usize = 8;

/// The process. Dropping it ends it.
#[derive(Debug)]
pub(super) struct CommitterPost {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    opened: bool,
}

/// What it said before it was killed.
#[derive(Debug)]
pub(super) struct Heard {
    /// Of those that it did not live to hear of, `Unknown`.
    pub(super) attempts: Vec<Attempt>,
    pub(super) last_attempt: i64,
    pub(super) opened: bool,
}

impl CommitterPost {
    /// Starts one whose attempts are numbered from there on.
    pub(super) fn start(kills: &Kills, stage: &Stage, seed: u64, after: i64) -> Result<Self> {
        Self::spawn(kills, stage, seed, after, WRITERS)
    }

    /// Starts one that only follows.
    pub(super) fn follow(kills: &Kills, stage: &Stage) -> Result<Self> {
        Self::spawn(kills, stage, 0, 0, 0)
    }

    fn spawn(kills: &Kills, stage: &Stage, seed: u64, after: i64, writers: usize) -> Result<Self> {
        let url = stage.url().context("BUG: there are no processes on memory")?;
        let mut child = Command::new(&kills.program)
            .args(["committer", "--url", url, "--engine", &kills.engine.to_string()])
            .args(["--acknowledge", kills.acknowledge.name(), "--seed", &seed.to_string()])
            .args(["--after", &after.to_string(), "--writers", &writers.to_string()])
            .arg("--folder")
            .arg(stage.files().folder())
            // It leaves when this closes.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {:?}", kills.program))?;
        let stdout = child.stdout.take().context("BUG: its output is a pipe")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines(), opened: false })
    }

    /// Waits until it has opened the database.
    pub(super) async fn opened(&mut self) -> Result<()> {
        let first = self.lines.next_line().await?.context("it ended; see what it printed")?;
        match Line::read(&first)? {
            Line::Opened => self.opened = true,
            other => bail!("it begins with {other:?}"),
        }
        Ok(())
    }

    /// Ends it where it is, and listens to what it has said.
    pub(super) async fn kill(mut self) -> Result<Heard> {
        ensure!(self.child.try_wait()?.is_none(), "it ended by itself; see what it printed");
        self.child.start_kill()?;
        let mut attempts: BTreeMap<i64, Attempt> = BTreeMap::new();
        while let Some(line) = self.lines.next_line().await? {
            match Line::read(&line)? {
                Line::Opened => self.opened = true,
                Line::Begins(attempt) => drop(attempts.insert(attempt.number, attempt)),
                Line::Told { number, told } => {
                    let attempt = attempts.get_mut(&number);
                    attempt.with_context(|| format!("attempt {number} never began"))?.told = told;
                }
            }
        }
        self.child.wait().await?;
        let last_attempt = attempts.keys().next_back().copied().unwrap_or_default();
        let attempts = attempts.into_values().collect();
        Ok(Heard { attempts, last_attempt, opened: self.opened })
    }

    /// Asks it to leave, and waits until it has.
    pub(super) async fn leave(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        while self.lines.next_line().await?.is_some() {}
        let status = self.child.wait().await?;
        ensure!(status.success(), "it ended with {status}; see what it printed");
        Ok(())
    }
}
