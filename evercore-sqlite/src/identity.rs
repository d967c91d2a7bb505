//! Which file a path names, to notice when it has become another one.
//!
//! SQLite goes on with a file that was deleted or replaced, and what it commits there is gone with the process.

use std::path::Path;

/// A file, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity(Numbers);

#[cfg(unix)]
type Numbers = (u64, u64);
/// Other systems do not let go of the name of a file that is open.
#[cfg(not(unix))]
type Numbers = ();

impl FileIdentity {
    /// Of the file that is there; `None` if there is none. Blocks, for about a microsecond.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        path.metadata().ok().map(|found| Self(numbers(&found)))
    }
}

#[cfg(unix)]
fn numbers(found: &std::fs::Metadata) -> Numbers {
    use std::os::unix::fs::MetadataExt;
    (found.dev(), found.ino())
}

#[cfg(not(unix))]
fn numbers(_found: &std::fs::Metadata) -> Numbers {}
