//! Live, ready, and not ready for each reason.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evercore::{Error, EventStore, FailurePolicy, ManualClock, RecordedEvent, Result, each};
use evercore_memory::MemoryEngine;
use evercore_sqlite::{SqliteEngine, SqliteOptions};
use evercore_web::Health;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::client::{Answer, Server};
use crate::engine::{Mood, Watched};
use crate::{lamps, until};

/// Waits until the answer to the readiness probe is as wanted. Answers are kept for a second.
async fn until_ready_is(server: &Server, what: &str, is_it: impl Fn(&Answer) -> bool) -> Value {
    let answer = until(what, async || {
        let answer = server.get("/health/ready").await;
        is_it(&answer).then_some(answer)
    });
    answer.await.json()
}

async fn until_ready(server: &Server) -> Value {
    until_ready_is(server, "it is ready", |answer| answer.status == 200).await
}

async fn until_not_ready(server: &Server) -> Value {
    until_ready_is(server, "it is not ready", |answer| answer.status == 503).await
}

/// Returns the entry of a subscription.
fn of<'a>(ready: &'a Value, name: &str) -> &'a Value {
    let entries = ready["subscriptions"].as_array().expect("a list");
    entries.iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("{ready}"))
}

/// A handler that waits before each event until it is let through.
fn gated(open: &watch::Sender<bool>) -> impl evercore::Handler + use<> {
    let open = open.subscribe();
    each(async move |_: RecordedEvent| {
        let mut open = open.clone();
        open.wait_for(|open| *open).await.map(drop)
    })
}

#[tokio::test]
async fn a_store_is_ready_and_says_what_its_subscriptions_do() -> Result<()> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    lamps::create(&store).await?;
    let handler = each(async |_: RecordedEvent| Ok::<_, Error>(()));
    let worker = store.subscription("letters").owner("ada").spawn(handler)?;
    store.wait_until_idle("letters").await?;
    let server = Server::start(Health::new(&store).router()).await;
    let ready = server.get("/health/ready").await;
    assert_eq!((ready.status, &*ready.content_type), (200, "application/json"));
    let ready = ready.json();
    assert_eq!(ready["ready"], true);
    assert_eq!(ready["database"]["reachable"], true);
    assert!(ready["database"]["seconds"].as_f64().is_some_and(|seconds| seconds < 2.0), "{ready}");
    let expected = json!({
        "name": "letters",
        "ready": true,
        "condition": "running",
        "lag": 0,
        "lag_seconds": 0.0,
        "parked": 0,
        "owners": ["ada"],
        "not_ready_because": [],
    });
    assert_eq!(of(&ready, "letters"), &expected);
    worker.shutdown().await
}

#[tokio::test]
async fn a_store_is_not_ready_while_a_subscription_is_late() -> Result<()> {
    let clock = a_clock();
    let store = EventStore::builder().clock(clock.clone()).open(MemoryEngine::new()).await?;
    lamps::create(&store).await?;
    let open = watch::Sender::new(false);
    let letters = store.subscription("letters").spawn(gated(&open))?;
    let reports = store.subscription("reports").spawn(gated(&open))?;
    until("both have a lease", async || {
        let listed = store.subscriptions().list().await.expect("they are in memory");
        let owned = listed.iter().filter(|info| info.partitions[0].owner.is_some()).count();
        (owned == 2).then_some(())
    })
    .await;
    let health = Health::new(&store).max_lag("letters", Duration::from_secs(10));
    let server = Server::start(health.router()).await;
    until_ready(&server).await;

    // Late for the threshold of its own, and not for the default.
    clock.advance(seconds(20));
    let late = until_not_ready(&server).await;
    assert_eq!(of(&late, "letters")["lag_seconds"], 20.0);
    let why = "its oldest unhandled event has waited for 20.0 s, and 10.0 s are allowed";
    assert_eq!(of(&late, "letters")["not_ready_because"], json!([why]));
    assert_eq!(of(&late, "reports")["ready"], true, "{late}");

    clock.advance(seconds(41));
    let is_late = |answer: &Answer| of(&answer.json(), "reports")["ready"] == false;
    until_ready_is(&server, "the default is 60 s", is_late).await;

    let default = Health::new(&store).default_max_lag(Duration::from_secs(62));
    let generous = Server::start(default.router()).await;
    until_ready(&generous).await;
    let ignoring = Health::new(&store).ignore("letters").ignore("reports");
    let ignoring = Server::start(ignoring.router()).await;
    let ready = until_ready(&ignoring).await;
    assert_eq!(of(&ready, "letters")["lag_seconds"], 61.0, "it is reported nevertheless");

    open.send_replace(true);
    until_ready(&server).await;
    letters.shutdown().await?;
    reports.shutdown().await
}

/// A clock at a whole second, so that lags are whole numbers.
fn a_clock() -> Arc<ManualClock> {
    let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
    Arc::new(ManualClock::new(now))
}

/// A time of the store's clock.
fn seconds(number: i64) -> chrono::TimeDelta {
    chrono::TimeDelta::seconds(number)
}

#[tokio::test]
async fn a_paused_subscription_may_be_late() -> Result<()> {
    let clock = a_clock();
    let store = EventStore::builder().clock(clock.clone()).open(MemoryEngine::new()).await?;
    let handler = each(async |_: RecordedEvent| Ok::<_, Error>(()));
    let worker = store.subscription("letters").spawn(handler)?;
    store.wait_until_idle("letters").await?;
    store.subscriptions().pause("letters").await?;
    lamps::create(&store).await?;
    clock.advance(seconds(3_600));
    let server = Server::start(Health::new(&store).router()).await;
    let ready = server.get("/health/ready").await;
    assert_eq!(ready.status, 200, "{ready:?}");
    let ready = ready.json();
    assert_eq!(of(&ready, "letters")["condition"], "paused");
    assert_eq!(of(&ready, "letters")["lag_seconds"], 3_600.0);
    worker.shutdown().await
}

#[tokio::test]
async fn a_late_subscription_that_no_worker_runs_is_named_as_such() -> Result<()> {
    let clock = a_clock();
    let store = EventStore::builder().clock(clock.clone()).open(MemoryEngine::new()).await?;
    let handler = each(async |_: RecordedEvent| Ok::<_, Error>(()));
    let retired = store.subscription("retired").spawn(handler)?;
    store.wait_until_idle("retired").await?;
    retired.shutdown().await?;
    let refuses = each(async |_: RecordedEvent| Err::<(), _>("not to my taste"));
    let failing = store.subscription("failing").on_failure(FailurePolicy::stop()).spawn(refuses)?;
    lamps::create(&store).await?;
    let failed = tokio::time::timeout(crate::PATIENCE, failing.join()).await;
    assert!(failed.expect("it stops in time").is_err());
    clock.advance(seconds(61));
    let server = Server::start(Health::new(&store).router()).await;
    let late = until_not_ready(&server).await;
    let why = "its oldest unhandled event has waited for 61.0 s, and 60.0 s are allowed; no worker runs it";
    let retired =
        format!("{why}: start one, or delete or ignore the subscription if it is no longer used");
    assert_eq!(of(&late, "retired")["not_ready_because"], json!([retired]));
    let failed =
        format!("{why}, and the last one stopped at a failure: mend the cause, and start it again");
    assert_eq!(of(&late, "failing")["not_ready_because"], json!([failed]));

    store.subscriptions().delete("failing").await?;
    store.subscriptions().delete("retired").await?;
    until_ready(&server).await;
    Ok(())
}

#[tokio::test]
async fn a_store_is_not_ready_with_too_many_parked_events() -> Result<()> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    lamps::create(&store).await?;
    lamps::create(&store).await?;
    let handler = each(async |_: RecordedEvent| Err::<(), _>("not to my taste"));
    let worker = store.subscription("letters").on_failure(FailurePolicy::park()).spawn(handler)?;
    store.wait_until_idle("letters").await?;
    let health = Health::new(&store);
    let tolerant = Server::start(health.clone().max_parked("letters", 2).router()).await;
    let strict = Server::start(health.max_parked("letters", 1).router()).await;
    let ready = tolerant.get("/health/ready").await;
    assert_eq!(ready.status, 200, "{ready:?}");
    assert_eq!(of(&ready.json(), "letters")["parked"], 2);
    let ready = strict.get("/health/ready").await;
    assert_eq!(ready.status, 503, "{ready:?}");
    let why = "2 of its events are parked, and 1 are allowed";
    assert_eq!(of(&ready.json(), "letters")["not_ready_because"], json!([why]));
    worker.shutdown().await
}

#[tokio::test]
async fn a_store_is_not_ready_before_an_expected_subscription_is_stored() -> Result<()> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    let health = Health::new(&store).max_lag("letters", Duration::from_secs(10)).ignore("reports");
    let server = Server::start(health.router()).await;
    let missing = until_not_ready(&server).await;
    assert_eq!(of(&missing, "letters")["condition"], "missing");
    assert_eq!(missing["subscriptions"].as_array().map(Vec::len), Some(1), "{missing}");
    let handler = each(async |_: RecordedEvent| Ok::<_, Error>(()));
    let worker = store.subscription("letters").spawn(handler)?;
    until_ready(&server).await;
    worker.shutdown().await
}

#[tokio::test]
async fn a_database_that_fails_is_named_with_its_cause_and_without_secrets() -> Result<()> {
    let engine = Arc::new(Watched::default());
    let store = EventStore::builder().open_shared(engine.clone()).await?;
    let server = Server::start(Health::new(&store).router()).await;
    engine.set(Mood::Fails);
    let down = server.get("/health/ready").await;
    assert_eq!(down.status, 503, "{down:?}");
    assert!(!down.text.contains("s3cret") && !down.text.contains("ada"), "{down:?}");
    let down = down.json();
    assert_eq!(down["database"]["reachable"], false);
    let why = down["database"]["not_ready_because"].as_str().unwrap_or_default();
    assert!(why.ends_with("cannot reach postgres://… no route to host"), "{why}");
    let live = server.get("/health/live").await;
    assert_eq!((live.status, &*live.text), (200, "alive"));

    engine.set(Mood::Answers);
    until_ready(&server).await;
    Ok(())
}

#[tokio::test]
async fn a_database_that_hangs_is_given_up_in_time() -> Result<()> {
    let engine = Arc::new(Watched::default());
    let store = EventStore::builder().open_shared(engine.clone()).await?;
    engine.set(Mood::Hangs);
    let health = Health::new(&store).within(Duration::from_millis(200));
    let server = Server::start(health.router()).await;
    let began = Instant::now();
    let down = server.get("/health/ready").await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(down.status, 503, "{down:?}");
    let why = "the database has not answered within 200ms";
    assert_eq!(down.json()["database"]["not_ready_because"], why);
    assert_eq!(server.get("/health/live").await.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_store_on_sqlite_is_ready_until_it_is_closed() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let engine =
        SqliteEngine::open(folder.path().join("lamps.db"), SqliteOptions::default()).await?;
    let store = EventStore::builder().open(engine).await?;
    lamps::create(&store).await?;
    let handler = each(async |_: RecordedEvent| Ok::<_, Error>(()));
    let worker = store.subscription("letters").spawn(handler)?;
    store.wait_until_idle("letters").await?;
    let server = Server::start(Health::new(&store).router()).await;
    let ready = until_ready(&server).await;
    assert_eq!(of(&ready, "letters")["condition"], "running");
    worker.shutdown().await?;
    store.close().await?;
    let down = until_not_ready(&server).await;
    assert_eq!(down["database"]["not_ready_because"], "the store is closed; open another one");
    assert_eq!(down["subscriptions"], json!([]));
    Ok(())
}

#[tokio::test]
async fn checks_of_the_program_count_and_a_hanging_or_panicking_one_fails() -> Result<()> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    let mails = watch::Sender::new(false);
    let are_sent = mails.subscribe();
    let good = async || Ok::<_, Error>(());
    let mail = async move || {
        if *are_sent.borrow() { Ok(()) } else { Err("amqp://ada:s3cret@mq is full") }
    };
    let health = Health::new(&store).check("disk", good).check("mail", mail);
    let server = Server::start(health.clone().router()).await;
    let down = until_not_ready(&server).await;
    let expected = json!([
        { "name": "disk", "ready": true },
        { "name": "mail", "ready": false, "not_ready_because": "amqp://… is full" },
    ]);
    assert_eq!(down["checks"], expected);
    mails.send_replace(true);
    until_ready(&server).await;

    let health = health
        .within(Duration::from_millis(200))
        .check("hangs", std::future::pending::<Result<()>>)
        .check("panics", async || -> Result<()> { panic!("a spider") });
    let server = Server::start(health.router()).await;
    let down = server.get("/health/ready").await;
    assert_eq!(down.status, 503, "{down:?}");
    let down = down.json();
    let why: Vec<_> = down["checks"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|check| check["not_ready_because"].as_str())
        .collect();
    let expected = [None, None, Some("it has not answered within 200ms"), Some("it panicked")];
    assert_eq!(why, expected, "{down}");
    assert_eq!(down["database"]["reachable"], true);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_check_that_blocks_its_thread_holds_no_request_up() -> Result<()> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let disk = async move || {
        // Until the other end is dropped.
        let ended = released.lock().expect("no panic").recv_timeout(crate::PATIENCE);
        if ended == Err(RecvTimeoutError::Disconnected) { Ok(()) } else { Err("in vain") }
    };
    let health = Health::new(&store).within(Duration::from_millis(200)).check("disk", disk);
    let server = Server::start(health.router()).await;
    for _ in 0..2 {
        let began = Instant::now();
        let down = server.get("/health/ready").await;
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!(down.status, 503, "{down:?}");
        let why = "the look has not ended within 450ms: the database or a check blocks its thread";
        assert!(down.text.starts_with(why), "{down:?}");
        assert_eq!(server.get("/health/live").await.status, 200);
    }
    drop(release);
    until_ready(&server).await;
    Ok(())
}
