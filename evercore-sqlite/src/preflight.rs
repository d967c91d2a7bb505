//! Looks at the file before SQLite does: its messages do not tell these cases apart.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

use evercore::{Error, OpenProblem, Result};

use crate::options::MissingFile;

/// Refuses a path that cannot be a database to write to. Leaves everything as it is. Blocks.
pub(crate) fn check(path: &Path, database: &str, missing_file: MissingFile) -> Result<()> {
    look(path, missing_file).map_err(|(problem, source)| match source {
        Some(source) if source.kind() == ErrorKind::StorageFull => {
            Error::DiskFull { source: source.into() }
        }
        source => Error::CannotOpen {
            database: database.to_owned(),
            problem,
            source: source.map(Into::into),
        },
    })
}

fn look(path: &Path, missing_file: MissingFile) -> Result<(), (OpenProblem, Option<io::Error>)> {
    match path.metadata() {
        Ok(found) if found.is_dir() => Err((OpenProblem::IsDirectory, None)),
        Ok(_) => OpenOptions::new().read(true).write(true).open(path).map(drop).map_err(explain),
        Err(error) if error.kind() == ErrorKind::NotFound => look_at_folder(path, missing_file),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            Err((OpenProblem::NoSuchFolder, Some(error)))
        }
        Err(error) => Err(explain(error)),
    }
}

fn look_at_folder(
    path: &Path,
    missing_file: MissingFile,
) -> Result<(), (OpenProblem, Option<io::Error>)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        return Err((OpenProblem::NoSuchFolder, None));
    }
    match missing_file {
        // An empty file is an empty database: what SQLite would do next, but with a telling error.
        MissingFile::Create => match File::create_new(path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(explain(error)),
        },
        MissingFile::Refuse => {
            let error = io::Error::new(ErrorKind::NotFound, "there is no such file");
            Err((OpenProblem::Other, Some(error)))
        }
    }
}

fn explain(error: io::Error) -> (OpenProblem, Option<io::Error>) {
    let problem = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => OpenProblem::ReadOnly,
        _ => OpenProblem::Other,
    };
    (problem, Some(error))
}
