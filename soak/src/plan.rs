//! What a run is to do.

use std::fmt;
use std::time::Duration;

use crate::leak::Leak;

/// What a run is to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where the log is.
    pub engine: Engine,
    /// When it ends.
    pub length: Length,
    /// What the random choices come from. They come at other moments in each run, so it is not the same run twice.
    pub seed: u64,
    /// The control: what each round leaks.
    pub leak: Option<Leak>,
}

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// After so many rounds.
    Rounds(usize),
    /// With the first round that ends after so long.
    Time(Duration),
}

/// Where the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// In memory, another one in each round: what is in it would grow.
    Memory,
    /// In a file.
    Sqlite,
    /// On a server of its own.
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
