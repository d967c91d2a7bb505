//! Measures the resources that the process holds.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::place::Place;

/// The time to wait until a round has left nothing behind, because dropped work ends asynchronously.
const REST: Duration = Duration::from_millis(300);

/// Counts all connections except the one that asks.
const CONNECTIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Resident memory, in KiB.
    Memory,
    /// The number of tasks of the runtime.
    Tasks,
    /// The number of threads of the process.
    Threads,
    /// The number of open files and sockets.
    Handles,
    /// The number of connections that the server counts.
    Connections,
}

/// The amount that the process holds of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample([u64; Kind::ALL.len()]);

/// Measures the resources of this process.
#[derive(Debug)]
pub(crate) struct Gauge {
    server: Option<PgConnection>,
}

impl Kind {
    /// All macros.
    pub const ALL: [Self; 5] =
        [Self::Memory, Self::Tasks, Self::Threads, Self::Handles, Self::Connections];

    /// Returns the tolerated growth from the second third of a run, with the amount `before`, to the last third.
    ///
    /// Memory grows and shrinks in the allocator's chunks; threads of the runtime's pool live on for some seconds.
    #[must_use]
    pub const fn slack(self, before: u64) -> u64 {
        match self {
            Self::Memory => before / 10 + 8 * 1024,
            Self::Threads | Self::Handles => 4,
            Self::Tasks | Self::Connections => 2,
        }
    }
}

impl Sample {
    /// Returns the amount of a kind.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> u64 {
        self.0[kind as usize]
    }
}

impl Gauge {
    pub(crate) async fn new(place: &Place) -> Result<Self> {
        let server = match place.server_url() {
            None => None,
            Some(url) => Some(PgConnection::connect(url).await?),
        };
        Ok(Self { server })
    }

    /// Measures until there is no more than before, or until [`REST`] has passed.
    pub(crate) async fn at_rest(&mut self, before: Option<&Sample>) -> Result<Sample> {
        let until = Instant::now() + REST;
        loop {
            let sample = self.measure().await?;
            let counted = [Kind::Tasks, Kind::Handles, Kind::Connections];
            let is_at_rest = |before: &Sample| {
                counted.into_iter().all(|kind| sample.of(kind) <= before.of(kind))
            };
            if before.is_some_and(is_at_rest) || Instant::now() >= until {
                return Ok(sample);
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn measure(&mut self) -> Result<Sample> {
        let status =
            std::fs::read_to_string("/proc/self/status").context("the measurements need Linux")?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            Ok(number.with_context(|| format!("no {name} in the status"))?.parse()?)
        };
        let tasks = Handle::current().metrics().num_alive_tasks();
        let handles = std::fs::read_dir("/proc/self/fd")?.count();
        let connections = match &mut self.server {
            None => 0,
            Some(server) => sqlx::query_scalar::<_, i64>(CONNECTIONS).fetch_one(server).await?,
        };
        Ok(Sample([
            field("VmRSS:")?,
            u64::try_from(tasks)?,
            field("Threads:")?,
            u64::try_from(handles)?,
            u64::try_from(connections)?,
        ]))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Memory => "memory, KiB",
            Self::Tasks => "tasks",
            Self::Threads => "threads",
            Self::Handles => "handles",
            Self::Connections => "connections",
        })
    }
}
