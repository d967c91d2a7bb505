//! Kills, stops and restarts the workers of subscriptions, and checks that no event was lost.
//!
//! Eight writers conflict with each other. Three worker processes run the same three subscriptions with four
//! partitions: one whose handler writes in the transaction that settles its batch, a plain one, and one whose handler
//! fails on some events, which are parked. Meanwhile workers are killed, stopped for longer than their lease lasts, or
//! asked to leave, and the database restarts. Then all are left alone, the parked events are redriven under new faults,
//! and the handlers' effects are compared with the log.
//!
//! The control removes the checks of the lease's token and of the cursor, and must be detected.
//!
//! [`Kills`] tests the writers: a process that writes and follows the log is killed again and again, and the answers it
//! received are compared with the log. There the control reports a commit as acknowledged before it is made.

mod domain;
mod environment;
mod faults;
mod journal;
mod kills;
mod plan;
mod postgres;
mod process;
mod report;
mod run;
mod sqlite;
mod verdict;
mod violation;
mod watch;
mod worker;
mod writer;

use std::path::PathBuf;

use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

pub use kills::{Acknowledge, CommitterDuty, KillReport, Kills};
pub use plan::{Engine, Fence, Plan};
pub use report::{Report, Trouble};
pub use run::run_plan;
pub use violation::{MovedBack, Violation};

/// The command line of a worker process.
#[derive(Clone, Debug, clap::Args)]
#[expect(missing_docs, reason = "only this program runs it")]
pub struct Duty {
    #[arg(long)]
    pub name: String,
    #[arg(long)]
    pub url: String,
    #[arg(long)]
    pub engine: Engine,
    #[arg(long)]
    pub fence: Fence,
    #[arg(long)]
    pub folder: PathBuf,
}

/// Works until standard input closes.
///
/// # Errors
/// The reason why a subscription ended by itself.
pub async fn work(duty: Duty) -> anyhow::Result<()> {
    until_asked_to_leave(async |stop| {
        let store = worker::open(&duty.url).await?;
        let files = environment::Files::of(duty.folder);
        let worker = worker::Worker { name: duty.name, store, files, stop };
        worker.run(duty.engine, duty.fence).await
    })
    .await
}

/// Writes and follows the log until standard input closes.
///
/// # Errors
/// The reason why it cannot continue.
pub async fn commit(duty: CommitterDuty) -> anyhow::Result<()> {
    until_asked_to_leave(async |stop| kills::commit_and_follow(duty, stop).await).await
}

async fn until_asked_to_leave(
    work: impl AsyncFnOnce(CancellationToken) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let asked_to_leave = async {
        // Nothing is ever sent, so any end of the read means that the input is closed.
        let _: std::io::Result<usize> = tokio::io::stdin().read(&mut [0]).await;
        stop.cancel();
        std::future::pending().await
    };
    tokio::select! {
        done = work(stop.clone()) => done,
        never = asked_to_leave => never,
    }
}
