//! Finds out why a file cannot be opened: SQLite's messages do not tell these cases apart.
//!
//! Avoids opening a file that SQLite has open: closing it again would end all locks that this process has on it
//! (<https://sqlite.org/howtocorrupt.html>, 2.2), even those of another engine.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

use evercore::error::OpenProblem;
use evercore::{Error, Result};

use crate::options::MissingFile;

/// Refuses a path that cannot be a writable database, as far as its metadata show. Blocks.
pub(crate) fn check(path: &Path, database: &str, missing_file: MissingFile) -> Result<()> {
    let refuse = |problem, source: Option<io::Error>| {
        let source = source.map(Into::into);
        Err(Error::CannotOpen { database: database.to_owned(), problem, source })
    };
    match path.metadata() {
        Ok(found) if found.is_dir() => refuse(OpenProblem::IsDirectory, None),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            if folder.is_some_and(|folder| !folder.is_dir()) {
                return refuse(OpenProblem::NoSuchFolder, None);
            }
            match missing_file {
                MissingFile::Create => Ok(()),
                MissingFile::Refuse => refuse(OpenProblem::NoSuchFile, None),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            refuse(OpenProblem::NoSuchFolder, Some(error))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Returns the reason why SQLite could not open or create a file, if one can be found. Changes nothing. Blocks.
pub(crate) fn explain(path: &Path, database: &str) -> Option<Error> {
    let tried = if path.exists() {
        OpenOptions::new().read(true).write(true).open(path).map(drop)
    } else {
        File::create_new(path).and_then(|_| std::fs::remove_file(path))
    };
    let error = tried.err()?;
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Some(Error::CannotOpen {
            database: database.to_owned(),
            problem: OpenProblem::ReadOnly,
            source: Some(error.into()),
        }),
        ErrorKind::StorageFull => Some(Error::DiskFull { source: error.into() }),
        _ => None,
    }
}
