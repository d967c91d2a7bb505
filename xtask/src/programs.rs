//! Runs the test programs of the workspace side by side: many of them mostly wait. Not by cargo-nextest, which would
//! have to be compiled first, and whose process for each test would start a PostgreSQL server for each test.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::collected::{Ended, Stop, collect};
use crate::command::{Cargo, Failure};

/// The number of programs that run at a time on any machine. With more, tests that wait for other processes would wait
/// long on a small one.
pub(crate) const AT_ONCE: usize = 3;

/// The time after which a program that has not ended is taken to hang.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// The tests that take longest, longest first. They are started first, so that none of them runs alone at the end.
const LONGEST: [&str; 12] = [
    "ui",
    "conformance",
    "chaos",
    "cancellation",
    "faults",
    "interleavings",
    "soak",
    "broken",
    "cuts",
    "kills",
    "corruption",
    "plans",
];

/// A program that cargo has built to test something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    package: String,
    /// The name of the target, such as the one of a file in `tests`.
    target: String,
    kind: String,
    executable: PathBuf,
    manifest: PathBuf,
}

/// Builds the programs of a `cargo test --no-run`.
pub(crate) fn build(cargo: Cargo) -> Result<Vec<Program>, Failure> {
    let messages = cargo.args(&["--message-format=json-render-diagnostics".to_owned()]).output()?;
    let messages = String::from_utf8_lossy(&messages);
    let messages = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
    Ok(messages.filter_map(|message| Program::of(&message)).collect())
}

/// Runs all programs, at most `at_once` at a time, and prints the output of each when it ends.
///
/// # Errors
/// The names of all programs that failed.
pub(crate) fn run(
    programs: Vec<Program>,
    at_once: usize,
    arguments: &[&str],
) -> Result<(), Failure> {
    let number = programs.len();
    let stop = Stop::default();
    let failed = side_by_side(longest_first(programs), at_once, |program| {
        let name = program.name();
        match collect(program.command(arguments), LIMIT, &stop) {
            Ok(ended) => {
                ended.print(&name);
                failure(&name, &ended)
            }
            Err(error) => Some(format!("{name}: cannot be run: {error}")),
        }
    });
    if failed.is_empty() {
        eprintln!("all {number} test programs passed");
        return Ok(());
    }
    let count = failed.len();
    Err(Failure(format!("{count} of {number} test programs failed:\n  {}", failed.join("\n  "))))
}

fn failure(name: &str, ended: &Ended) -> Option<String> {
    (!ended.how.is_success())
        .then(|| format!("{name}: {} after {} s", ended.how, ended.took.as_secs()))
}

/// Puts the programs that are known to take long before the others.
fn longest_first(mut programs: Vec<Program>) -> VecDeque<Program> {
    let rank = |program: &Program| LONGEST.iter().position(|name| *name == program.target);
    programs.sort_by_key(|program| rank(program).unwrap_or(LONGEST.len()));
    programs.into()
}

/// Does each of the tasks, in their order, `at_once` at a time, and returns what they returned.
fn side_by_side<T: Send, R: Send>(
    tasks: VecDeque<T>,
    at_once: usize,
    run: impl Fn(T) -> Option<R> + Sync,
) -> Vec<R> {
    let tasks = Mutex::new(tasks);
    let next = || tasks.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let returned = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once.max(1) {
            scope.spawn(|| {
                while let Some(task) = next() {
                    let result = run(task);
                    returned.lock().unwrap_or_else(PoisonError::into_inner).extend(result);
                }
            });
        }
    });
    returned.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Program {
    /// Reads one of cargo's messages, if it announces a program that tests something.
    fn of(message: &Value) -> Option<Self> {
        if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
            return None;
        }
        let manifest = PathBuf::from(message["manifest_path"].as_str()?);
        Some(Self {
            package: package(message["package_id"].as_str()?, &manifest)?,
            target: message["target"]["name"].as_str()?.to_owned(),
            kind: message["target"]["kind"][0].as_str()?.to_owned(),
            executable: message["executable"].as_str()?.into(),
            manifest,
        })
    }

    fn name(&self) -> String {
        let Self { package, target, kind, .. } = self;
        match kind.as_str() {
            "test" | "bench" | "example" | "bin" => format!("{package} --{kind} {target}"),
            _ => format!("{package} --lib"),
        }
    }

    /// Returns the command, in the folder and with the variables that cargo gives it.
    fn command(&self, arguments: &[&str]) -> Command {
        let folder = self.manifest.parent().unwrap_or(Path::new("."));
        let mut command = Command::new(&self.executable);
        command.args(arguments).current_dir(folder);
        // Those of this program, which cargo runs as well.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_") {
                command.env_remove(name);
            }
        }
        command
            .env("CARGO_MANIFEST_DIR", folder)
            .env("CARGO_MANIFEST_PATH", &self.manifest)
            .env("CARGO_PKG_NAME", &self.package);
        command
    }
}

/// Returns a package's name: `path+file:///folder#name@0.1.0`, or `path+file:///name#0.1.0`.
fn package(id: &str, manifest: &Path) -> Option<String> {
    let (_, specification) = id.rsplit_once('#')?;
    match specification.split_once('@') {
        Some((name, _)) => Some(name.to_owned()),
        None => Some(manifest.parent()?.file_name()?.to_str()?.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use serde_json::json;

    use super::*;

    fn program(target: &str, executable: &str) -> Program {
        let (package, kind) = ("core".to_owned(), "test".to_owned());
        let manifest = std::env::temp_dir().join("Cargo.toml");
        Program {
            package,
            target: target.to_owned(),
            kind,
            executable: executable.into(),
            manifest,
        }
    }

    #[test]
    fn the_longest_come_first_and_none_is_lost() {
        let names = ["api", "ui", "macros", "chaos", "other", "conformance", "conformance"];
        let programs = names.map(|name| program(name, "true")).to_vec();
        let ordered = longest_first(programs);
        let ordered: Vec<_> = ordered.iter().map(|program| program.target.as_str()).collect();
        let expected = ["ui", "conformance", "conformance", "chaos", "api", "macros", "other"];
        assert_eq!(ordered, expected);
    }

    #[test]
    fn every_task_is_done_once() {
        for at_once in [0, 1, 3, 50] {
            let mut done = side_by_side((0..20).collect(), at_once, Some);
            done.sort_unstable();
            assert_eq!(done, (0..20).collect::<Vec<_>>(), "{at_once} at once");
        }
    }

    #[test]
    fn tasks_run_side_by_side() {
        // None of them gets past it alone.
        let barrier = Barrier::new(3);
        let done = side_by_side((0..6).collect(), 3, |task| {
            barrier.wait();
            Some(task)
        });
        assert_eq!(done.len(), 6);
    }

    #[test]
    fn every_failed_program_is_named_and_the_others_still_run() {
        let programs = vec![
            program("first", "false"),
            program("second", "true"),
            program("third", "/nonexistent"),
            program("fourth", "false"),
        ];
        let Failure(failure) = run(programs, 2, &[]).expect_err("three fail");
        assert!(failure.starts_with("3 of 4 test programs failed:"), "{failure}");
        for name in ["first: failed", "third: cannot be run", "fourth: failed"] {
            assert!(failure.contains(&format!("core --test {name}")), "{failure}");
        }
        assert!(!failure.contains("second"), "{failure}");
        run(vec![program("second", "true")], 2, &[]).map_err(|failure| failure.0).expect("true");
    }

    #[test]
    fn cargo_announces_the_programs() {
        let message = json!({
            "reason": "compiler-artifact",
            "package_id": "path+file:///work/evercore/core#0.1.0",
            "manifest_path": "/work/evercore/core/Cargo.toml",
            "target": { "kind": ["test"], "name": "api" },
            "profile": { "test": true },
            "executable": "/work/evercore/target/debug/deps/api-1234",
        });
        let program = Program::of(&message).expect("it is a program");
        assert_eq!(program.name(), "core --test api");
        assert_eq!(program.executable, Path::new("/work/evercore/target/debug/deps/api-1234"));

        let mut named = message.clone();
        named["package_id"] = json!("path+file:///work/evercore/folder#core@0.1.0");
        named["target"]["kind"] = json!(["lib"]);
        assert_eq!(Program::of(&named).expect("it is a program").name(), "core --lib");

        let no_test = json!({ "test": false });
        for (field, value) in [("profile", &no_test), ("executable", &Value::Null)] {
            let mut other = message.clone();
            other[field] = value.clone();
            assert_eq!(Program::of(&other), None, "{field}");
        }
    }
}
