//! Runs commands and reports failures.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::process::{Child, Command};
use std::time::Instant;

/// The reason why a chore did not finish.
pub(crate) struct Failure(pub(crate) String);

/// A cargo command, as it would be typed.
pub(crate) struct Cargo {
    words: String,
    command: Command,
}

/// A cargo command that is running.
pub(crate) struct Running {
    words: String,
    child: Child,
}

pub(crate) fn cargo(words: &str) -> Cargo {
    // Cargo sets the variable for the programs that it runs, so that they use the same cargo. A cargo of another
    // toolchain is found by rustup's.
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

    /// Adds words that a user has typed, each unchanged.
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
        let begun = Instant::now();
        let status = self.command.status().map_err(|error| failure(&self.words, error))?;
        eprintln!("  after {} s", begun.elapsed().as_secs());
        if status.success() { Ok(()) } else { Err(failure(&self.words, status)) }
    }

    pub(crate) fn output(mut self) -> Result<Vec<u8>, Failure> {
        let output = self.command.output().map_err(|error| failure(&self.words, error))?;
        let status = output.status;
        if status.success() { Ok(output.stdout) } else { Err(failure(&self.words, status)) }
    }

    /// Starts the command with the lowest priority.
    pub(crate) fn start(self) -> Result<Running, Failure> {
        eprintln!("$ cargo {} &", self.words);
        let mut behind = Command::new("nice");
        behind.arg("-n19").arg(self.command.get_program()).args(self.command.get_args());
        behind.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let child = behind.spawn().map_err(|error| failure(&self.words, error))?;
        Ok(Running { words: self.words, child })
    }
}

impl Running {
    /// Waits until the command has ended.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        eprintln!("$ wait # for cargo {}", self.words);
        let status = self.child.wait().map_err(|error| failure(&self.words, error))?;
        if status.success() { Ok(()) } else { Err(failure(&self.words, status)) }
    }

    /// Kills the command, unless it has ended.
    pub(crate) fn stop(&mut self) {
        // Fails if it has ended.
        let _: io::Result<()> = self.child.kill();
        let _: io::Result<_> = self.child.wait().map(drop);
    }
}

fn failure(words: &str, reason: impl fmt::Display) -> Failure {
    Failure(format!("`cargo {words}` failed: {reason}"))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
