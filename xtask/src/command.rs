//! Runs a command and says what failed.

use std::ffi::OsStr;
use std::fmt;
use std::process::Command;

/// Why a chore did not finish.
pub(crate) struct Failure(pub(crate) String);

/// A cargo command, given as it would be typed.
pub(crate) struct Cargo {
    words: String,
    command: Command,
}

pub(crate) fn cargo(words: &str) -> Cargo {
    // Set by cargo for the programs it runs: the same cargo again. Another toolchain's is found by rustup's.
    let is_anothers = words.starts_with('+');
    let own = std::env::var_os("CARGO").filter(|_| !is_anothers);
    let program = own.unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(words.split(' '));
    Cargo { words: words.to_owned(), command }
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

    /// Words that somebody has typed, each as it is.
    pub(crate) fn args(mut self, typed: &[String]) -> Self {
        for word in typed {
            self.words.push(' ');
            self.words.push_str(word);
        }
        self.command.args(typed);
        self
    }

    pub(crate) fn run(mut self) -> Result<(), Failure> {
        eprintln!("$ cargo {}", self.words);
        let status = self.command.status().map_err(|error| self.failure(error))?;
        if status.success() { Ok(()) } else { Err(self.failure(status)) }
    }

    pub(crate) fn output(mut self) -> Result<Vec<u8>, Failure> {
        let output = self.command.output().map_err(|error| self.failure(error))?;
        if output.status.success() { Ok(output.stdout) } else { Err(self.failure(output.status)) }
    }

    fn failure(&self, reason: impl fmt::Display) -> Failure {
        Failure(format!("`cargo {}` failed: {reason}", self.words))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
