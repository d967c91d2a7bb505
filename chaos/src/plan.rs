//! The plan of a run.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The plan of a run.
#[derive(Clone, Debug)]
#[must_use]
pub struct Plan {
    pub(crate) engine: Engine,
    pub(crate) program: PathBuf,
    pub(crate) length: Duration,
    pub(crate) seed: u64,
    pub(crate) fence: Fence,
}

/// The storage engine of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// In the memory of one process; the workers are tasks.
    Memory,
    /// A file that all processes open.
    Sqlite,
    /// A PostgreSQL server started for the run.
    Postgres,
}

/// Whether only the holder of the lease can move the cursor of a transactional handler, and only from where it read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Fence {
    /// The fence is in place.
    Kept,
    /// The control: neither the token nor the cursor is checked.
    Removed,
}

impl Plan {
    /// Plans a run of 60 s on an engine. `program` is the executable of this crate, which runs once for each worker.
    pub fn new(engine: Engine, program: impl Into<PathBuf>) -> Self {
        Self {
            engine,
            program: program.into(),
            length: Duration::from_secs(60),
            seed: fastrand::u64(..),
            fence: Fence::Kept,
        }
    }

    /// Sets the duration of writing and faults. Default: 60 s.
    pub fn length(mut self, length: Duration) -> Self {
        self.length = length;
        self
    }

    /// Sets the seed of the random choices. They come at different moments in each run, so a seed does not reproduce a
    /// run. Default: random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Turns the run into the control.
    pub fn without_fence(mut self) -> Self {
        self.fence = Fence::Removed;
        self
    }
}

impl Engine {
    /// Returns whether workers are processes, and whether handlers can write in a transaction.
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
