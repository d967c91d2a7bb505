//! A service of any type, with what has to be known of it before it runs.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use evercore::service::{Lifecycle, Service, ServiceError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

/// A service that was added.
pub(crate) struct Entry {
    /// The name, or the failure of a service that panicked when it was asked for it.
    pub(crate) name: Result<Arc<str>, ServiceError>,
    pub(crate) if_aborted: &'static str,
    pub(crate) service: Box<dyn AnyService>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Entry {
    pub(crate) fn new<S: Service>(service: S) -> Self {
        let asked =
            catch_unwind(AssertUnwindSafe(|| (Arc::from(service.name()), service.if_aborted())));
        let (name, if_aborted) = match asked {
            Ok((name, if_aborted)) => (Ok(name), if_aborted),
            Err(panic) => (Err(ServiceError::panicked(&*panic)), ""),
        };
        Self { name, if_aborted, service: Box::new(service) }
    }
}

/// A [`Service`] of any type.
pub(crate) trait AnyService: Send {
    /// Runs the service, and returns a panic as a failure.
    fn run_caught<'a>(
        &'a mut self,
        lifecycle: &'a Lifecycle,
    ) -> BoxFuture<'a, Result<(), ServiceError>>;
}

impl<S: Service> AnyService for S {
    fn run_caught<'a>(
        &'a mut self,
        lifecycle: &'a Lifecycle,
    ) -> BoxFuture<'a, Result<(), ServiceError>> {
        // The call itself is a part of the future, so that a panic before its first await point is caught as well.
        let running = async { self.run(lifecycle).await };
        let caught = AssertUnwindSafe(running).catch_unwind();
        caught
            .map(|ended| ended.unwrap_or_else(|panic| Err(ServiceError::panicked(&*panic))))
            .boxed()
    }
}
