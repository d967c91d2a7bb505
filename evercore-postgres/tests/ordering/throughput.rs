//! The cost of announcing floors: the same function with and without it.

use std::time::Duration;

use evercore::{EventStore, Expected, Stream};
use throwaway_postgres::{Binaries, Server};
use tokio::time::Instant;

use crate::log::{Counted, Counter, Log, create, execute};

const CONNECTIONS: u32 = 16;
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(2);

/// Two logs on one server take turns, so that other activity on the machine affects both.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, to be run alone and in a release build"]
async fn measure_the_cost_of_floors_for_writers() {
    let binaries = Binaries::find().unwrap_or_else(|failure| panic!("{failure}"));
    let server = Server::start(&binaries, &["fsync=on", "synchronous_commit=on"])
        .unwrap_or_else(|failure| panic!("{failure}"));
    let with = Log::on(server.url(), "floors").await;
    let without = Log::on(server.url(), "no_floors").await;
    let sql = format!(
        "CREATE OR REPLACE FUNCTION {}.announce_floor() RETURNS boolean
         LANGUAGE sql VOLATILE AS $$ SELECT true $$",
        without.schema
    );
    execute(&mut without.sql().await, sql).await;

    let (with, without) = (with.store(CONNECTIONS).await, without.store(CONNECTIONS).await);
    for store in [&with, &without] {
        commits_per_second(store).await;
    }
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (store, rates) in [&with, &without].into_iter().zip(&mut rates) {
            rates.push(commits_per_second(store).await);
        }
    }

    println!(
        "{CONNECTIONS} connections, a commit of one event each, fsync=on, synchronous_commit=on; {ROUNDS} rounds of \
         {ROUND:?} each, in turn"
    );
    let [with, without] = rates.map(median);
    println!("with floors    {with:.0} commits/s (median)");
    println!("without floors {without:.0} commits/s (median)");
    println!("ratio          {:.3}", with / without);
}

/// One writer per connection, so that they do not share transactions.
async fn commits_per_second(store: &EventStore) -> f64 {
    let end = Instant::now() + ROUND;
    let writers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let counter = create(&store).await;
                let mut commits = 0_u32;
                while Instant::now() < end {
                    let append =
                        store.append::<Counter, _>(Stream::Id(counter), Expected::Any, [Counted]);
                    append.await.expect("any state will do");
                    commits += 1;
                }
                commits
            })
        })
        .collect();
    let mut commits = 0;
    for writer in writers {
        commits += writer.await.expect("no writer fails");
    }
    f64::from(commits) / ROUND.as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
