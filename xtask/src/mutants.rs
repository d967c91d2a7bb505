//! Makes small changes to the code that the guarantees depend on, and checks that a test fails.

use std::fs::create_dir_all;

use crate::command::{Failure, cargo};
use crate::tools;

/// The folder of the results, with a subfolder for each group.
const OUTPUT: &str = "target/mutants";

/// The time limit for a build or the tests, in seconds. A change that makes them wait forever is found by it.
const MOST_SECONDS: u32 = 300;

/// Crates whose code is changed, and the tests that must notice: their unit tests, and a few others that cost no more
/// than a minute.
struct Group {
    name: &'static str,
    packages: &'static [&'static str],
    /// Other packages that have some of the tests.
    judges: &'static [&'static str],
    tests: &'static [&'static str],
}

/// The groups. The engine in memory tests the core, and the core's tests test that engine; the simulation tests the
/// code that works through a subscription. Left out are the tests of compiler messages, and on PostgreSQL those that
/// crash servers.
const GROUPS: [Group; 5] = [
    Group {
        name: "core",
        packages: &["evercore", "evercore-memory"],
        judges: &["evercore-conformance"],
        tests: &[
            "api",
            "cancellation",
            "codecs",
            "conformance",
            "evolution",
            "faults",
            "macros",
            "rivals",
            "simulation",
        ],
    },
    Group {
        name: "process",
        packages: &["evercore-process", "evercore-testing"],
        judges: &[],
        tests: &["processes", "scenarios"],
    },
    Group {
        name: "services",
        packages: &["evercore-services"],
        judges: &[],
        tests: &["logs", "services"],
    },
    Group {
        name: "sqlite",
        packages: &["evercore-sqlite"],
        judges: &[],
        tests: &["cancellation", "conformance", "faults", "sqlite"],
    },
    Group {
        name: "postgres",
        packages: &["evercore-postgres"],
        judges: &[],
        tests: &[
            "conformance",
            "cuts",
            "decisions",
            "failures",
            "frontier",
            "interleavings",
            "stores",
            "transactions",
        ],
    },
];

/// Runs one group, or all of them one after the other. The modules are listed in `.cargo/mutants.toml`.
pub(crate) fn run(only: Option<&str>, options: &[String]) -> Result<(), Failure> {
    let path = tools::MUTANTS.path()?;
    let chosen: Vec<_> =
        GROUPS.iter().filter(|group| only.is_none_or(|only| only == group.name)).collect();
    if chosen.is_empty() {
        let names = GROUPS.map(|group| group.name).join(", ");
        return Err(Failure(format!("there is no such group; there are {names}")));
    }
    let unwritable = |error| Failure(format!("{OUTPUT} cannot be made: {error}"));
    create_dir_all(OUTPUT).map_err(unwritable)?;
    for group in chosen {
        // Run here, because cargo-mutants would test the unchanged code with its own packages' tests only.
        cargo(&group.unchanged().join(" ")).run()?;
        cargo(&group.words().join(" "))
            .args(options)
            .env_os("PATH", &path)
            // Failures of changed code must not be saved as regressions.
            .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
            .run()?;
    }
    Ok(())
}

impl Group {
    fn tested(&self) -> impl Iterator<Item = &str> {
        self.packages.iter().chain(self.judges).copied()
    }

    fn unchanged(&self) -> Vec<String> {
        let mut words = vec!["test --quiet --all-features --lib".to_owned()];
        words.extend(self.tested().map(|package| format!("--package={package}")));
        words.extend(self.tests.iter().map(|test| format!("--test={test}")));
        words
    }

    fn words(&self) -> Vec<String> {
        let mut words = vec!["mutants --in-place --baseline=skip".to_owned()];
        words.push(format!("--timeout={MOST_SECONDS}"));
        words.push(format!("--output={OUTPUT}/{}", self.name));
        words.extend(self.packages.iter().map(|package| format!("--package={package}")));
        words.extend(self.tested().map(|package| format!("--test-package={package}")));
        words.push("--cargo-test-arg=--lib".to_owned());
        words.extend(self.tests.iter().map(|test| format!("--cargo-test-arg=--test={test}")));
        words
    }
}
