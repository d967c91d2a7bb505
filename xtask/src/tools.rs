//! Installs the subcommands of cargo that do not come with it.

use std::env::{join_paths, split_paths, var_os};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::command::{Cargo, Failure, cargo};

/// A subcommand, as a package of crates.io.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    /// The name of the package and of the program.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

/// Checks licences, bans, sources and advisories.
pub(crate) const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };

/// Runs coverage-guided fuzzing.
pub(crate) const FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2" };

/// Builds programs with one small fault each, which a test must find.
pub(crate) const MUTANTS: Tool = Tool { name: "cargo-mutants", version: "27.1.0" };

impl Tool {
    /// Makes sure that the tool is installed, and returns the search path with which cargo finds it.
    pub(crate) fn path(self) -> Result<OsString, Failure> {
        let path = search_path()?;
        if let Some(installation) = self.installation(&path) {
            installation.run()?;
        }
        Ok(path)
    }

    /// Returns the command that installs the tool, unless it is on the path.
    ///
    /// It is compiled without optimisation and debug information, which is quicker: it has little to do.
    pub(crate) fn installation(self, path: &OsStr) -> Option<Cargo> {
        if self.is_on(path) {
            return None;
        }
        let Self { name, version } = self;
        let folder = self.folder();
        eprintln!("{name} is not on this machine: compiling it into {}, once", folder.display());
        let install = cargo(&format!("install --quiet --locked --debug {name}@{version}"));
        let install = install.env_os("CARGO_INSTALL_ROOT", folder.as_os_str());
        Some(install.env("CARGO_PROFILE_DEV_DEBUG", "none"))
    }

    /// Returns the folder in which this version is installed. All checkouts of a user share it.
    fn folder(self) -> PathBuf {
        let home = var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(PathBuf::from(var_os("HOME")?).join(".cargo")));
        let root = home.map_or_else(|| PathBuf::from("target"), |home| home.join("evercore"));
        root.join("tools").join(format!("{}-{}", self.name, self.version))
    }

    fn is_on(self, path: &OsStr) -> bool {
        let asked = Command::new(self.name)
            .arg("--version")
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        asked.is_ok()
    }
}

/// Returns the search path with which cargo finds tools, including those installed by this program.
pub(crate) fn search_path() -> Result<OsString, Failure> {
    let ours = [DENY, FUZZ, MUTANTS].map(|tool| tool.folder().join("bin"));
    let theirs = var_os("PATH").unwrap_or_default();
    join_paths(ours.into_iter().chain(split_paths(&theirs)))
        .map_err(|error| Failure(format!("the search path cannot be used: {error}")))
}
