//! The plan of a run.

use std::fmt;
use std::time::Duration;

use crate::leak::Leak;

/// The plan of a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The storage engine of a run.
    pub engine: Engine,
    /// The length of the run.
    pub length: Length,
    /// The seed of the random choices. They come at different moments in each run, so a seed does not reproduce a run.
    pub seed: u64,
    /// The control: the resource that each round leaks.
    pub leak: Option<Leak>,
}

/// The length of a run.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// Ends after this many rounds.
    Rounds(usize),
    /// Ends with the first round that completes after this time.
    Time(Duration),
}

/// The storage engine of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// In memory, a new log in each round, because the log itself would grow.
    Memory,
    /// A SQLite file.
    Sqlite,
    /// A PostgreSQL server started for the run.
    Postgres,
}

impl Length {
    pub(crate) fn goes_on(self, rounds: usize, elapsed: Duration) -> bool {
        match self {
            Self::Rounds(most) => rounds < most,
            Self::Time(most) => elapsed < most,
        }
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
