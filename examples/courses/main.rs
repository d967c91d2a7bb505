//! Subscribes students to courses: a course has few seats, and a student takes at most five courses.
//!
//! ```sh
//! cargo run -p evercore-examples --example courses
//! cargo run -p evercore-examples --example courses -- sqlite://courses.db
//! cargo run -p evercore-examples --example courses -- postgres://localhost/school
//! ```
//!
//! Neither rule belongs to one aggregate, so the events belong to none: they have tags, and each decision rests on the
//! events that it has found by them. In the end, 16 clients want the same few seats at once. No course is ever
//! overfilled, and no student has too many courses.

mod domain;
mod storm;

use clap::Parser;
use evercore::{CommandError, EventStore};
use evercore_memory as _;
use evercore_postgres as _;
use evercore_sqlite as _;

use domain::{Define, Refused, Seats, Subscribe};

/// Subscribes students to courses.
#[derive(Parser)]
struct Args {
    /// The database.
    #[arg(default_value = "memory:")]
    url: String,

    /// The number of subscriptions that each of the clients tries.
    #[arg(long, default_value_t = 50)]
    tries: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { url, tries } = Args::parse();
    let store = EventStore::connect(url).await?;
    story(&store).await?;
    let storm = storm::run(&store, tries).await?;
    println!("16 clients tried {tries} times each: {} got a seat", storm.landed);
    for (refused, times) in &storm.refused {
        println!("  {times} were refused: {refused}");
    }
    println!("{} courses are full, and none is overfilled", storm.full);
    store.close().await?;
    Ok(())
}

/// Runs a few commands one after the other.
async fn story(store: &EventStore) -> anyhow::Result<()> {
    let course = "ALG-101".to_owned();
    for capacity in [2, 3] {
        let define = Define { course: course.clone(), capacity };
        let done = store.execute_on(Seats::of(&course), define).await;
        said(&format!("define {course} with {capacity} seats"), done)?;
    }
    for student in ["Ada", "Bob", "Cleo"] {
        let command = Subscribe { course: course.clone(), student: student.to_owned() };
        let done = store.execute_on(command.keys(), command).await;
        said(&format!("subscribe {student}"), done)?;
    }
    Ok(())
}

/// Prints the answer to a command. A rejection is an answer as well.
fn said<T>(command: &str, answer: Result<T, CommandError<Refused>>) -> anyhow::Result<()> {
    match answer {
        Ok(_) => println!("{command}: done"),
        Err(CommandError::Rejected(refused)) => println!("{command}: {refused}"),
        Err(CommandError::Store(error)) => return Err(error.into()),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
