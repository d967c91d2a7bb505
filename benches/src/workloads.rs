//! The workloads. Each is a contest between evercore and its driver.

mod appending;
mod boundaries;
mod catching_up;
mod contention;
mod deciding;
mod growing;
mod in_memory;
mod observed;
mod rehydrating;
mod scale;
pub(crate) mod size;
pub(crate) mod tasks;
pub(crate) mod wake_up;

use clap::ValueEnum;

use crate::contest::{Contest, Plan, Row};
use crate::engines::{Bed, Kind};
use crate::peers::{Peers, Task};

/// Every workload, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// One task, one event for each commit: fresh aggregates, and one hot aggregate.
    W1,
    /// 16, 64 and 256 tasks, each its own aggregate: load, decide, append one event for each commit.
    W2,
    /// One task, 100 events for each commit.
    W3,
    /// Rehydrate 1,000 events without a snapshot, and with one.
    W4,
    /// Catch up with 200,000 events in a durable subscription with a typed handler.
    W5,
    /// The time from the acknowledged commit to the handler.
    W6,
    /// W2 and W4 on a large store compared with a small one.
    W7,
    /// 64 tasks on 8 aggregates.
    W8,
    /// In memory: append, replay and decode.
    W9,
    /// The size of an event on disk.
    W10,
    /// Commits with 1,250 to 10,000 of each kind of part.
    W11,
    /// In memory: the same work with metrics and without, per second of processor time.
    W12,
    /// Decisions that rest on tags: disjoint boundaries, one hot boundary, and tags without a condition. With
    /// `--preload`, decisions on a store with that many events compared with a small one.
    W13,
    /// Tasks: enqueued with a commit, done by 16 workers of a process, and the time until one is begun. With `--preload`,
    /// claims beside that many tasks that are scheduled, and after that many that are done.
    W14,
}

/// The sizes of the stores that are built for reading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Events of W5's log.
    pub(crate) log: i64,
    /// Events of W7's large store.
    pub(crate) large: i64,
    /// Events of W13's large store, or tasks of W14's, if these are to be measured.
    pub(crate) preload: Option<i64>,
}

impl Workload {
    /// Returns whether the workload is meaningful on this kind of engine.
    pub(crate) fn runs_on(self, kind: Kind) -> bool {
        match self {
            Self::W6 | Self::W11 | Self::W13 | Self::W14 => true,
            Self::W9 | Self::W12 => kind == Kind::Memory,
            _ => kind != Kind::Memory,
        }
    }

    /// Runs all contests of the workload on one engine. W6 and W10 have none, because they do not measure rates.
    pub(crate) async fn run(
        self,
        bed: &Bed,
        peers: &mut Peers,
        sizes: Sizes,
        plan: &Plan,
    ) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        match self {
            Self::W1 => {
                let task = Task { workload: "w1", size: 1 };
                let contest = peers.join(appending::fresh(bed).await?, bed, task).await?;
                rows.extend(contest.run(plan).await?);
                rows.extend(appending::hot(bed).await?.run(plan).await?);
                rows.extend(appending::hot_with_load(bed).await?.run(plan).await?);
            }
            Self::W2 => {
                for tasks in [16, 64, 256] {
                    let task = Task { workload: "w2", size: tasks };
                    let contest = peers.join(deciding::contest(bed, tasks).await?, bed, task);
                    rows.extend(contest.await?.run(plan).await?);
                }
            }
            Self::W3 => {
                let task = Task { workload: "w3", size: appending::MANY };
                let contest = peers.join(appending::many(bed).await?, bed, task).await?;
                rows.extend(contest.run(plan).await?);
            }
            Self::W4 => {
                let task = Task { workload: "w4", size: rehydrating::EVENTS };
                let contest = peers.join(rehydrating::full(bed).await?, bed, task).await?;
                rows.extend(contest.run(plan).await?);
                rows.extend(rehydrating::with_snapshot(bed).await?.run(plan).await?);
            }
            Self::W5 => {
                let task = Task { workload: "w5", size: sizes.log };
                let contest = catching_up::contest(bed, sizes.log).await?;
                rows.extend(peers.join(contest, bed, task).await?.run(plan).await?);
                rows.extend(scale::by_type(bed, sizes.log).await?.run(plan).await?);
            }
            Self::W6 | Self::W10 => {}
            Self::W7 => rows.extend(scale::run(bed, sizes.large, plan).await?),
            Self::W8 => rows.extend(contention::contest(bed).await?.run(plan).await?),
            Self::W9 => rows.extend(in_memory::run(plan).await?),
            Self::W11 => {
                for contest in growing::contests(bed).await? {
                    rows.extend(contest.run(plan).await?);
                }
            }
            Self::W12 => rows.extend(observed::run(plan).await?),
            Self::W13 => {
                if !bed.has_tags().await? {
                    return Ok(rows);
                }
                if let Some(events) = sizes.preload {
                    return boundaries::grown(bed, events, plan).await;
                }
                if bed.kind() == Kind::Postgres {
                    for tasks in [16, 64] {
                        let task = Task { workload: "w13", size: tasks };
                        let contest = boundaries::serializable(bed, tasks).await?;
                        rows.extend(peers.join(contest, bed, task).await?.run(plan).await?);
                    }
                }
                for tasks in [1, 16, 64] {
                    rows.extend(boundaries::disjoint(bed, tasks).await?.run(plan).await?);
                }
                rows.extend(boundaries::hot(bed).await?.run(plan).await?);
                for tasks in [1, 16, 64] {
                    rows.extend(boundaries::unconditional(bed, tasks).await?.run(plan).await?);
                }
            }
            Self::W14 => {
                if let Some(scheduled) = sizes.preload {
                    return tasks::grown(bed, scheduled, plan).await;
                }
                for writers in [1, 16] {
                    rows.extend(tasks::enqueueing(bed, writers).await?.run(plan).await?);
                }
                if bed.kind() != Kind::Memory {
                    rows.extend(tasks::working(bed).await?.run(plan).await?);
                }
            }
        }
        Ok(rows)
    }
}

/// The name of evercore's side in all tables.
const EVERCORE: &str = "evercore";

/// The name of the driver's side on evercore's own tables, in PostgreSQL.
const SAME_ROWS: &str = "raw sqlx, the same rows";

/// The name of evercore's side with cached aggregates.
const CACHED: &str = "evercore, cached";

fn contest(
    workload: &'static str,
    case: impl Into<String>,
    ground: &crate::engines::Ground,
    unit: &'static str,
) -> Contest {
    Contest::new(workload, case, ground.kind.name(), unit, ground.processes)
}
