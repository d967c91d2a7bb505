//! Acquires a partition, and gives it back if the worker is dropped before it knows of it.
//!
//! A request that has been sent may be granted though its future is dropped. Without the token of the lease, the
//! partition would stay idle until the lease ends.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::engine::{AcquireRequest, Acquired, LeaseKey};
use crate::shared::Shared;
use crate::{Report, Result};

/// A request for a partition. Dropped before it is answered, it waits for the answer in a task.
struct Acquiring {
    call: Option<BoxFuture<'static, Result<Acquired>>>,
    is_sent: bool,
    store: Arc<Shared>,
    /// The time after which a lease that was granted has ended.
    lease: Duration,
    runtime: Option<Handle>,
}

/// Acquires a partition. If the future is dropped, a partition that is granted nevertheless is given back.
pub(super) async fn acquire(store: &Arc<Shared>, request: AcquireRequest) -> Result<Acquired> {
    let lease = request.lease;
    let engine = Arc::clone(&store.engine);
    let call = Box::pin(async move { engine.acquire(&request).await });
    let mut acquiring = Acquiring {
        call: Some(call),
        is_sent: false,
        store: Arc::clone(store),
        lease,
        runtime: Handle::try_current().ok(),
    };
    poll_fn(|context| acquiring.poll(context)).await
}

impl Acquiring {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Acquired>> {
        self.is_sent = true;
        let call = self.call.as_mut().expect("BUG: a request is polled after its answer");
        let answer = call.as_mut().poll(context);
        if answer.is_ready() {
            self.call = None;
        }
        answer
    }
}

impl Drop for Acquiring {
    fn drop(&mut self) {
        if let (Some(call), true, Some(runtime)) = (self.call.take(), self.is_sent, &self.runtime) {
            let (store, lease) = (Arc::clone(&self.store), self.lease);
            runtime.spawn(async move {
                // A lease that is granted later than this is not known to anyone, and ends by itself.
                if let Ok(Ok(Acquired::Granted(grant))) = timeout(lease, call).await {
                    give_back(&store, &grant.lease, lease).await;
                }
            });
        }
    }
}

async fn give_back(store: &Shared, lease: &LeaseKey, lasts: Duration) {
    let LeaseKey { subscription, partition, .. } = lease;
    match timeout(lasts, store.engine.release(lease)).await {
        Ok(Ok(())) => {
            info!(%subscription, partition, "released a partition that was granted to a dropped worker");
            store.settled.notify();
        }
        Ok(Err(error)) => {
            warn!(%subscription, partition, error = %Report::new(&error), "the lease was not released; it expires by itself");
        }
        Err(_) => {
            warn!(%subscription, partition, "the lease was not released in time; it expires by itself");
        }
    }
}
