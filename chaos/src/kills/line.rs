//! The reports of a process through its pipe. Each is a line written in one system call, so it is complete or missing
//! when the process is killed.

use std::io::Write;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::writer::{Attempt, Told};

/// A report.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Line {
    /// The database is open.
    Opened,
    /// The process is about to make this attempt, with an unknown outcome.
    Begins(Attempt),
    /// The outcome of the attempt with this number.
    Told { number: i64, told: Told },
}

impl Line {
    pub(super) fn say(self) -> Result<()> {
        let mut line = serde_json::to_vec(&self)?;
        line.push(b'\n');
        std::io::stdout().lock().write_all(&line).context("the reader of the output has gone")
    }

    /// Parses a line of the process itself; returns `None` for a line of its recorder.
    pub(super) fn read(line: &[u8]) -> Result<Option<Self>> {
        if line.starts_with(OBSERVATION) {
            return Ok(None);
        }
        let read = serde_json::from_slice(line);
        read.map(Some).with_context(|| format!("no line: `{}`", String::from_utf8_lossy(line)))
    }
}

/// The beginning of each line of [`Recorder::lines`](evercore_testing::history::Recorder::lines).
const OBSERVATION: &[u8] = br#"{"saw":"#;
