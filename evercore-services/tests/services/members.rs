//! Services for the tests.

use std::fmt::{Debug, Display};
use std::time::Duration;

use evercore::service::{Lifecycle, Service, ServiceError, service};

/// The time after which a test gives up. With a paused clock, it passes at once if nothing else happens.
const PATIENCE: Duration = Duration::from_secs(3_600);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(pub(crate) &'static str, #[source] pub(crate) std::io::Error);

/// Returns a failure with a cause, which may pass.
pub(crate) fn broken() -> Broken {
    Broken("no letter was sent", std::io::Error::other("no route to the mail server"))
}

/// Returns a service that works until it is stopped.
pub(crate) fn steady(name: &str) -> impl Service + use<> {
    service(name, async |lifecycle: Lifecycle| {
        lifecycle.ready();
        lifecycle.stopped().await;
        Ok::<_, ServiceError>(())
    })
}

/// Returns a service that is ready and does not stop.
pub(crate) fn stubborn(name: &str) -> impl Service + use<> {
    service(name, async |lifecycle: Lifecycle| {
        lifecycle.ready();
        std::future::pending::<Result<(), ServiceError>>().await
    })
}

/// Returns a service that fails for good as soon as it is stopped, or before.
pub(crate) fn fails(name: &str) -> impl Service + use<> {
    service(name, async |_: Lifecycle| Err::<(), _>(ServiceError::permanent(broken())))
}

/// Awaits this for a bounded time.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens soon")
}

/// Asserts that this text contains all of these, in this order.
pub(crate) fn assert_says(text: impl Display + Debug, parts: &[&str]) {
    let text = text.to_string();
    let mut rest = &*text;
    for part in parts {
        rest = rest.split_once(part).unwrap_or_else(|| panic!("`{part}` is missing: {text}")).1;
    }
}
