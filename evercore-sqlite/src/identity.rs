//! Identifies the file that a path names, to notice when it has been replaced.
//!
//! SQLite continues to write to a file that was deleted or replaced, and those commits are lost when the process ends.

use std::path::Path;

/// The identity of a file, independent of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity(Numbers);

#[cfg(unix)]
type Numbers = (u64, u64);
/// Other systems do not let an open file be renamed or deleted.
#[cfg(not(unix))]
type Numbers = ();

impl FileIdentity {
    /// Returns the identity of the file at a path; `None` if there is none. Blocks for about a microsecond.
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
