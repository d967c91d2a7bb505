//! Counts what stores do, for Prometheus.

mod counters;
mod gauges;
mod histogram;
mod subscriptions;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use evercore::EventStore;
use evercore::observer::{Observation, Observer};
use evercore::subscription::SubscriptionInfo;
use futures_util::FutureExt;
use prometheus_client::encoding::prometheus_text::{CONTENT_TYPE as TEXT, encode};
use prometheus_client::registry::Registry;
use tracing::{info, warn};

use crate::shared::Shared;
use crate::stored::stored;
use counters::Counters;

/// The time that a scrape waits for the database.
const WITHIN: Duration = Duration::from_secs(2);

/// Keeps metrics of stores in the format of Prometheus, and answers `GET /metrics`. Clones share them.
///
/// As an [`Observer`] it counts commits, loads, reruns and what handlers do: set it with
/// [`EventStoreBuilder::observer`](evercore::EventStoreBuilder::observer). These figures are of this process. With each
/// scrape, [`router`](Self::router) adds gauges of the stored subscriptions, which are of the whole database.
///
/// The only label that grows is the name of a subscription, for at most 1,000 of them; what the others do is counted
/// under the name `other`.
///
/// # Example
/// ```standalone_crate
/// use evercore::EventStore;
/// use evercore_memory::MemoryEngine;
/// use evercore_web::Metrics;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> evercore::Result<()> {
/// let metrics = Metrics::new();
/// let store = EventStore::builder().observer(metrics.clone()).open(MemoryEngine::new()).await?;
/// let app = axum::Router::new().merge(metrics.router(&store));
/// # drop(app);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Counters>);

/// The findings of a scrape in the database; `None` if it was not reached.
type Found = Option<Vec<SubscriptionInfo>>;

impl Metrics {
    /// Makes metrics that have counted nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the route `/metrics`, in the text format 0.0.4 of Prometheus.
    ///
    /// It adds gauges about the store's subscriptions. While the database cannot be reached, they are left out, and
    /// `evercore_up` is 0: the scrape succeeds nevertheless, within two seconds, and a quarter of a second more if the
    /// engine blocks its thread. Scrapes at the same time share one look at the database, whose result is kept for a
    /// second.
    pub fn router(&self, store: &EventStore) -> Router {
        let (store, was_up) = (store.clone(), Arc::new(AtomicBool::new(true)));
        let of_the_looks = Arc::clone(&was_up);
        let shared = Shared::new(WITHIN, move || {
            let (store, was_up) = (store.clone(), Arc::clone(&of_the_looks));
            async move { found(stored(&store, WITHIN).await, &was_up) }.boxed()
        });
        let scraped = Scraped { metrics: self.clone(), shared, was_up };
        Router::new().route("/metrics", get(scrape)).with_state(scraped)
    }
}

impl Observer for Metrics {
    fn observe(&self, observation: &Observation<'_>) {
        self.0.observe(observation);
    }
}

#[derive(Clone, Debug)]
struct Scraped {
    metrics: Metrics,
    shared: Arc<Shared<Found>>,
    was_up: Arc<AtomicBool>,
}

async fn scrape(State(Scraped { metrics, shared, was_up }): State<Scraped>) -> Response {
    let found = shared.get().await.unwrap_or_else(|why| Arc::new(found(Err(why), &was_up)));
    let subscriptions = (*found).as_deref();
    let mut text = String::new();
    let counters = metrics.0.registry();
    let encoded = encode(&mut text, counters).and_then(|()| {
        let mut registry = Registry::default();
        gauges::register(&mut registry, subscriptions);
        encode(&mut text, &registry)
    });
    match encoded {
        Ok(()) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
        Err(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written").into_response()
        }
    }
}

/// Logs when the database can no longer be reached by scrapes, or can be reached again.
fn found(stored: Result<Vec<SubscriptionInfo>, String>, was_up: &AtomicBool) -> Found {
    match (was_up.swap(stored.is_ok(), Ordering::Relaxed), stored) {
        (was_up, Ok(subscriptions)) => {
            if !was_up {
                info!("scrapes of metrics reach the database again");
            }
            Some(subscriptions)
        }
        (was_up, Err(error)) => {
            if was_up {
                warn!(error, "a scrape of metrics did not reach the database; gauges are left out");
            }
            None
        }
    }
}
