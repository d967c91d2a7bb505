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

    /// A line that the process itself has said; `None` for one of its recorder.
    pub(super) fn read(line: &[u8]) -> Result<Option<Self>> {
        if line.starts_with(OBSERVATION) {
            return Ok(None);
        }
        let read = serde_json::from_slice(line);
        read.map(Some).with_context(|| format!("no line: `{}`", String::from_utf8_lossy(line)))
    }
}

/// How a line of [`Recorder::lines`](evercore_testing::history::Recorder::lines) begins.
const OBSERVATION: &[u8] = br#"{"saw":"#;
