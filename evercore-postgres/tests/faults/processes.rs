//! Server processes that end: all of them, those that serve the store, and any single one that is killed.

use evercore::error::OpenProblem;
use evercore::{Error, EventStore};
use evercore_testing::history::Violation;
use throwaway_postgres::Server;

use crate::storm::Storm;
use crate::{connect, done, execute, faults, number, server};

/// Stops the server as a power failure would, and starts it again.
fn crash(server: &mut Server) {
    tokio::task::block_in_place(|| {
        done(server.crash());
        done(server.restart());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_where_the_server_stops_at_once() {
    let mut server = server(&[]);
    let storm = Storm::start(&server.url()).await;
    for _ in 0..faults(3) {
        storm.rage().await;
        crash(&mut server);
    }
    storm.rage().await;
    let tally = storm.end_well().await;
    assert!(tally.interrupted() > 0, "the control: no client has noticed anything");
}

/// Settings under which only commits would flush their writes, so that `synchronous_commit` makes the difference.
const LAZY: [&str; 5] = [
    "synchronous_commit=off",
    "wal_writer_delay=10s",
    "bgwriter_lru_maxpages=0",
    "wal_level=minimal",
    "max_wal_senders=0",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_acknowledges_before_it_flushes_is_caught() {
    let mut server = server(&LAZY);
    let mut storm = Storm::start(&format!("{}?lost_commits=accepted", server.url())).await;
    storm.rage().await;
    // Flushes the store's creation, so that only commits are lost.
    execute(&mut connect(&server).await, "CHECKPOINT").await;
    storm.rage().await;
    storm.stop_writing().await;
    crash(&mut server);
    let verdict = storm.judge().await;
    println!("{verdict}");
    let is_lost = |found: &Violation| matches!(found, Violation::Lost { .. });
    assert!(verdict.violations().iter().any(is_lost), "the control: {verdict}");
}

#[tokio::test]
async fn a_server_that_acknowledges_before_it_flushes_is_refused() {
    let server = server(&["synchronous_commit=off", "fsync=off"]);
    let refused = EventStore::connect(server.url()).await;
    let Err(Error::CannotOpen { problem: OpenProblem::LosesCommits { setting }, .. }) = refused
    else {
        panic!("{refused:?}")
    };
    assert!(setting.contains("`lost_commits=accepted` in the URL"), "{setting}");
    let accepted = EventStore::connect(format!("{}?lost_commits=accepted", server.url())).await;
    accepted.expect("the loss is accepted");

    // The role's setting counts, and a level below `on` is enough.
    execute(&mut connect(&server).await, "ALTER ROLE postgres SET synchronous_commit = local")
        .await;
    EventStore::connect(server.url()).await.expect("a crash of the server loses nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_where_the_processes_of_the_store_are_terminated() {
    let server = server(&["fsync=off"]);
    let storm = Storm::start(&server.url()).await;
    let mut sql = connect(&server).await;
    let mut terminated = 0;
    for _ in 0..faults(20) {
        storm.rage().await;
        terminated += number(
            &mut sql,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE application_name = 'evercore' AND random() < 0.7",
        )
        .await;
    }
    storm.rage().await;
    println!("{terminated} processes were terminated");
    let tally = storm.end_well().await;
    assert!(tally.interrupted() > 0, "the control: no client has noticed anything");
}

/// If one of its processes is killed, the server ends all others and recovers, because the killed process may have left
/// the shared memory inconsistent.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_where_a_process_of_the_server_is_killed() {
    let server = server(&[]);
    let storm = Storm::start(&server.url()).await;
    for _ in 0..faults(3) {
        storm.rage().await;
        let mut sql = connect(&server).await;
        let victim = number(
            &mut sql,
            "SELECT pid::bigint FROM pg_stat_activity WHERE pid <> pg_backend_pid()
             ORDER BY random() LIMIT 1",
        )
        .await;
        tokio::task::block_in_place(|| done(server.kill(victim)));
    }
    storm.rage().await;
    let tally = storm.end_well().await;
    assert!(tally.interrupted() > 0, "the control: no client has noticed anything");
}
