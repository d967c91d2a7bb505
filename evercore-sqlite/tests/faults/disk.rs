//! A folder on a disk whose every change is written down, and which fails when it is told to.

#[expect(unsafe_code, reason = "SQLite calls a file system through pointers to functions")]
mod vfs;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use watch::Watched;
pub(crate) use watch::{Change, Entry, Fault, Kind};

/// The folder. It is deleted with this.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: TempDir,
    watched: Arc<Watched>,
}

impl Disk {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self::of(folder())
    }

    /// That folder.
    pub(crate) fn of(folder: TempDir) -> Self {
        vfs::register();
        // SQLite asks for files by their real name.
        let path = folder.path().canonicalize().expect("it is there");
        Self { folder, watched: Watched::begin(path) }
    }

    /// An empty folder whose changes are written down from the start.
    pub(crate) fn recorded() -> Self {
        let disk = Self::new();
        disk.watched.record();
        disk
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("bank.db")
    }

    /// Everything that has happened since the last call.
    pub(crate) fn take_record(&self) -> Vec<Entry> {
        self.watched.take_record()
    }

    /// Writes down that the test has learned of something.
    pub(crate) fn learn(&self, number: usize) {
        self.watched.learn(number);
    }

    /// Has it fail from now on.
    pub(crate) fn fail(&self, fault: Fault) {
        self.watched.set_fault(Some(fault));
    }

    /// How many changes have failed since it fails.
    pub(crate) fn failures(&self) -> usize {
        self.watched.failures()
    }

    /// Has it work again, and remembers what has failed.
    pub(crate) fn repair(&self) {
        self.watched.repair();
    }

    /// Has it work again. Says how many changes have failed.
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

/// An empty folder, in memory where there is a file system for that: syncs that nobody depends on take their time.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder")
}
