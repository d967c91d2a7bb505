//! Stages start one after the other, and stop in the reverse order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evercore::service::{Lifecycle, Service, ServiceError, service};
use evercore_services::{Cut, RestartPolicy, ServiceState, Services};
use tokio::sync::Semaphore;

use crate::endings::ended;
use crate::members::{broken, fails, soon, steady, stubborn};

/// Records what happens.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: &str, name: &str) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(format!("{name} {what}"));
    }

    fn notes(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns a service that is slow to become ready and to stop.
    fn service(&self, name: &'static str, slow: Duration) -> impl Service + use<> {
        let diary = self.clone();
        service(name, async move |lifecycle: Lifecycle| {
            diary.note("starts", name);
            tokio::time::sleep(slow).await;
            diary.note("is ready", name);
            lifecycle.ready();
            lifecycle.stopped().await;
            diary.note("stops", name);
            tokio::time::sleep(slow).await;
            diary.note("has stopped", name);
            Ok::<_, ServiceError>(())
        })
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_stage_starts_when_all_before_are_ready_and_stops_before_them() {
    let diary = Diary::default();
    let services = Services::new()
        .with(diary.service("a", SECOND))
        .with(diary.service("b", 3 * SECOND))
        .then()
        .with(diary.service("c", SECOND))
        .then()
        .with(diary.service("d", SECOND));
    let status = services.status();
    let until_ready = async { assert!(status.wait_until_ready().await) };
    soon(services.run_until(until_ready)).await.expect("it stops well");
    let expected = [
        "a starts",
        "b starts",
        "a is ready",
        "b is ready",
        "c starts",
        "c is ready",
        "d starts",
        "d is ready",
        "d stops",
        "d has stopped",
        "c stops",
        "c has stopped",
        "a stops",
        "b stops",
        "a has stopped",
        "b has stopped",
    ];
    assert_eq!(diary.notes(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_has_done_its_work_holds_up_no_stage() {
    let migrate = service("migrate", async |_: Lifecycle| {
        tokio::time::sleep(SECOND).await;
        Ok::<_, ServiceError>(())
    });
    let services = Services::new().then().with(migrate).then().then().with(steady("serve")).then();
    let status = services.status();
    let until_ready = async { assert!(status.wait_until_ready().await) };
    soon(services.run_until(until_ready)).await.expect("it stops well");
    assert_eq!(status.service("migrate").expect("it was added").state, ServiceState::Done);
    assert_eq!(status.service("serve").expect("it was added").state, ServiceState::Stopped);
}

/// Whether the next stage starts must not depend on whether the moment in which all are ready is noticed.
#[tokio::test(start_paused = true)]
async fn a_service_that_was_ready_once_holds_up_no_stage() {
    let flapping = service("flapping", async |lifecycle: Lifecycle| {
        lifecycle.ready();
        Err::<(), _>(broken())
    });
    let services = Services::new().with(flapping).then().with(steady("serve"));
    let status = services.status();
    let until_served = async {
        let is_ready = |state: ServiceState| state == ServiceState::Ready;
        assert!(status.wait_until(|all| is_ready(all[1].state)).await);
    };
    soon(services.run_until(until_served)).await.expect("it stops well");
    assert!(status.services()[0].has_started);
}

#[tokio::test(start_paused = true)]
async fn a_stage_waits_for_a_service_that_fails_before_it_is_ready() {
    let attempts = Arc::new(Mutex::new(0));
    let slow = service("slow", async move |lifecycle: Lifecycle| {
        let attempt = {
            let mut attempts = attempts.lock().unwrap_or_else(PoisonError::into_inner);
            *attempts += 1;
            *attempts
        };
        if attempt < 3 {
            return Err(broken().into());
        }
        lifecycle.ready();
        lifecycle.stopped().await;
        Ok::<_, ServiceError>(())
    });
    let services = Services::new().with(slow).then().with(steady("serve"));
    let status = services.status();
    let until_ready = async {
        let is_restarting = |state| matches!(state, ServiceState::Restarting { failures: 2, .. });
        assert!(status.wait_until(|all| is_restarting(all[0].state)).await);
        assert_eq!(status.services()[1].state, ServiceState::Waiting);
        assert!(!status.is_ready());
        assert!(status.wait_until_ready().await);
    };
    soon(services.run_until(until_ready)).await.expect("it stops well");
    assert_eq!(status.services()[0].restarts, 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_during_the_start_of_a_stage_stops_the_former_ones_and_starts_no_later_one() {
    let diary = Diary::default();
    let services = Services::new()
        .with(diary.service("a", SECOND))
        .then()
        .with(diary.service("b", SECOND))
        .with(fails("broken"))
        .then()
        .with(diary.service("never", SECOND));
    let status = services.status();
    let ended = ended(soon(services.run_until(std::future::pending())).await);
    assert_eq!(ended.failed().len(), 1);
    assert_eq!(&*ended.failed()[0].name, "broken");
    assert!(ended.aborted().is_empty());
    let states: Vec<_> = status.services().iter().map(|service| service.state).collect();
    let stopped = ServiceState::Stopped;
    assert_eq!(states, [stopped, stopped, ServiceState::Failed, stopped]);
    let expected = [
        "a starts",
        "a is ready",
        "b starts",
        "b is ready",
        "b stops",
        "b has stopped",
        "a stops",
        "a has stopped",
    ];
    assert_eq!(diary.notes(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_service_of_a_former_stage_is_restarted_while_later_ones_stop() {
    let store_is_up = Arc::new(Semaphore::new(1));
    let (up, trips) = (Arc::clone(&store_is_up), Arc::new(Semaphore::new(0)));
    let trip = Arc::clone(&trips);
    let store = service("store", async move |lifecycle: Lifecycle| {
        lifecycle.ready();
        tokio::select! {
            _ = trips.acquire() => {
                trips.forget_permits(1);
                up.add_permits(1);
                Err(ServiceError::from(broken()))
            }
            () = lifecycle.stopped() => Ok(()),
        }
    });
    let seen = Services::new();
    let services = seen.with(store).then();
    let status = services.status();
    let draining = service("serve", async move |lifecycle: Lifecycle| {
        lifecycle.ready();
        lifecycle.stopped().await;
        trip.add_permits(1);
        // It needs the store once more before it has stopped.
        assert!(status.wait_until(|all| all[0].restarts == 1).await);
        Ok::<_, ServiceError>(())
    });
    let services = services.with(draining);
    let status = services.status();
    let until_ready = async { assert!(status.wait_until_ready().await) };
    soon(services.run_until(until_ready)).await.expect("it stops well");
    assert_eq!(status.services()[0].restarts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_before_the_start_starts_nothing() {
    let diary = Diary::default();
    let services = Services::new().with(diary.service("a", SECOND));
    let status = services.status();
    services.run_until(std::future::ready(())).await.expect("nothing fails");
    assert_eq!(diary.notes(), [] as [&str; 0]);
    assert_eq!(status.services()[0].state, ServiceState::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_hangs_leaves_the_former_ones_time_to_stop() {
    let diary = Diary::default();
    let services = Services::new()
        .with(diary.service("store", 3 * SECOND))
        .then()
        .with(stubborn("serve"))
        .stop_within(10 * SECOND)
        .restart(RestartPolicy::none());
    let status = services.status();
    let until_ready = async { assert!(status.wait_until_ready().await) };
    let ended = ended(soon(services.run_until(until_ready)).await);
    assert_eq!(ended.aborted().len(), 1, "{ended}");
    assert_eq!(ended.aborted()[0].cut, Cut::Late(5 * SECOND));
    assert_eq!(diary.notes().last().expect("it has notes"), "store has stopped");
}

#[tokio::test(start_paused = true)]
async fn stages_that_hang_share_the_time_to_stop() {
    let services = Services::new()
        .with(stubborn("a"))
        .then()
        .with(steady("b"))
        .then()
        .with(stubborn("c"))
        .stop_within(9 * SECOND);
    let status = services.status();
    let until_ready = async { assert!(status.wait_until_ready().await) };
    let began = tokio::time::Instant::now();
    let ended = ended(soon(services.run_until(until_ready)).await);
    let aborted: Vec<_> = ended.aborted().iter().map(|late| (&*late.name, late.cut)).collect();
    assert_eq!(aborted, [("c", Cut::Late(3 * SECOND)), ("a", Cut::Late(6 * SECOND))]);
    assert_eq!(began.elapsed(), 9 * SECOND);
}
