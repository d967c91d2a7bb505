//! The short form of `cargo xtask soak`. Each run is a separate process, so that only its own resources count.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

const ROUNDS: &str = "15";

/// The rounds of a run that decides whether growth was a leak: that goes on, while the memory of a busy machine rises and
/// falls.
const MANY_ROUNDS: &str = "45";

/// The kind of resource.
enum Outcome {
    Flat,
    Grew(Vec<String>),
}

/// Each run depends on timing.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn run(engine: &str, rounds: &str, more: &[&str]) -> Outcome {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env!("CARGO_BIN_EXE_evercore-soak"))
        .args(["--engine", engine, "--rounds", rounds])
        .args(more)
        .output()
        .expect("it starts");
    let table = String::from_utf8_lossy(&output.stdout);
    println!("{table}");
    let grown = table.lines().filter(|line| line.ends_with("GREW"));
    let grown: Vec<_> = grown.map(|line| line.trim_start().to_owned()).collect();
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Outcome::Flat,
        Some(1) if !grown.is_empty() => Outcome::Grew(grown),
        _ => panic!("it failed: {said}"),
    }
}

fn assert_nothing_grows(engine: &str) {
    if let Outcome::Grew(_) = run(engine, ROUNDS, &[])
        && let Outcome::Grew(grown) = run(engine, MANY_ROUNDS, &[])
    {
        panic!("{grown:#?}");
    }
}

fn assert_caught(engine: &str, leak: &str, kind: &str) {
    match run(engine, ROUNDS, &["--leak", leak]) {
        Outcome::Flat => panic!("a leak of {leak} was not caught"),
        Outcome::Grew(grown) => {
            assert!(grown.iter().any(|line| line.starts_with(kind)), "{kind}: {grown:#?}");
        }
    }
}

#[test]
fn nothing_grows_on_memory() {
    assert_nothing_grows("memory");
}

#[test]
fn nothing_grows_on_sqlite() {
    assert_nothing_grows("sqlite");
}

#[test]
fn no_resource_grows_on_postgres() {
    assert_nothing_grows("postgres");
}

#[test]
fn leaks_of_each_kind_are_caught() {
    assert_caught("memory", "memory", "memory");
    assert_caught("memory", "tasks", "tasks");
    assert_caught("memory", "handles", "handles");
}

#[test]
fn leaked_stores_are_caught_on_sqlite() {
    assert_caught("sqlite", "stores", "threads");
}

#[test]
fn leaked_stores_are_caught_on_postgres() {
    assert_caught("postgres", "stores", "connections");
}
