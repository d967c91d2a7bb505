//! Runs commands and reports failures.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The reason why a chore did not finish.
pub(crate) struct Failure(pub(crate) String);

/// A cargo command, as it would be typed.
pub(crate) struct Cargo {
    words: String,
    command: Command,
}

pub(crate) fn cargo(words: &str) -> Cargo {
    // Cargo sets the variable for the programs that it runs, so that they use the same cargo. A cargo of another
    // toolchain is found by rustup's.
    let is_anothers = words.starts_with('+');
    let own = std::env::var_os("CARGO").filter(|_| !is_anothers);
    let program = own.unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(words.split(' '));
    Cargo { words: format!("cargo {words}"), command }
}

/// Returns an example of the workspace that was built before, with its arguments.
pub(crate) fn built_example(target: &Path, name: &str, arguments: &[&str]) -> Cargo {
    let program = target.join("debug/examples").join(name);
    let mut command = Command::new(&program);
    command.args(arguments);
    Cargo { words: format!("{} {}", program.display(), arguments.join(" ")), command }
}

impl Cargo {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn env_os(mut self, name: &str, value: &OsStr) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds words that a user has typed, each unchanged.
    pub(crate) fn args(mut self, typed: &[String]) -> Self {
        for word in typed {
            self.words.push(' ');
            self.words.push_str(word);
        }
        self.command.args(typed);
        self
    }

    /// Returns the command as it would be typed.
    pub(crate) fn words(&self) -> String {
        self.words.clone()
    }

    pub(crate) fn run(mut self) -> Result<(), Failure> {
        eprintln!("$ {}", self.words());
        let begun = Instant::now();
        let status = self.command.status().map_err(|error| failure(&self.words(), error))?;
        eprintln!("  after {} s", begun.elapsed().as_secs());
        if status.success() { Ok(()) } else { Err(failure(&self.words(), status)) }
    }

    /// Runs the command, and returns its standard output. Errors are printed at once.
    pub(crate) fn output(mut self) -> Result<Vec<u8>, Failure> {
        let output = self
            .command
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| failure(&self.words(), error))?;
        let status = output.status;
        if status.success() { Ok(output.stdout) } else { Err(failure(&self.words(), status)) }
    }

    /// Returns the command with the lowest priority.
    pub(crate) fn behind(self) -> Command {
        let mut behind = Command::new("nice");
        behind.arg("-n19").arg(self.command.get_program()).args(self.command.get_args());
        behind.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        behind
    }
}

impl Failure {
    /// Returns all failures as one, if there are any.
    pub(crate) fn all(failures: Vec<Self>) -> Result<(), Self> {
        if failures.is_empty() {
            return Ok(());
        }
        let failures: Vec<_> = failures.into_iter().map(|failure| failure.0).collect();
        Err(Self(failures.join("\n")))
    }
}

pub(crate) fn failure(words: &str, reason: impl fmt::Display) -> Failure {
    Failure(format!("`{words}` failed: {reason}"))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
