//! Runs commands whose output is collected, so that commands can run side by side.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The time between two looks at a running command.
const PAUSE: Duration = Duration::from_millis(20);

/// Tells commands that run to stop.
#[derive(Debug, Default)]
pub(crate) struct Stop(AtomicBool);

/// The end of a command.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) how: How,
    /// Both the standard output and the errors.
    pub(crate) output: Vec<u8>,
    pub(crate) took: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    ByItself(ExitStatus),
    /// It had not ended within the limit, and was killed.
    Hung(Duration),
    /// It was killed because its result is not needed any more.
    Stopped,
}

impl Stop {
    pub(crate) fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs a command until it ends, reaches the limit, or is to stop.
///
/// The output goes to a file: with a pipe, a process that the command has left behind would be waited for.
pub(crate) fn collect(mut command: Command, limit: Duration, stop: &Stop) -> io::Result<Ended> {
    let mut file = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file.try_clone()?);
    let begun = Instant::now();
    let mut child = command.spawn()?;
    let how = loop {
        if let Some(status) = child.try_wait()? {
            break How::ByItself(status);
        }
        let gone = begun.elapsed();
        if stop.is_set() || gone > limit {
            child.kill()?;
            child.wait()?;
            break if gone > limit { How::Hung(limit) } else { How::Stopped };
        }
        sleep(PAUSE);
    };
    Ok(Ended { how, output: content(&mut file)?, took: begun.elapsed() })
}

fn content(file: &mut File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut content)?;
    Ok(content)
}

impl Ended {
    /// Prints all of the output under a heading, uninterrupted by the output of other commands.
    pub(crate) fn print(&self, heading: &str) {
        let output = String::from_utf8_lossy(&self.output);
        let (how, seconds) = (self.how, self.took.as_secs());
        println!("$ {heading}\n{}\n  {how} after {seconds} s: {heading}", output.trim_end());
    }
}

impl How {
    pub(crate) fn is_success(self) -> bool {
        matches!(self, Self::ByItself(status) if status.success())
    }
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ByItself(status) if status.success() => f.write_str("done"),
            Self::ByItself(status) => write!(f, "failed ({status})"),
            Self::Hung(limit) => write!(f, "killed, because it took longer than {limit:?},"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(600);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn all_output_of_a_failed_command_is_kept() {
        let ended = collect(shell("echo one; echo two >&2; exit 3"), LIMIT, &Stop::default());
        let ended = ended.expect("a shell runs");
        assert!(!ended.how.is_success());
        assert_eq!(ended.output, b"one\ntwo\n");
    }

    #[test]
    fn a_command_that_hangs_is_killed_with_its_output_kept() {
        let limit = Duration::from_millis(300);
        let ended = collect(shell("echo here; exec sleep 600"), limit, &Stop::default());
        let ended = ended.expect("a shell runs");
        assert_eq!((ended.how, ended.output), (How::Hung(limit), b"here\n".to_vec()));
    }

    #[test]
    fn a_process_left_behind_is_not_waited_for() {
        let ended = collect(shell("sleep 60 & echo gone"), LIMIT, &Stop::default());
        let ended = ended.expect("a shell runs");
        assert!(ended.how.is_success() && ended.took < Duration::from_secs(50));
    }

    #[test]
    fn a_command_can_be_stopped() {
        let stop = Stop::default();
        stop.stop();
        let ended = collect(shell("exec sleep 600"), LIMIT, &stop).expect("a shell runs");
        assert_eq!(ended.how, How::Stopped);
    }
}
