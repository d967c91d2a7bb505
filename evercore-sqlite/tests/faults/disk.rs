//! A directory on a simulated disk that records every change, and fails on demand.

#[expect(unsafe_code, reason = "SQLite calls a file system through pointers to functions")]
mod vfs;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use watch::Watched;
pub(crate) use watch::{Change, Entry, Fault, Kind};

/// The directory, which is deleted on drop.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: TempDir,
    watched: Arc<Watched>,
}

impl Disk {
    /// Creates an empty directory.
    pub(crate) fn new() -> Self {
        Self::of(folder())
    }

    /// Watches this directory.
    pub(crate) fn of(folder: TempDir) -> Self {
        vfs::register();
        // SQLite opens files by their canonical path.
        let path = folder.path().canonicalize().expect("it is there");
        Self { folder, watched: Watched::begin(path) }
    }

    /// Creates an empty directory whose changes are recorded from the start.
    pub(crate) fn recorded() -> Self {
        let disk = Self::new();
        disk.watched.record();
        disk
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("bank.db")
    }

    /// Returns all changes since the last call.
    pub(crate) fn take_record(&self) -> Vec<Entry> {
        self.watched.take_record()
    }

    /// Records that the test has learned that a commit is stored.
    pub(crate) fn learn(&self, number: usize) {
        self.watched.learn(number);
    }

    /// Makes the disk fail from now on.
    pub(crate) fn fail(&self, fault: Fault) {
        self.watched.set_fault(Some(fault));
    }

    /// Returns the number of changes that have failed since the disk began to fail.
    pub(crate) fn failures(&self) -> usize {
        self.watched.failures()
    }

    /// Makes the disk work again, but keeps the number of failures.
    pub(crate) fn repair(&self) {
        self.watched.repair();
    }

    /// Makes the disk work again, and returns the number of changes that failed.
    pub(crate) fn mend(&self) -> usize {
        let failures = self.watched.failures();
        self.watched.set_fault(None);
        failures
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.watched.end();
    }
}

/// Creates an empty directory, in memory if possible, because syncs are slow and not needed here.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder")
}
