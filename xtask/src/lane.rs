//! Runs cargo commands one after the other, beside other work.

use std::time::Duration;

use crate::collected::{Stop, collect};
use crate::command::{Cargo, Failure, failure};
use crate::phases::Phases;

/// The time after which a command that has not ended is taken to hang. With the lowest priority, one that compiles takes
/// long on a busy machine.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Runs all commands with the lowest priority, each as a phase, and prints the output of each when it ends.
///
/// # Errors
/// All commands that failed; one that fails does not keep the next from running.
pub(crate) fn run(commands: Vec<Cargo>, phases: &Phases, stop: &Stop) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for cargo in commands {
        if stop.is_set() {
            break;
        }
        let words = cargo.words();
        let ended = phases.measure(&words, || collect(cargo.behind(), LIMIT, stop));
        match ended {
            Ok(ended) => {
                ended.print(&words);
                if !ended.how.is_success() {
                    failures.push(failure(&words, ended.how));
                }
            }
            Err(error) => failures.push(failure(&words, error)),
        }
    }
    Failure::all(failures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::cargo;

    #[test]
    fn a_failed_command_is_named_and_the_next_one_still_runs() {
        let phases = Phases::start();
        let commands = vec![cargo("no-such-chore"), cargo("--version")];
        let failure = run(commands, &phases, &Stop::default()).expect_err("there is no such chore");
        assert!(failure.0.starts_with("`cargo no-such-chore` failed"), "{failure}");
        assert!(phases.table().contains("cargo --version"), "{}", phases.table());
    }

    #[test]
    fn nothing_is_begun_after_the_stop() {
        let (phases, stop) = (Phases::start(), Stop::default());
        stop.stop();
        run(vec![cargo("no-such-chore")], &phases, &stop)
            .map_err(|failure| failure.0)
            .expect("none");
    }
}
