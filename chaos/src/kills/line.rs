//! What a process says through the pipe: a line for each statement, written in one call to the system, so that it is
//! there whole or not at all when the process is killed.

use std::io::Write;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::writer::{Attempt, Told};

/// A statement.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Line {
    /// The database is open.
    Opened,
    /// This is about to be tried; nothing is known of it.
    Begins(Attempt),
    /// This is what the attempt of that number was told.
    Told { number: i64, told: Told },
}

impl Line {
    pub(super) fn say(self) -> Result<()> {
        let mut line = serde_json::to_vec(&self)?;
        line.push(b'\n');
        std::io::stdout().lock().write_all(&line).context("nobody listens")
    }

    pub(super) fn read(line: &str) -> Result<Self> {
        serde_json::from_str(line).with_context(|| format!("not a statement: `{line}`"))
    }
}
