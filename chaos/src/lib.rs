//! Kills, stops and restarts what follows a log, and checks that nothing was lost.
//!
//! Eight writers get in each other's way. Three workers, each a process, follow the log with the same three
//! subscriptions in four partitions: one that writes in the transaction that records it, a plain one, and one whose
//! handler fails on some events and parks them. Meanwhile workers are killed, stopped for longer than their lease
//! lasts, and asked to leave; the database restarts. Then all are left in peace, the parked events are redriven in new
//! trouble, and what the handlers have written is compared with the log.
//!
//! The control removes the check of the lease's token and of the cursor's place. It must be caught.

mod conduct;
mod domain;
mod journal;
mod kills;
mod plan;
mod post;
mod postgres;
mod report;
mod sqlite;
mod stage;
mod storm;
mod verdict;
mod violation;
mod watch;
mod worker;
mod writer;

use std::path::PathBuf;

use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

pub use conduct::conduct;
pub use kills::{Acknowledge, CommitterDuty, KillReport, Kills};
pub use plan::{Engine, Fence, Plan};
pub use report::{Report, Trouble};
pub use violation::{MovedBack, Violation};

/// What a worker process is to do.
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

/// Works until the input ends.
///
/// # Errors
/// Why a subscription has ended by itself.
pub async fn work(duty: Duty) -> anyhow::Result<()> {
    until_asked_to_leave(async |stop| {
        let store = worker::open(&duty.url).await?;
        let files = stage::Files::of(duty.folder);
        let worker = worker::Worker { name: duty.name, store, files, stop };
        worker.run(duty.engine, duty.fence).await
    })
    .await
}

/// Writes and follows the log until the input ends.
///
/// # Errors
/// Why it cannot go on.
pub async fn commit(duty: CommitterDuty) -> anyhow::Result<()> {
    until_asked_to_leave(async |stop| kills::commit_and_follow(duty, stop).await).await
}

async fn until_asked_to_leave(
    work: impl AsyncFnOnce(CancellationToken) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let asked_to_leave = async {
        // Nothing ever comes; whatever ends it is the end.
        let _: std::io::Result<usize> = tokio::io::stdin().read(&mut [0]).await;
        stop.cancel();
        std::future::pending().await
    };
    tokio::select! {
        done = work(stop.clone()) => done,
        never = asked_to_leave => never,
    }
}
