//! Each change of a service's state is one log line.
//!
//! This is a program of its own, in which every thread that logs has a subscriber: otherwise, a line that is first
//! logged where there is none may be switched off for all threads.

#[path = "../../../evercore/tests/logs/lines.rs"]
mod lines;
#[path = "../services/members.rs"]
mod members;

use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use evercore::service::{Lifecycle, ServiceError, service};
use evercore_services::{RestartPolicy, ServiceState, Services};
use tracing::Level;

use lines::Lines;
use members::{assert_says, broken, fails, soon, steady, stubborn};

#[tokio::test(start_paused = true)]
async fn the_way_of_a_service_is_logged() {
    let (lines, _guard) = Lines::watch();
    let runs = AtomicU32::new(0);
    let letters = service("letters", {
        let runs = std::sync::Arc::new(runs);
        async move |lifecycle: Lifecycle| {
            lifecycle.ready();
            if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
                return Err(broken().into());
            }
            lifecycle.stopped().await;
            Ok::<_, ServiceError>(())
        }
    });
    let job = service("job", async |_: Lifecycle| Ok::<_, ServiceError>(()));
    let services = Services::new().with(letters).with(job);
    let status = services.status();
    let until_restarted = async {
        let is_ready = |state| state == ServiceState::Ready;
        assert!(status.wait_until(|all| all[0].restarts == 1 && is_ready(all[0].state)).await);
    };
    soon(services.run_until(until_restarted)).await.expect("it stops well");

    let of_letters: Vec<_> = lines.all(Level::INFO, "service=letters");
    let expected = [
        "starting a service service=letters",
        "a service is ready service=letters",
        "starting a service service=letters",
        "a service is ready service=letters",
        "stopping a service service=letters",
        "a service has stopped service=letters",
    ];
    assert_eq!(of_letters, expected);
    let restarting = lines.one(Level::WARN, "");
    let parts = [
        "a service has failed; restarting it after `wait`",
        "service=letters",
        "failures=1",
        "wait=",
        "ms",
        "error=no letter was sent: no route to the mail server",
    ];
    assert_says(restarting, &parts);
    let of_job = lines.all(Level::INFO, "service=job");
    assert_eq!(
        of_job,
        ["starting a service service=job", "a service has done its work service=job"]
    );
    lines.one(Level::INFO, "stopping all services");
}

#[tokio::test(start_paused = true)]
async fn a_failure_for_good_is_an_error_in_the_log() {
    let (lines, _guard) = Lines::watch();
    let services = Services::new().with(fails("letters")).then().with(steady("never"));
    soon(services.run_until(pending())).await.expect_err("it fails");
    let failed = lines.one(Level::ERROR, "");
    let parts = [
        "a service has failed for good; stopping all services",
        "service=letters",
        "error=no letter was sent: no route",
    ];
    assert_says(failed, &parts);
    lines.one(Level::INFO, "a service is not started, since all are stopping service=never");
    assert!(lines.all(Level::INFO, "starting a service service=never").is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_is_logged_as_a_failure_for_good() {
    let (lines, _guard) = Lines::watch();
    let failing = service("letters", async |_: Lifecycle| Err::<(), _>(broken()));
    let services = Services::new().with(failing).restart(RestartPolicy::default().attempts(3));
    soon(services.run_until(pending())).await.expect_err("its attempts are used up");
    assert_eq!(lines.all(Level::WARN, "restarting it").len(), 2);
    lines.one(Level::ERROR, "a service has failed for good");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_stop_is_logged_with_what_follows() {
    let (lines, _guard) = Lines::watch();
    let at_stop = service("careless", async |lifecycle: Lifecycle| {
        lifecycle.ready();
        lifecycle.stopped().await;
        Err::<(), _>(broken())
    });
    let services = Services::new()
        .with(stubborn("stubborn"))
        .with(at_stop)
        .stop_within(Duration::from_secs(3));
    let status = services.status();
    let until_ready = async { assert!(status.wait_until_ready().await) };
    soon(services.run_until(until_ready)).await.expect_err("one does not stop");
    let aborted = lines.one(Level::WARN, "did not stop");
    let parts = [
        "a service did not stop within 3s and was aborted",
        "service=stubborn",
        "consequence=what it was doing",
    ];
    assert_says(aborted, &parts);
    let failed = lines.one(Level::WARN, "failed while it stopped");
    assert_says(failed, &["service=careless", "error=no letter was sent: no route"]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_run_is_logged() {
    let (lines, _guard) = Lines::watch();
    let services = Services::new().with(steady("letters"));
    let status = services.status();
    tokio::select! {
        _ = services.run_until(pending()) => panic!("nothing ends it"),
        ready = status.wait_until_ready() => assert!(ready),
    }
    lines.one(Level::WARN, "a service was dropped while it ran service=letters");
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_waits_says_for_which_services() {
    let (lines, _guard) = Lines::watch();
    let never_ready = |name: &str| {
        service(name, async |lifecycle: Lifecycle| {
            lifecycle.stopped().await;
            Ok::<_, ServiceError>(())
        })
    };
    let services = Services::new()
        .with(steady("letters"))
        .with(never_ready("bills"))
        .with(never_ready("mails"))
        .then()
        .with(steady("http"));
    let minute = tokio::time::sleep(Duration::from_secs(60));
    soon(services.run_until(minute)).await.expect("it stops well");
    let expected = ["10s", "20s", "40s"].map(|waited| {
        format!(
            "a stage is not started, since `services` are not ready waited={waited} services=bills, mails"
        )
    });
    assert_eq!(lines.all(Level::WARN, ""), expected);
}

#[tokio::test(start_paused = true)]
async fn stages_that_start_in_time_and_the_last_stage_are_not_warned_of() {
    let (lines, _guard) = Lines::watch();
    let slow = |name: &str| {
        service(name, async |lifecycle: Lifecycle| {
            tokio::time::sleep(Duration::from_secs(9)).await;
            lifecycle.ready();
            lifecycle.stopped().await;
            Ok::<_, ServiceError>(())
        })
    };
    let never_ready = service("http", async |lifecycle: Lifecycle| {
        lifecycle.stopped().await;
        Ok::<_, ServiceError>(())
    });
    let services =
        Services::new().with(slow("letters")).then().with(slow("mails")).then().with(never_ready);
    let minute = tokio::time::sleep(Duration::from_secs(60));
    soon(services.run_until(minute)).await.expect("it stops well");
    assert!(lines.all(Level::WARN, "").is_empty(), "{:?}", lines.all(Level::WARN, ""));
}
