//! Records the changes to the files of a directory, and makes them fail on demand.

use std::ffi::c_int;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::ffi::SQLITE_FULL;

/// A change to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Create,
    Write {
        offset: u64,
        bytes: Vec<u8>,
    },
    Truncate {
        size: u64,
    },
    /// Makes all writes to this file durable.
    Sync,
    Delete,
    /// Makes all creations and deletions of files durable.
    SyncFolder,
}

/// An entry of the record.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Changed {
        file: String,
        change: Change,
    },
    /// The test has learned that the commit with this number is stored.
    Learned(usize),
}

/// A fault that lasts until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Files can grow by only this many more bytes.
    Room(u64),
    /// Changes of this kind fail with this SQLite error code, after a number of successful ones.
    Fails { kind: Kind, code: c_int, after: usize },
}

/// The kind of changes that fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Write,
    Sync,
}

/// A watched directory.
#[derive(Debug)]
pub(crate) struct Watched {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    record: Vec<Entry>,
    is_recording: bool,
    fault: Option<Fault>,
    failures: usize,
}

static FOLDERS: Mutex<Vec<Arc<Watched>>> = Mutex::new(Vec::new());

/// Returns the watched directory that contains a file.
pub(super) fn find(file: &Path) -> Option<Arc<Watched>> {
    lock(&FOLDERS).iter().find(|folder| file.starts_with(&folder.path)).cloned()
}

impl Watched {
    pub(super) fn begin(path: PathBuf) -> Arc<Self> {
        let watched = Arc::new(Self { path, state: Mutex::default() });
        lock(&FOLDERS).push(Arc::clone(&watched));
        watched
    }

    pub(super) fn end(self: &Arc<Self>) {
        lock(&FOLDERS).retain(|other| !Arc::ptr_eq(self, other));
    }

    pub(super) fn record(&self) {
        lock(&self.state).is_recording = true;
    }

    pub(super) fn take_record(&self) -> Vec<Entry> {
        std::mem::take(&mut lock(&self.state).record)
    }

    pub(super) fn learn(&self, number: usize) {
        lock(&self.state).record.push(Entry::Learned(number));
    }

    pub(super) fn set_fault(&self, fault: Option<Fault>) {
        let mut state = lock(&self.state);
        state.fault = fault;
        state.failures = 0;
    }

    pub(super) fn repair(&self) {
        lock(&self.state).fault = None;
    }

    pub(super) fn failures(&self) -> usize {
        lock(&self.state).failures
    }

    /// Returns an error if the change must fail.
    pub(super) fn allow(&self, change: &Change, file: &str) -> Result<(), c_int> {
        let mut state = lock(&self.state);
        let Some(fault) = state.fault else { return Ok(()) };
        let failed = match (fault, change) {
            (Fault::Room(room), Change::Write { offset, bytes }) => {
                let end = offset + u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let size = self.path.join(file).metadata().map_or(0, |found| found.len());
                let growth = end.saturating_sub(size);
                state.fault = Some(Fault::Room(room.saturating_sub(growth)));
                (growth > room).then_some(SQLITE_FULL)
            }
            (Fault::Fails { kind, code, after }, change) if kind.is_of(change) => {
                state.fault = Some(Fault::Fails { kind, code, after: after.saturating_sub(1) });
                (after == 0).then_some(code)
            }
            _ => None,
        };
        match failed {
            Some(code) => {
                state.failures += 1;
                Err(code)
            }
            None => Ok(()),
        }
    }

    /// Records a completed change.
    pub(super) fn note(&self, change: Change, file: &str) {
        let mut state = lock(&self.state);
        if state.is_recording {
            state.record.push(Entry::Changed { file: file.to_owned(), change });
        }
    }
}

impl Kind {
    fn is_of(self, change: &Change) -> bool {
        match self {
            Self::Write => matches!(change, Change::Write { .. }),
            Self::Sync => matches!(change, Change::Sync),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
