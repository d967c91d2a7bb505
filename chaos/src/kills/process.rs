//! Starts, reads and kills the process under test.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use evercore_testing::history::History;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::Kills;
use super::line::Line;
use crate::environment::Environment;
use crate::writer::Attempt;

/// The number of tasks that write.
const WRITERS: usize = 8;

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub(super) struct CommitterProcess {
    child: Child,
    output: BufReader<ChildStdout>,
    heard: Vec<u8>,
}

/// The reports of a process before it was killed.
#[derive(Debug)]
pub(super) struct Heard {
    /// The attempts; those whose outcome the process did not report are `Unknown`.
    pub(super) attempts: Vec<Attempt>,
    pub(super) last_attempt: i64,
    pub(super) opened: bool,
    /// The observations of its recorder.
    pub(super) history: History,
}

impl CommitterProcess {
    /// Starts a process whose attempts are numbered from after `after`.
    pub(super) fn start(
        kills: &Kills,
        environment: &Environment,
        seed: u64,
        after: i64,
    ) -> Result<Self> {
        Self::spawn(kills, environment, seed, after, WRITERS)
    }

    /// Starts a process that only follows the log.
    pub(super) fn follow(kills: &Kills, environment: &Environment) -> Result<Self> {
        Self::spawn(kills, environment, 0, 0, 0)
    }

    fn spawn(
        kills: &Kills,
        environment: &Environment,
        seed: u64,
        after: i64,
        writers: usize,
    ) -> Result<Self> {
        let url = environment.url().context("BUG: there are no processes on memory")?;
        let mut child = Command::new(&kills.program)
            .args(["committer", "--url", url, "--engine", &kills.engine.to_string()])
            .args(["--acknowledge", kills.acknowledge.name(), "--seed", &seed.to_string()])
            .args(["--after", &after.to_string(), "--writers", &writers.to_string()])
            .arg("--folder")
            .arg(environment.files().folder())
            // The process exits when its input closes.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {:?}", kills.program))?;
        let stdout = child.stdout.take().context("BUG: its output is a pipe")?;
        Ok(Self { child, output: BufReader::new(stdout), heard: Vec::new() })
    }

    /// Waits until the process has reported this many lines. The first line reports that the database is open.
    pub(super) async fn hear(&mut self, lines: usize) -> Result<()> {
        for _ in 0..lines {
            let length = self.output.read_until(b'\n', &mut self.heard).await?;
            ensure!(length > 0, "the process exited by itself; see its output");
        }
        Ok(())
    }

    /// Kills the process and reads the remaining reports.
    pub(super) async fn kill(mut self) -> Result<Heard> {
        ensure!(self.child.try_wait()?.is_none(), "the process exited by itself; see its output");
        self.child.start_kill()?;
        self.output.read_to_end(&mut self.heard).await?;
        let mut opened = false;
        let mut attempts: BTreeMap<i64, Attempt> = BTreeMap::new();
        let mut observations = Vec::new();
        // An incomplete last line was cut off by the kill.
        for line in
            self.heard.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"))
        {
            match Line::read(line)? {
                None => observations.extend_from_slice(line),
                Some(Line::Opened) => opened = true,
                Some(Line::Begins(attempt)) => drop(attempts.insert(attempt.number, attempt)),
                Some(Line::Told { number, told }) => {
                    let attempt = attempts.get_mut(&number);
                    attempt.with_context(|| format!("attempt {number} never began"))?.told = told;
                }
            }
        }
        self.child.wait().await?;
        let last_attempt = attempts.keys().next_back().copied().unwrap_or_default();
        let attempts = attempts.into_values().collect();
        let history = History::read(&observations[..])?;
        Ok(Heard { attempts, last_attempt, opened, history })
    }

    /// Asks the process to exit, and waits until it has.
    pub(super) async fn leave(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        self.output.read_to_end(&mut Vec::new()).await?;
        let status = self.child.wait().await?;
        ensure!(status.success(), "the process exited with {status}; see its output");
        Ok(())
    }
}
