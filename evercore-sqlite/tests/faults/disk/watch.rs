//! What happens to the files of a folder, and what is to fail there.

use std::ffi::c_int;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::ffi::SQLITE_FULL;

/// What is done to a file.
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
    /// Whatever was written to this file is on the disk.
    Sync,
    Delete,
    /// Whatever files were created or deleted are so for good.
    SyncFolder,
}

/// An entry of the record.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Changed {
        file: String,
        change: Change,
    },
    /// The test has learned of something, by a number of its own.
    Learned(usize),
}

/// Something that is to fail, until it is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Files grow by so many bytes more, and no further.
    Room(u64),
    /// This kind of change fails with this code of SQLite, after so many that succeed.
    Fails { kind: Kind, code: c_int, after: usize },
}

/// Which changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Write,
    Sync,
}

/// A folder that is watched.
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

/// Who watches the folder of this file.
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

    /// Whether a change may go on.
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

    /// Writes down what was done.
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
