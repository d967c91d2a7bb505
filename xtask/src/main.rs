//! Runs the chores of this repository: `cargo xtask test`, `ci`, `deny`, `chaos`, `simulate`, `soak`, `fuzz`,
//! `mutants`, `bench`, `db`, `layers`, `circles`.

mod circles;
mod command;
mod database;
mod fuzz;
mod layers;
mod limits;
mod metadata;
mod mutants;
mod packing;
mod simulate;
mod statements;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use command::{Failure, cargo};
use database::TestDatabase;
use packing::Packing;

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
    Test {
        /// Leave out tests that need PostgreSQL.
        #[arg(long)]
        no_postgres: bool,
    },
    /// Run the checks of continuous integration: formatting, lints, docs, layers and packages, then the tests.
    Ci,
    /// Kill, stop and restart workers that follow a log, and check that nothing was lost. `--help` lists the options.
    #[command(disable_help_flag = true)]
    Chaos {
        /// For the program: `--seconds 60`, `--engine sqlite`, `--seed 7`, `--without-fence`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Let workers follow a log under a seeded simulation, in virtual time and on all processors.
    Simulate(simulate::Options),
    /// Work for long, and measure whether memory, tasks, threads, file handles or connections grow.
    #[command(disable_help_flag = true)]
    Soak {
        /// For the program: `--minutes 30`, `--engine sqlite`, `--leak tasks`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Run coverage-guided fuzzing. Needs a nightly compiler.
    Fuzz {
        /// The minutes for each target.
        #[arg(long, default_value_t = 5)]
        minutes: u64,
        /// Only this target.
        #[arg(long)]
        target: Option<String>,
    },
    /// Make small changes to the code that the guarantees depend on, and check that a test fails.
    Mutants {
        /// Only this group: `core`, `sqlite` or `postgres`.
        #[arg(long)]
        group: Option<String>,
        /// For cargo-mutants: `--re src/key.rs`, `--list`, `--shard 1/8`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Check licences, bans and sources of the dependencies.
    Deny,
    /// Start a throw-away PostgreSQL for development, print its URL, and remove it at the end of input.
    Db,
    /// Run the benchmarks; `cargo xtask bench --help` lists them.
    Bench {
        /// Options for the program of the bench crate.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Check that dependencies between the crates run one way, that no value is put into the text of a statement, and
    /// that the table of limits matches the code.
    Layers,
    /// Check that no modules of the core and of the engines with a database import each other.
    Circles,
}

fn main() -> ExitCode {
    let outcome = match Chores::parse().chore {
        Chore::Test { no_postgres } => test(no_postgres),
        Chore::Ci => ci(),
        Chore::Deny => deny(),
        Chore::Chaos { options } => program("evercore-chaos", &options),
        Chore::Simulate(options) => simulate::run(&options),
        Chore::Soak { options } => program("evercore-soak", &options),
        Chore::Fuzz { minutes, target } => fuzz::run(minutes, target.as_deref()),
        Chore::Mutants { group, options } => mutants::run(group.as_deref(), &options),
        Chore::Db => database::serve(),
        Chore::Bench { options } => bench(&options),
        Chore::Layers => repository(),
        Chore::Circles => circles::check(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn bench(options: &[String]) -> Result<(), Failure> {
    if options.iter().any(|option| option == "--peers") {
        cargo("build --quiet --release --manifest-path benches/peers/Cargo.toml").run()?;
    }
    cargo("run --quiet --release --package evercore-benches --").args(options).run()
}

fn ci() -> Result<(), Failure> {
    cargo("fmt --all --check").run()?;
    repository()?;
    deny()?;
    cargo("clippy --workspace --all-targets -- -D warnings").run()?;
    cargo("doc --no-deps --workspace").env("RUSTDOCFLAGS", "-D warnings").run()?;
    let packing = Packing::start()?;
    test(false)?;
    packing.finish()
}

fn repository() -> Result<(), Failure> {
    layers::check()?;
    circles::check()?;
    statements::check()?;
    limits::check()
}

/// Checks licences, bans and sources. Advisories are left to the workflow: their database is on the internet and
/// changes daily.
fn deny() -> Result<(), Failure> {
    cargo("deny --all-features check --hide-inclusion-graph licenses bans sources")
        .env_os("PATH", &tools::DENY.path()?)
        .run()
}

/// Runs the program of a package.
fn program(package: &str, options: &[String]) -> Result<(), Failure> {
    cargo(&format!("run --quiet --package {package} --")).args(options).run()
}

fn test(no_postgres: bool) -> Result<(), Failure> {
    let database = if no_postgres { TestDatabase::left_out() } else { TestDatabase::start()? };
    let packages = database.packages();
    let left_out = database.left_out_tests();
    database.apply(cargo(&format!("test {packages} --all-targets{left_out}"))).run()?;
    database.apply(cargo(&format!("test {packages} --doc"))).run()?;
    // Tested alone as well: together with the other crates, the core has all features; alone it lacks the codecs, and
    // must report that.
    cargo("test --package evercore --test api --test ui").run()?;
    for url in database.example_urls() {
        cargo(&format!("run --quiet --example bank -- --db {url}")).run()?;
        cargo(&format!("run --quiet --example loans -- --db {url}")).run()?;
    }
    database.say_what_was_left_out();
    Ok(())
}
