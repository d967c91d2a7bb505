//! Starts and kills programs in tests.

use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A test of the running test binary, in a process of its own. The process is killed when this is dropped.
#[derive(Debug)]
pub struct Program(Child);

impl Program {
    /// Starts an ignored test, by its full name, with additional environment variables.
    ///
    /// # Errors
    /// The error of the system.
    pub fn start(test: &str, variables: &[(&str, &str)]) -> io::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(["--exact", test, "--ignored", "--nocapture"])
            .envs(variables.iter().copied())
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    /// Fails if the program has ended.
    ///
    /// # Errors
    /// An error with the exit status.
    pub fn check_runs(&mut self) -> io::Result<()> {
        match self.0.try_wait()? {
            None => Ok(()),
            Some(status) => {
                Err(io::Error::other(format!("the program exited too early: {status}")))
            }
        }
    }

    /// Sends SIGKILL to the program, and checks that this is what ended it.
    ///
    /// # Errors
    /// An error with the exit status, if the program had ended before.
    pub fn kill(mut self) -> io::Result<()> {
        self.0.kill()?;
        match self.0.wait()? {
            status if status.code().is_none() => Ok(()),
            status => Err(io::Error::other(format!("the program had already exited: {status}"))),
        }
    }

    /// Sends SIGTERM to the program.
    ///
    /// # Errors
    /// The error of the system.
    pub fn terminate(&self) -> io::Result<()> {
        let status = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("kill: {status}"))) }
    }

    /// Waits until the program ends.
    ///
    /// # Errors
    /// The error of the system.
    pub fn ended(mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Most programs have ended by now; that of a failed test may still run.
        let _: io::Result<()> = self.0.kill();
        let _: io::Result<_> = self.0.wait();
    }
}
