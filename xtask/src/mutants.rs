//! Changes the code that holds the promises, a little at a time, and sees whether a test fails.

use crate::command::{Failure, cargo};
use crate::tools;

/// Crates whose code is changed, and the tests that judge it: theirs, and the fewest that cost no more than a minute.
struct Group {
    name: &'static str,
    packages: &'static [&'static str],
    tests: &'static [&'static str],
}

/// The engine in memory judges the core, and the core's tests that engine. Left out are the tests of compiler messages,
/// and on PostgreSQL those that crash servers.
const GROUPS: [Group; 3] = [
    Group {
        name: "core",
        packages: &["evercore", "evercore-memory"],
        tests: &[
            "api",
            "cancellation",
            "codecs",
            "conformance",
            "evolution",
            "faults",
            "macros",
            "rivals",
        ],
    },
    Group {
        name: "sqlite",
        packages: &["evercore-sqlite"],
        tests: &["cancellation", "conformance", "faults", "sqlite"],
    },
    Group {
        name: "postgres",
        packages: &["evercore-postgres"],
        tests: &[
            "conformance",
            "cuts",
            "failures",
            "frontier",
            "interleavings",
            "stores",
            "transactions",
        ],
    },
];

/// Runs one group or all, one after the other. The modules are in `.cargo/mutants.toml`.
pub(crate) fn run(only: Option<&str>, options: &[String]) -> Result<(), Failure> {
    let path = tools::MUTANTS.path()?;
    let chosen: Vec<_> =
        GROUPS.iter().filter(|group| only.is_none_or(|only| only == group.name)).collect();
    if chosen.is_empty() {
        let names = GROUPS.map(|group| group.name).join(", ");
        return Err(Failure(format!("there is no such group; there are {names}")));
    }
    for group in chosen {
        cargo(&group.words(options).join(" ")).env_os("PATH", &path).run()?;
    }
    Ok(())
}

impl Group {
    fn words(&self, options: &[String]) -> Vec<String> {
        let mut words = vec!["mutants".to_owned(), "--in-place".to_owned()];
        words.push(format!("--output=target/mutants/{}", self.name));
        for package in self.packages {
            words.push(format!("--package={package}"));
            words.push(format!("--test-package={package}"));
        }
        words.push("--cargo-test-arg=--lib".to_owned());
        words.extend(self.tests.iter().map(|test| format!("--cargo-test-arg=--test={test}")));
        words.extend(options.iter().cloned());
        words
    }
}
