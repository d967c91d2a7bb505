//! Starts and controls a worker: a process, or a task for the engine in memory.

use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::environment::Environment;
use crate::plan::Plan;
use crate::worker::Worker;

/// A running worker. Dropping it ends it.
#[derive(Debug)]
pub(crate) enum WorkerProcess {
    Process(Child),
    Task { task: JoinHandle<Result<()>>, stop: CancellationToken },
}

impl WorkerProcess {
    pub(crate) fn start(plan: &Plan, environment: &Environment, name: &str) -> Result<Self> {
        let Some(url) = environment.url() else {
            let stop = CancellationToken::new();
            let worker = Worker {
                name: name.to_owned(),
                store: environment.store(),
                files: environment.files(),
                stop: stop.clone(),
            };
            return Ok(Self::Task {
                task: tokio::spawn(async move { worker.run_plain().await }),
                stop,
            });
        };
        Command::new(&plan.program)
            .args(["worker", "--name", name, "--url", url])
            .args(["--engine", &plan.engine.to_string(), "--fence", &plan.fence.to_string()])
            .arg("--folder")
            .arg(environment.files().folder())
            // The process exits when its input closes: when it is asked to leave, or when this process is gone.
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map(Self::Process)
            .with_context(|| format!("cannot start {:?}", plan.program))
    }

    /// Kills the worker immediately.
    pub(crate) async fn kill(self) -> Result<()> {
        match self {
            Self::Process(mut child) => child.kill().await.context("cannot kill a worker"),
            Self::Task { task, .. } => {
                task.abort();
                match task.await {
                    Err(error) if error.is_cancelled() => Ok(()),
                    // The task was about to end by itself.
                    ended => ended?,
                }
            }
        }
    }

    /// Suspends a process with a signal that it cannot handle.
    pub(crate) fn stop(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Resumes a suspended process.
    pub(crate) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks the worker to finish its current work and leave.
    pub(crate) fn ask_to_leave(&mut self) {
        match self {
            Self::Process(child) => drop(child.stdin.take()),
            Self::Task { stop, .. } => stop.cancel(),
        }
    }

    /// Returns whether the worker is still running.
    pub(crate) fn is_there(&mut self) -> Result<bool> {
        Ok(match self {
            Self::Process(child) => child.try_wait()?.is_none(),
            Self::Task { task, .. } => !task.is_finished(),
        })
    }

    /// Waits until the worker has ended.
    ///
    /// # Errors
    /// The reason why it ended, if it failed.
    pub(crate) async fn left(self) -> Result<()> {
        match self {
            Self::Process(mut child) => {
                let status: ExitStatus = child.wait().await?;
                ensure!(status.success(), "a worker exited by itself: {status}; see its output");
                Ok(())
            }
            Self::Task { task, .. } => task.await?,
        }
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let Self::Process(child) = self else { return Ok(()) };
        let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let id = id.ok_or_else(|| anyhow!("a worker exited without an injected fault"))?;
        Ok(kill_process(id, signal)?)
    }
}
