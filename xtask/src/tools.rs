//! Installs the subcommands of cargo that do not come with it.

use std::env::{join_paths, split_paths, var_os};
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::{Failure, cargo};

/// The folder in which missing ones are installed.
const ROOT: &str = "target/tools";

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
    ///
    /// A missing tool is compiled without optimisation, which is quicker: it has little to do.
    pub(crate) fn path(self) -> Result<OsString, Failure> {
        let ours = Path::new(ROOT).join("bin");
        let theirs = var_os("PATH").unwrap_or_default();
        let path = join_paths([ours].into_iter().chain(split_paths(&theirs)))
            .map_err(|error| Failure(format!("the search path cannot be used: {error}")))?;
        if !self.is_on(&path) {
            let Self { name, version } = self;
            eprintln!("{name} is not on this machine: compiling it into {ROOT}, once");
            cargo(&format!("install --quiet --locked --debug --root {ROOT} {name}@{version}"))
                .run()?;
        }
        Ok(path)
    }

    fn is_on(self, path: &OsString) -> bool {
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
