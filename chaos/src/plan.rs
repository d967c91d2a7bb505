//! What a run is to do.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What a run is to do.
#[derive(Clone, Debug)]
#[must_use]
pub struct Plan {
    pub(crate) engine: Engine,
    pub(crate) program: PathBuf,
    pub(crate) length: Duration,
    pub(crate) seed: u64,
    pub(crate) fence: Fence,
}

/// Where the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// In the memory of one process; the workers are tasks.
    Memory,
    /// In a file that all processes open.
    Sqlite,
    /// On a server of its own.
    Postgres,
}

/// Whether the cursor of a transactional handler is moved only by the holder of the lease, from where it read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Fence {
    /// As it should be.
    Kept,
    /// The control: the token and the cursor are not looked at.
    Removed,
}

impl Plan {
    /// A run of 60 s on an engine. `program` is this crate's own, which is run again for each worker.
    pub fn new(engine: Engine, program: impl Into<PathBuf>) -> Self {
        Self {
            engine,
            program: program.into(),
            length: Duration::from_secs(60),
            seed: fastrand::u64(..),
            fence: Fence::Kept,
        }
    }

    /// Sets for how long there is writing and trouble. Default: 60 s.
    pub fn length(mut self, length: Duration) -> Self {
        self.length = length;
        self
    }

    /// Sets what the random choices come from. They come at other moments in each run, so it is not the same run twice.
    /// Default: random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Makes it the control.
    pub fn without_fence(mut self) -> Self {
        self.fence = Fence::Removed;
        self
    }
}

impl Engine {
    /// Whether workers are processes, and handlers can take part in a transaction.
    pub(crate) fn is_shared(self) -> bool {
        self != Self::Memory
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        })
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "kept",
            Self::Removed => "removed",
        })
    }
}
