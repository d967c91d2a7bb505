//! Runs the chores of this repository: `cargo xtask test`, `ci`, `deny`, `chaos`, `simulate`, `soak`, `fuzz`,
//! `mutants`, `bench`, `db`, `layers`, `circles`.

mod circles;
mod collected;
mod command;
mod database;
mod fuzz;
mod lane;
mod layers;
mod limits;
mod metadata;
mod mutants;
mod packing;
mod phases;
mod programs;
mod simulate;
mod statements;
mod tools;

use std::ffi::OsStr;
use std::process::ExitCode;
use std::thread;

use clap::{Parser, Subcommand};

use collected::Stop;
use command::{Cargo, Failure, built_example, cargo};
use database::TestDatabase;
use metadata::target_directory;
use packing::Packing;
use phases::Phases;

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
    /// Run the checks of continuous integration: formatting, lints, docs, layers, packages and all tests.
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
        Chore::Deny => tools::DENY.path().and_then(|path| deny(&path).run()),
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
    let phases = Phases::start();
    let outcome = check_all(&phases);
    eprint!("{}", phases.table());
    outcome
}

fn check_all(phases: &Phases) -> Result<(), Failure> {
    phases.measure("formatting", || cargo("fmt --all --check").run())?;
    phases.measure("repository", repository)?;
    let packing = Packing::new();
    let path = tools::search_path()?;
    let apart = [tools::DENY.installation(&path), Some(deny(&path)), Some(packing.command())];
    let lints = vec![
        cargo("clippy --workspace --all-targets -- -D warnings"),
        cargo("doc --no-deps --workspace").env("RUSTDOCFLAGS", "-D warnings"),
    ];
    let apart = apart.into_iter().flatten().collect();
    run_tests(&TestDatabase::start()?, phases, lints, apart)
}

fn repository() -> Result<(), Failure> {
    layers::check()?;
    circles::check()?;
    statements::check()?;
    limits::check()
}

/// Checks licences, bans and sources. Advisories are left to the workflow: their database is on the internet and
/// changes daily.
fn deny(path: &OsStr) -> Cargo {
    cargo("deny --all-features check --hide-inclusion-graph licenses bans sources")
        .env_os("PATH", path)
}

/// Runs the program of a package.
fn program(package: &str, options: &[String]) -> Result<(), Failure> {
    cargo(&format!("run --quiet --package {package} --")).args(options).run()
}

fn test(no_postgres: bool) -> Result<(), Failure> {
    let database = if no_postgres { TestDatabase::left_out() } else { TestDatabase::start()? };
    let phases = Phases::start();
    let outcome = run_tests(&database, &phases, Vec::new(), Vec::new());
    eprint!("{}", phases.table());
    outcome
}

/// Builds all tests and runs them. Other commands use the processor time that they leave, as most tests wait: those of
/// `apart` from the beginning, as they have target folders of their own, and those of `lints` from the end of the build.
fn run_tests(
    database: &TestDatabase,
    phases: &Phases,
    lints: Vec<Cargo>,
    apart: Vec<Cargo>,
) -> Result<(), Failure> {
    let stop = Stop::default();
    let other_tests = other_tests(database)?;
    let outcomes = thread::scope(|scope| {
        let apart = scope.spawn(|| lane::run(apart, phases, &stop));
        let build = cargo(&format!("test {} --all-targets --no-run", database.packages()));
        let programs = phases
            .measure("build of the tests", || programs::build(build))
            .inspect_err(|_| stop.stop())?;
        let beside = lints.into_iter().chain(other_tests).collect();
        let beside = scope.spawn(|| lane::run(beside, phases, &stop));
        let tests = phases.measure("test programs", || {
            let at_once = database.programs_at_once(programs::AT_ONCE);
            programs::run(programs, at_once, database.left_out_tests())
        });
        let joined = [beside, apart].map(|lane| lane.join().expect("BUG: a lane panicked"));
        Ok([tests].into_iter().chain(joined).filter_map(Result::err).collect())
    })?;
    database.say_what_was_left_out();
    Failure::all(outcomes)
}

/// Returns the tests that are no programs of `cargo test --workspace --all-targets`.
fn other_tests(database: &TestDatabase) -> Result<Vec<Cargo>, Failure> {
    let target = target_directory()?;
    let mut tests = vec![
        database.apply(cargo(&format!("test {} --doc --no-fail-fast", database.packages()))),
        // Tested alone as well: together with the other crates, the core has all features; alone it lacks the codecs,
        // and must report that. Of the mistakes with macros, only those that depend on it are made again.
        cargo("test --package evercore --test api"),
        cargo("test --package evercore --test ui -- every_mistake trybuild=without_codecs"),
    ];
    // Built with all packages, so that what the tests have compiled is used again.
    tests.push(cargo("build --quiet --workspace --examples --features evercore-bank/postgres"));
    tests.push(built_example(&target, "courses", &[]));
    tests.push(built_example(&target, "order-processing", &[]));
    for url in database.example_urls() {
        tests.push(built_example(&target, "bank", &[&url]));
        tests.push(built_example(&target, "loans", &["--db", &url]));
        tests.push(built_example(&target, "courses", &[&url]));
        tests.push(built_example(&target, "order-processing", &[&url]));
    }
    Ok(tests)
}
