//! Services that are not fit to run are refused before any of them is started.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evercore::service::{Lifecycle, Service, ServiceError, service};
use evercore::{EventStore, Router};
use evercore_memory as _;
use evercore_services::{ServiceState, Services, ServicesError};

use crate::endings::shown;
use crate::members::{assert_says, steady};

/// Runs services that must be refused, and checks that none is started.
async fn refused(services: Services) -> ServicesError {
    let is_started = Arc::new(AtomicBool::new(false));
    let starting = Arc::clone(&is_started);
    let first = service("starts", async move |_: Lifecycle| {
        starting.store(true, Ordering::SeqCst);
        Ok::<_, ServiceError>(())
    });
    let services = services.then().with(first);
    let status = services.status();
    let error = services.run_until(std::future::pending()).await.expect_err("it is refused");
    assert!(!is_started.load(Ordering::SeqCst));
    let is_waiting =
        |service: &evercore_services::ServiceStatus| service.state == ServiceState::Waiting;
    assert!(status.services().iter().all(is_waiting), "{status:?}");
    error
}

#[tokio::test]
async fn two_services_of_one_name_are_refused() {
    let error = refused(Services::new().with(steady("mails")).then().with(steady("mails"))).await;
    assert!(matches!(&error, ServicesError::SameName { name } if &**name == "mails"), "{error:?}");
}

#[tokio::test]
async fn an_empty_name_is_refused() {
    for name in ["", " \t"] {
        let error = refused(Services::new().with(steady("mails")).with(steady(name))).await;
        assert!(matches!(error, ServicesError::EmptyName { number: 2 }), "{error:?}");
    }
}

#[tokio::test]
async fn no_service_at_all_is_refused() {
    for services in [Services::new(), Services::default().then().then()] {
        let error = services.run_until(std::future::pending()).await.expect_err("it is refused");
        assert!(matches!(error, ServicesError::NoService), "{error:?}");
    }
    let error = Services::new().run_until_signal().await.expect_err("it is refused");
    assert!(matches!(error, ServicesError::NoService), "{error:?}");
}

#[tokio::test]
async fn subscriptions_with_invalid_names_are_told_apart() {
    let store = EventStore::connect("memory:").await.expect("it opens");
    let invalid = |name: &str| store.subscription(name).handler(Router::new());
    let two = Services::new().with(invalid("mails\n")).with(invalid("letters\n"));
    let error = two.run_until(std::future::pending()).await.expect_err("they cannot run");
    let told = shown(&error);
    assert!(matches!(error, ServicesError::Ended(_)), "{error:?}");
    assert_says(&told, &["mails\\n", "its name holds a control character"]);

    let error = refused(Services::new().with(invalid("")).with(invalid(""))).await;
    assert!(matches!(error, ServicesError::EmptyName { number: 1 }), "{error:?}");
}

struct Nameless;

impl Service for Nameless {
    fn name(&self) -> &str {
        panic!("the name is in another file")
    }

    async fn run(&mut self, _: &Lifecycle) -> Result<(), ServiceError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_panic_when_asked_for_the_name_is_contained() {
    let error = refused(Services::new().with(steady("mails")).with(Nameless)).await;
    assert!(matches!(error, ServicesError::NoName { number: 2, .. }), "{error:?}");
    assert!(shown(&error).contains("the name is in another file"), "{error:?}");
}

#[test]
fn services_outside_of_a_runtime_are_refused() {
    let running = Services::new().with(steady("mails")).run_until(std::future::pending());
    let ended = futures_util::FutureExt::now_or_never(running).expect("it does not wait");
    assert!(matches!(ended, Err(ServicesError::NoRuntime)), "{ended:?}");
}
