//! Stopping: in time or not, at the same time as a failure, and by dropping the run.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use evercore::service::{Lifecycle, Service, ServiceError, service};
use evercore::{Batch, Error, Result};
use evercore_services::{Cut, ServiceState, Services};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::endings::{ended, shown};
use crate::members::{assert_says, broken, soon, steady, stubborn};
use crate::order::tickets;

/// Returns a service that fails when it is told to stop.
fn fails_at_stop(name: &str, failure: fn() -> ServiceError) -> impl Service + use<> {
    service(name, async move |lifecycle: Lifecycle| {
        lifecycle.ready();
        lifecycle.stopped().await;
        Err::<(), _>(failure())
    })
}

/// Runs services until all of them are ready.
async fn run_until_ready(services: Services) -> Result<(), evercore_services::ServicesError> {
    let status = services.status();
    let until_ready = async { assert!(status.wait_until_ready().await) };
    soon(services.run_until(until_ready)).await
}

#[tokio::test(start_paused = true)]
async fn services_that_have_not_stopped_are_aborted_and_named() {
    let services = Services::new().with(stubborn("a")).with(steady("b")).with(stubborn("c"));
    let status = services.status();
    let began = Instant::now();
    let error = run_until_ready(services).await.expect_err("two do not stop");
    assert_eq!(began.elapsed(), Duration::from_secs(25), "the default");
    let a = "the service `a` did not stop within 25s and was aborted (what it was doing is left unfinished)";
    let c = a.replace("`a`", "`c`");
    let text = shown(&error);
    assert!(text.contains(a) && text.contains(&c) && !text.contains("`b`"), "{text}");
    let states: Vec<_> = status.services().iter().map(|service| service.state).collect();
    assert_eq!(states, [ServiceState::Aborted, ServiceState::Stopped, ServiceState::Aborted]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_whose_handler_hangs_is_aborted_with_what_follows_from_it() -> Result<()> {
    let (store, is_handling) = (tickets(1, 1).await?, Arc::new(Notify::new()));
    let handling = Arc::clone(&is_handling);
    let hanging = async move |_: Batch| {
        handling.notify_one();
        pending::<Result<(), Error>>().await
    };
    // The engine's clock is not paused, so the lease has to be short.
    let (lease, poll) = (Duration::from_millis(50), Duration::from_millis(10));
    let replies = || store.subscription("replies").lease(lease).poll_interval(poll);
    let services = Services::new().with(replies().handler(hanging));
    let ran = soon(services.run_until(is_handling.notified())).await;
    let parts = ["`replies` did not stop within 25s", "its lease expires by itself", "comes again"];
    assert_says(shown(&ran.expect_err("it hangs")), &parts);

    // It does come again.
    let handled = Arc::new(Notify::new());
    let noted = Arc::clone(&handled);
    let handler = async move |batch: Batch| {
        assert_eq!(batch.len(), 1);
        noted.notify_one();
        Ok::<_, Error>(())
    };
    let services = Services::new().with(replies().handler(handler));
    soon(services.run_until(handled.notified())).await.expect("it stops well");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn no_time_to_stop_aborts_at_once() {
    let services = Services::new().with(stubborn("a")).stop_within(Duration::ZERO);
    let began = Instant::now();
    let ended = ended(run_until_ready(services).await);
    assert!(began.elapsed() < Duration::from_millis(10), "{:?}", began.elapsed());
    assert_eq!(ended.aborted()[0].cut, Cut::Late(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn any_time_to_stop_can_be_set() {
    let services = Services::new().with(steady("a")).stop_within(Duration::MAX);
    run_until_ready(services).await.expect("it stops well");
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_wait_before_a_restart() {
    let failing = service("failing", async |_: Lifecycle| Err::<(), _>(broken()));
    let services = Services::new().with(failing);
    let status = services.status();
    let until_it_waits = async {
        let is_waiting = |state| matches!(state, ServiceState::Restarting { failures: 6, .. });
        assert!(status.wait_until(|all| is_waiting(all[0].state)).await);
    };
    let mut told = None;
    let stop = async {
        until_it_waits.await;
        told = Some(Instant::now());
    };
    soon(services.run_until(stop)).await.expect("a failure that is retried is none of the run");
    assert!(told.expect("it was told").elapsed() < Duration::from_millis(10));
    let it = status.services()[0].clone();
    assert_eq!((it.state, it.restarts), (ServiceState::Stopped, 5));
}

#[tokio::test(start_paused = true)]
async fn every_failure_of_a_stop_is_reported() {
    let services = Services::new()
        .with(fails_at_stop("passing", || broken().into()))
        .with(stubborn("stubborn"))
        .with(fails_at_stop("permanent", || ServiceError::permanent("its disk is full")))
        .with(fails_at_stop("panicking", || panic!("there is a spider in it")));
    let status = services.status();
    let error = run_until_ready(services).await.expect_err("four end badly");
    let text = shown(&error);
    for part in [
        "`stubborn` did not stop within 25s",
        "`passing` has failed while it stopped: no letter was sent: no route to the mail server",
        "`permanent` has failed while it stopped: its disk is full",
        "`panicking` has failed while it stopped: it panicked: there is a spider in it",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    let ended = ended(Err(error));
    assert!(ended.failed().iter().all(|failed| failed.while_stopping));
    assert_eq!((ended.failed().len(), ended.aborted().len()), (3, 1));
    assert!(status.services()[0].last_failure.is_some());
}

/// The stop comes at the moment of the failure: in the same poll of the run.
#[tokio::test(start_paused = true)]
async fn a_failure_that_coincides_with_the_stop_is_reported() {
    let stop = Arc::new(Notify::new());
    let stopping = Arc::clone(&stop);
    let failing = service("failing", async move |_: Lifecycle| {
        stopping.notify_one();
        Err::<(), _>(ServiceError::permanent(broken()))
    });
    let services = Services::new().with(stubborn("stubborn")).with(failing);
    let ended = ended(soon(services.run_until(stop.notified())).await);
    assert_eq!(&*ended.failed()[0].name, "failing");
    assert!(!ended.failed()[0].while_stopping);
    assert_eq!(&*ended.aborted()[0].name, "stubborn");
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_is_the_source_and_the_others_are_in_the_text() {
    let fails = |name, text: &'static str| {
        service(name, async move |_: Lifecycle| Err::<(), _>(ServiceError::permanent(text)))
    };
    let services = Services::new().with(fails("a", "no disk")).with(fails("b", "no network"));
    let error = soon(services.run_until(pending())).await.expect_err("both fail");
    assert_eq!(
        error.to_string(),
        "the service `b` has failed: no network; the service `a` has failed"
    );
    let source = std::error::Error::source(&error).expect("it has one");
    assert_eq!(source.to_string(), "no disk");
}

/// Tells when it is dropped.
struct Guard(Arc<AtomicU32>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_run_drops_every_service() {
    let dropped = Arc::new(AtomicU32::new(0));
    let guarded = |name| {
        let dropped = Arc::clone(&dropped);
        service(name, async move |lifecycle: Lifecycle| {
            let _guard = Guard(dropped);
            lifecycle.ready();
            pending::<Result<(), ServiceError>>().await
        })
    };
    let services = Services::new().with(guarded("a")).then().with(guarded("b")).then();
    let idle = service("idle", async |_: Lifecycle| pending::<Result<(), ServiceError>>().await);
    let services = services.with(idle).then().with(steady("never"));
    let (status, tasks) = (services.status(), tokio::runtime::Handle::current().metrics());
    let run = tokio::spawn(services.run_until(pending()));
    let is_starting = |state| state == ServiceState::Starting;
    assert!(soon(status.wait_until(|all| is_starting(all[2].state))).await);
    assert_eq!(tasks.num_alive_tasks(), 4);
    run.abort();
    assert!(run.await.expect_err("it was aborted").is_cancelled());
    let are_gone = async {
        while tasks.num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), are_gone).await.expect("no task is left behind");
    assert_eq!(dropped.load(Ordering::SeqCst), 2);
    let states: Vec<_> = status.services().iter().map(|service| service.state).collect();
    let aborted = ServiceState::Aborted;
    assert_eq!(states, [aborted, aborted, aborted, ServiceState::Stopped]);
    assert!(!status.wait_until_ready().await, "no change is to come");
}

/// Frees the blocked thread in any case, so that a test that fails ends.
struct Freeing(Arc<AtomicBool>);

impl Drop for Freeing {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// It cannot be aborted, since it comes to no await point. The run goes on nevertheless, even if it ends later.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_service_that_blocks_its_thread_does_not_block_the_run() {
    let (is_free, has_ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let _freeing = Freeing(Arc::clone(&is_free));
    let (free, ended_late) = (Arc::clone(&is_free), Arc::clone(&has_ended));
    let blocking = service("blocking", async move |lifecycle: Lifecycle| {
        lifecycle.ready();
        tokio::task::yield_now().await;
        while !free.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        ended_late.store(true, Ordering::SeqCst);
        Ok::<_, ServiceError>(())
    });
    let freeing = service("freeing", async move |lifecycle: Lifecycle| {
        lifecycle.ready();
        lifecycle.stopped().await;
        let was_aborted = !has_ended.load(Ordering::SeqCst);
        is_free.store(true, Ordering::SeqCst);
        while !has_ended.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        for _ in 0..1_000 {
            // The task of the other service ends, and the run looks at it before this one ends.
            tokio::task::yield_now().await;
        }
        if was_aborted { Ok(()) } else { Err(ServiceError::permanent("it had ended before")) }
    });
    let services = Services::new().with(freeing).then().with(blocking);
    let services = services.stop_within(Duration::from_secs(4));
    let status = services.status();
    let error = run_until_ready(services).await.expect_err("it does not stop");
    assert_says(shown(&error), &["`blocking` did not stop", "it blocks its thread"]);
    let ended = ended(Err(error));
    assert!(ended.aborted()[0].blocks);
    assert_eq!(&*ended.aborted()[0].name, "blocking");
    let state = status.service("blocking").expect("it was added").state;
    assert_eq!(state, ServiceState::Aborted, "although it has ended later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_run_on_several_threads() -> Result<()> {
    let store = tickets(3, 3).await?;
    let handled = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&handled);
    let counting = async move |batch: Batch| {
        counted.fetch_add(u32::try_from(batch.len()).expect("it is short"), Ordering::SeqCst);
        Ok::<_, Error>(())
    };
    let services = Services::new()
        .with(store.subscription("replies").handler(counting))
        .then()
        .with(steady("beside"));
    let status = services.status();
    let until_idle = async {
        assert!(status.wait_until_ready().await);
        store.wait_until_idle("replies").await.expect("it works");
    };
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let run = tokio::spawn(services.run_until(async { stopped.await.unwrap_or_default() }));
    tokio::time::timeout(Duration::from_secs(60), until_idle).await.expect("it is idle soon");
    stop.send(()).expect("the services run");
    run.await.expect("it does not panic").expect("it stops well");
    assert_eq!(handled.load(Ordering::SeqCst), 9);
    Ok(())
}

/// A service that panics when it is dropped.
struct Spiteful;

impl Service for Spiteful {
    fn name(&self) -> &str {
        "spiteful"
    }

    async fn run(&mut self, lifecycle: &Lifecycle) -> Result<(), ServiceError> {
        lifecycle.ready();
        lifecycle.stopped().await;
        Ok(())
    }
}

impl Drop for Spiteful {
    fn drop(&mut self) {
        panic!("there is a spider in it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_service_is_dropped_is_reported() {
    let services = Services::new().with(Spiteful).with(steady("beside"));
    let error = run_until_ready(services).await.expect_err("it panics");
    assert_says(shown(&error), &["`spiteful` has failed while it stopped", "a spider in it"]);
}
