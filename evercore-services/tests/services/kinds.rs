//! Each kind of service fails in each way.

use std::future::pending;
use std::sync::OnceLock;
use std::time::Duration;

use evercore::service::{Lifecycle, Service, ServiceError, service};
use evercore::{Batch, EventStore, Position, Result, Start};
use evercore_services::{
    Cut, RestartPolicy, ServiceState, ServiceStatus, Services, ServicesStatus,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::endings::{ended, shown};
use crate::members::{assert_says, broken, soon, steady};
use crate::order::tickets;
use crate::ways::{FAULTS, Fault, Way};

const WITHIN: Duration = Duration::from_secs(7);

/// Adds a service of one kind, which fails in this way.
type Add = fn(Services, EventStore, Way) -> Services;

struct HandWritten {
    way: Way,
    runs: u32,
}

impl Service for HandWritten {
    fn name(&self) -> &str {
        "it"
    }

    async fn run(&mut self, lifecycle: &Lifecycle) -> Result<(), ServiceError> {
        // The state of a service outlives its failures.
        self.runs += 1;
        assert_eq!(self.runs, begin(&self.way) + 1);
        self.way.go_on(self.runs - 1, lifecycle).await
    }
}

/// Counts a run, and perhaps panics.
fn begin(way: &Way) -> u32 {
    let before = way.begin();
    assert!(before > 0 || way.fault != Fault::PanicsAtOnce, "there is a spider in it");
    before
}

fn closure(services: Services, _: EventStore, way: Way) -> Services {
    services.with(service("it", move |lifecycle: Lifecycle| {
        // This is a part of the call, not of the future that it returns.
        let before = begin(&way);
        async move { way.go_on(before, &lifecycle).await }
    }))
}

fn hand_written(services: Services, _: EventStore, way: Way) -> Services {
    services.with(HandWritten { way, runs: 0 })
}

fn subscription(services: Services, store: EventStore, way: Way) -> Services {
    let stop = CancellationToken::new();
    let mut subscription = store.subscription("it").stop_on(stop.clone());
    if way.fault == Fault::AtStart {
        subscription = subscription.start(Start::After(Position::new(1_000).expect("it is one")));
    }
    let handler = async move |_: Batch| {
        match (way.fault, way.begin()) {
            (Fault::ForEver, _) | (Fault::NowAndThen, 0 | 1) => return Err(broken()),
            (Fault::Panics | Fault::PanicsAtOnce, 0) => panic!("there is a spider in it"),
            (Fault::Hangs, _) => return pending().await,
            (Fault::EndsEarly, _) => stop.cancel(),
            _ => {}
        }
        Ok(())
    };
    services.with(subscription.handler(handler))
}

async fn every_fault_of(add: Add, lasts: bool) -> Result<()> {
    for fault in FAULTS {
        println!("{fault:?}");
        fails(add, fault, lasts).await?;
    }
    Ok(())
}

/// Runs a service that fails in this way beside one that does not, and checks the result.
async fn fails(add: Add, fault: Fault, lasts: bool) -> Result<()> {
    let store = tickets(1, 3).await?;
    let services = Services::new()
        .with(steady("beside"))
        .stop_within(WITHIN)
        .restart(RestartPolicy::default().attempts(3));
    let way = Way::new(fault, lasts);
    let services = add(services, store, way.clone());
    let (status, told) = (services.status(), OnceLock::new());
    let stop = async {
        until_time_to_stop(&way, &status).await;
        told.get_or_init(Instant::now);
    };
    let ran = soon(services.run_until(stop)).await;
    let it = status.service("it").expect("it was added");
    let failure = it.last_failure.as_deref().unwrap_or_default();
    match fault {
        Fault::AtStart => {
            let error = ran.expect_err("it fails for good");
            assert_says(shown(&error), &["the service `it` has failed: "]);
            let ended = ended(Err(error));
            assert_eq!((ended.failed().len(), ended.failed()[0].failures), (1, 1));
            assert!(!ended.failed()[0].while_stopping);
            assert_eq!((it.state, it.restarts), (ServiceState::Failed, 0));
        }
        Fault::ForEver => {
            let error = ran.expect_err("its attempts are used up");
            let parts =
                ["the service `it` has failed 3 times in a row: ", "no letter was sent: no route"];
            assert_says(shown(&error), &parts);
            assert_eq!((it.state, it.restarts), (ServiceState::Failed, 2));
            assert!(failure.contains("no route to the mail server"), "{failure}");
        }
        Fault::NowAndThen => {
            ran.expect("it works in the end");
            assert_eq!((it.state, it.restarts), (end(lasts), 2));
            assert!(failure.contains("no route to the mail server"), "{failure}");
        }
        Fault::Panics | Fault::PanicsAtOnce => {
            ran.expect("it works in the end");
            assert_eq!((it.state, it.restarts), (end(lasts), 1));
            assert_says(failure, &["panicked: ", "there is a spider in it"]);
        }
        Fault::Hangs => {
            let ended = ended(ran);
            assert!(ended.failed().is_empty(), "{ended}");
            let aborted = &ended.aborted()[0];
            assert_eq!(
                (&*aborted.name, aborted.cut, aborted.blocks),
                ("it", Cut::Late(WITHIN), false)
            );
            assert_eq!(told.get().expect("it was told").elapsed(), WITHIN);
            assert_eq!(it.state, ServiceState::Aborted);
        }
        Fault::EndsEarly => {
            ran.expect("it has done its work");
            assert_eq!((it.state, it.restarts), (ServiceState::Done, 0));
        }
    }
    assert_eq!(status.service("beside").expect("it was added").state, ServiceState::Stopped);
    Ok(())
}

/// The state in which a service ends that works in the end.
const fn end(lasts: bool) -> ServiceState {
    if lasts { ServiceState::Stopped } else { ServiceState::Done }
}

/// Waits until the service works again, hangs, or has done its work. One that fails for good ends by itself.
async fn until_time_to_stop(way: &Way, status: &ServicesStatus) {
    let is_done = |all: &[ServiceStatus]| all[1].state == ServiceState::Done;
    match way.fault {
        Fault::AtStart | Fault::ForEver => pending().await,
        Fault::Hangs => way.until_begun(1).await,
        Fault::NowAndThen if way.lasts => way.until_begun(3).await,
        Fault::Panics | Fault::PanicsAtOnce if way.lasts => way.until_begun(2).await,
        _ => assert!(status.wait_until(is_done).await),
    }
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_fails() -> Result<()> {
    every_fault_of(closure, true).await
}

#[tokio::test(start_paused = true)]
async fn a_hand_written_service_that_fails() -> Result<()> {
    every_fault_of(hand_written, true).await
}

#[tokio::test(start_paused = true)]
async fn a_service_of_one_job_that_fails() -> Result<()> {
    every_fault_of(closure, false).await
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_fails() -> Result<()> {
    every_fault_of(subscription, true).await
}
