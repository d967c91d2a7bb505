//! What the process holds.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::place::Place;

/// How long to wait until a round has left nothing behind: what it dropped ends in its own time.
const REST: Duration = Duration::from_millis(300);

/// All but the one that asks.
const CONNECTIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

/// Something that a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Memory that is resident, in KiB.
    Memory,
    /// Tasks of the runtime.
    Tasks,
    /// Threads of the process.
    Threads,
    /// Open files and sockets.
    Handles,
    /// Connections that the server counts.
    Connections,
}

/// How much the process holds of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample([u64; Kind::ALL.len()]);

/// Measures.
#[derive(Debug)]
pub(crate) struct Gauge {
    server: Option<PgConnection>,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 5] =
        [Self::Memory, Self::Tasks, Self::Threads, Self::Handles, Self::Connections];

    /// By how much it may be more in the last third of a run than the second, which had `before`.
    ///
    /// Memory comes and goes in the allocator's pieces; threads of the runtime's pool stay for some seconds.
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
    /// How much there is of a kind.
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

    /// Measures once there is no more than before, or after a while.
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
        let status = std::fs::read_to_string("/proc/self/status").context("this is not Linux")?;
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
