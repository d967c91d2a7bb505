//! Services that fail are restarted after growing waits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evercore::service::{Lifecycle, Service, service};
use evercore_services::{RestartPolicy, ServiceState, Services};
use tokio::time::Instant;

use crate::endings::ended;
use crate::members::{broken, soon, steady};

type Starts = Arc<Mutex<Vec<Instant>>>;

/// Returns a service that fails after this time, and the moments at which it is started.
fn failing_after(time: Duration) -> (impl Service + use<>, Starts) {
    let starts = Starts::default();
    let noted = Arc::clone(&starts);
    let failing = service("failing", async move |lifecycle: Lifecycle| {
        noted.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        if lifecycle.stopped_within(time).await { Ok(()) } else { Err(broken()) }
    });
    (failing, starts)
}

fn waits(starts: &Starts, run: Duration) -> Vec<Duration> {
    let starts = starts.lock().unwrap_or_else(PoisonError::into_inner);
    starts.windows(2).map(|pair| pair[1] - pair[0] - run).collect()
}

#[tokio::test(start_paused = true)]
async fn waits_grow_up_to_a_minute_and_never_end_by_default() {
    let (failing, starts) = failing_after(Duration::ZERO);
    let services = Services::new().with(failing);
    let status = services.status();
    let until_often = async { assert!(status.wait_until(|all| all[0].restarts == 20).await) };
    soon(services.run_until(until_often))
        .await
        .expect("a failure that is retried is none of the run");
    let waits = waits(&starts, Duration::ZERO);
    let longest = [1, 2, 4, 8, 16, 32].into_iter().chain(std::iter::repeat(60));
    for (wait, longest) in waits.iter().zip(longest.map(Duration::from_secs)) {
        // The clock of tokio ticks once a millisecond.
        let range = longest / 2..=longest + Duration::from_millis(2);
        assert!(range.contains(wait), "{wait:?} of {longest:?}: {waits:?}");
    }
    assert!(waits.len() >= 19, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_long_run_makes_the_next_wait_short_and_spares_the_attempts() {
    let run = Duration::from_secs(61);
    let (failing, starts) = failing_after(run);
    let policy = RestartPolicy::default().attempts(2);
    let services = Services::new().with(failing).restart(policy);
    let status = services.status();
    let until_often = async { assert!(status.wait_until(|all| all[0].restarts == 5).await) };
    soon(services.run_until(until_often)).await.expect("it never fails twice in a row");
    let waits = waits(&starts, run);
    let second = Duration::from_millis(500)..=Duration::from_millis(1_004);
    assert!(waits.iter().all(|wait| second.contains(wait)), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn bounded_attempts_are_used_up() {
    let (failing, starts) = failing_after(Duration::from_secs(1));
    let policy = RestartPolicy::default().attempts(4);
    let services = Services::new().with(steady("beside")).with(failing).restart(policy);
    let status = services.status();
    let ended = ended(soon(services.run_until(std::future::pending())).await);
    assert_eq!(starts.lock().unwrap_or_else(PoisonError::into_inner).len(), 4);
    assert_eq!(ended.failed()[0].failures, 4);
    assert_eq!(status.services()[0].state, ServiceState::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_service_is_not_restarted_by_default_if_its_failure_does_not_pass() {
    let outdated = service("outdated", async |_: Lifecycle| {
        Err::<(), _>(evercore::Error::UnknownSubscription { name: "outdated".into() })
    });
    let services = Services::new().with(outdated);
    let status = services.status();
    let ended = ended(soon(services.run_until(std::future::pending())).await);
    assert_eq!((ended.failed()[0].failures, status.services()[0].restarts), (1, 0));
    assert!(ended.failed()[0].error.is::<evercore::Error>());
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_when_a_service_runs_again_and_why() {
    let (failing, starts) = failing_after(Duration::ZERO);
    let services = Services::new().with(failing);
    let status = services.status();
    let observed = async {
        let is_restarting = |state| matches!(state, ServiceState::Restarting { failures: 2, .. });
        assert!(status.wait_until(|all| is_restarting(all[0].state)).await);
        let now = status.service("failing").expect("it was added");
        let ServiceState::Restarting { at, .. } = now.state else { panic!("{now:?}") };
        assert!(at > now.since && now.since.elapsed().is_zero(), "{now:?}");
        assert_eq!(
            now.last_failure.as_deref(),
            Some("no letter was sent: no route to the mail server")
        );
        assert_eq!(now.restarts, 1);
        assert!(status.wait_until(|all| all[0].restarts == 2).await);
        assert!(Instant::now() >= at);
    };
    soon(services.run_until(observed)).await.expect("it stops well");
    assert!(starts.lock().unwrap_or_else(PoisonError::into_inner).len() >= 2);
}
