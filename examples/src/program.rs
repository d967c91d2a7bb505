//! Programs that tests start and kill.

use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A test of the running test binary, in a process of its own. It is killed when this is dropped.
#[derive(Debug)]
pub struct Program(Child);

impl Program {
    /// Starts an ignored test, by its full name, with some variables in its environment.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(test: &str, variables: &[(&str, &str)]) -> io::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(["--exact", test, "--ignored", "--nocapture"])
            .envs(variables.iter().copied())
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    /// Fails if it has ended.
    ///
    /// # Errors
    /// How it has ended.
    pub fn check_runs(&mut self) -> io::Result<()> {
        match self.0.try_wait()? {
            None => Ok(()),
            Some(status) => Err(io::Error::other(format!("it ended too early: {status}"))),
        }
    }

    /// Sends it SIGKILL, which has to be what it ends of.
    ///
    /// # Errors
    /// How it had ended before.
    pub fn kill(mut self) -> io::Result<()> {
        self.0.kill()?;
        match self.0.wait()? {
            status if status.code().is_none() => Ok(()),
            status => Err(io::Error::other(format!("it had ended before: {status}"))),
        }
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// What the system says.
    pub fn ended(mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Most have ended by now; those of a test that failed have not.
        let _: io::Result<()> = self.0.kill();
        let _: io::Result<_> = self.0.wait();
    }
}
