//! Finds the server's programs.

use std::path::{Path, PathBuf};

use crate::Failure;

/// The variable that names the folder of the server's programs, to choose one of several versions.
const FOLDER_VARIABLE: &str = "EVERCORE_POSTGRES_BIN";

/// The folder of the server's programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Returns the folder that `EVERCORE_POSTGRES_BIN` names, or the newest installed version.
    ///
    /// # Errors
    /// [`Failure::NotInstalled`] if there is none.
    pub fn find() -> Result<Self, Failure> {
        if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
            return Self::in_folder(PathBuf::from(folder)).ok_or(Failure::NotInstalled);
        }
        Self::installed().pop().ok_or(Failure::NotInstalled)
    }

    /// Returns all versions installed in the usual places, oldest first; one on the `PATH` comes first.
    #[must_use]
    pub fn installed() -> Vec<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&path).filter_map(Self::in_folder).take(1);
        let mut versioned: Vec<(u32, Self)> =
            ["/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt"]
                .iter()
                .filter_map(|root| std::fs::read_dir(root).ok())
                .flatten()
                .filter_map(|entry| {
                    let folder = entry.ok()?.path();
                    let version = version_of(&folder)?;
                    Some((version, Self::in_folder(folder.join("bin"))?))
                })
                .collect();
        versioned.sort_by_key(|(version, _)| *version);
        on_path.chain(versioned.into_iter().map(|(_, binaries)| binaries)).collect()
    }

    /// Returns the folder if it holds a server's programs. If it holds links to them, returns the folder that the links
    /// lead to, which has all programs of the version.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Option<Self> {
        let complete = |folder: &Path| {
            ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file())
        };
        let linked = folder.join("postgres").canonicalize().ok()?.parent()?.to_path_buf();
        [linked, folder].into_iter().find(|folder| complete(folder)).map(|folder| Self { folder })
    }

    /// Returns the path of a program of the server; one that is not in the folder is looked up on the `PATH`.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let program = self.folder.join(name);
        if program.is_file() { program } else { PathBuf::from(name) }
    }
}

/// Returns the version in a folder's name: `15` for `/usr/lib/postgresql/15` and `/opt/homebrew/opt/postgresql@15`.
fn version_of(folder: &Path) -> Option<u32> {
    let name = folder.file_name()?.to_str()?;
    name.rsplit('@').next()?.parse().ok()
}
