//! The chores of this repository: `cargo xtask test`, `cargo xtask ci`.

mod command;
mod layers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use command::{Failure, cargo};

/// The chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Chores {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run every test: units, conformance, macros, docs, and the examples as programs.
    Test,
    /// What continuous integration runs: formatting, lints, docs, layers and packages, then the tests.
    Ci,
    /// Check that dependencies between the crates run one way.
    Layers,
}

fn main() -> ExitCode {
    let outcome = match Chores::parse().chore {
        Chore::Test => test(),
        Chore::Ci => ci(),
        Chore::Layers => layers::check(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn ci() -> Result<(), Failure> {
    cargo("fmt --all --check").run()?;
    layers::check()?;
    cargo("clippy --workspace --all-targets -- -D warnings").run()?;
    cargo("doc --no-deps --workspace").env("RUSTDOCFLAGS", "-D warnings").run()?;
    // Packed from the index as it is, so that a checkout with changes can be checked as well.
    cargo("package --workspace --exclude evercore-examples --exclude xtask --allow-dirty --quiet")
        .run()?;
    test()
}

fn test() -> Result<(), Failure> {
    cargo("test --workspace --all-targets").run()?;
    cargo("test --workspace --doc").run()?;
    cargo("run --quiet --example bank -- --db sqlite::memory:").run()?;
    cargo("run --quiet --example loans -- --db sqlite::memory:").run()
}
