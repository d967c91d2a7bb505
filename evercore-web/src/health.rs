//! Answers the probes of an orchestrator: whether the process lives, and whether it is ready for requests.

mod check;
mod journal;
mod readiness;
mod redact;
mod thresholds;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use evercore::{BoxError, EventStore};
use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::shared::Shared;
use crate::stored::stored;
use check::Check;
use journal::Journal;
use readiness::Readiness;
use thresholds::Thresholds;

/// The default time that a readiness request may take.
const WITHIN: Duration = Duration::from_secs(2);

/// Proxies keep no answer.
const NOT_KEPT: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

/// Answers health probes about a store: `GET /health/live` and `GET /health/ready`.
///
/// `/health/live` is always 200 with the text `alive`: it says that the process answers, and nothing of the database,
/// since a restart of the process does not bring back a database.
///
/// `/health/ready` is 200 if the database can be reached, no subscription is late or has too many parked events, and
/// all [checks](Self::check) succeed; otherwise it is 503. The body is JSON, and says of each part what it is and why it
/// is not ready. Subscriptions are those that are stored, in whichever process they run. A subscription is judged by
/// the time for which its oldest unhandled event has waited, unless it is paused.
///
/// Requests at the same time share one look at the database, whose result is kept for a second. A request takes at most
/// [two seconds](Self::within), even if the database does not answer, and a quarter of a second more if a check blocks its
/// thread.
///
/// # Example
/// ```standalone_crate
/// use std::time::Duration;
///
/// use evercore::EventStore;
/// use evercore_memory::MemoryEngine;
/// use evercore_web::Health;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> evercore::Result<()> {
/// let store = EventStore::builder().open(MemoryEngine::new()).await?;
/// let health = Health::new(&store)
///     .max_lag("letters", Duration::from_secs(10))
///     .max_parked("letters", 0)
///     .ignore("nightly-report")
///     .check("mail", async || tokio::net::TcpStream::connect("mail:25").await.map(drop));
/// let app = axum::Router::new().merge(health.router());
/// # drop(app);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "probes are answered once the `router` is served"]
pub struct Health {
    store: EventStore,
    thresholds: Thresholds,
    checks: Vec<Check>,
    within: Duration,
}

impl Health {
    /// Makes the answers about a store. By default, an event of a subscription may wait for 60 seconds, and any number of
    /// events may be parked.
    pub fn new(store: &EventStore) -> Self {
        let (thresholds, checks) = (Thresholds::default(), Vec::new());
        Self { store: store.clone(), thresholds, checks, within: WITHIN }
    }

    /// Sets how long an event may wait for any subscription that has no [threshold](Self::max_lag) of its own. Default:
    /// 60 seconds.
    pub fn default_max_lag(mut self, lag: Duration) -> Self {
        self.thresholds.set_default_max_lag(lag);
        self
    }

    /// Sets how long an event may wait for a subscription. The store is not ready before the subscription is stored,
    /// which its first worker does.
    pub fn max_lag(mut self, subscription: impl Into<String>, lag: Duration) -> Self {
        self.thresholds.of(subscription.into()).max_lag = Some(lag);
        self
    }

    /// Sets how many events of a subscription may be parked. Default: any number. The store is not ready before the
    /// subscription is stored.
    pub fn max_parked(mut self, subscription: impl Into<String>, events: u64) -> Self {
        self.thresholds.of(subscription.into()).max_parked = Some(events);
        self
    }

    /// Leaves a subscription out of the judgement. It is reported nevertheless.
    pub fn ignore(mut self, subscription: impl Into<String>) -> Self {
        self.thresholds.of(subscription.into()).ignored = true;
        self
    }

    /// Adds a check: the store is not ready while it fails. It is called with each look, beside the other checks, within
    /// the time of the look. A panic of it is a failure.
    ///
    /// It should not block its thread: while it does, no look ends, and all requests are answered that the program is not
    /// ready. On a runtime with a single thread, it would hold up the whole program.
    ///
    /// The text of its error is in the answer. Texts that look like a URL or a password are replaced there, but the
    /// check should not put a secret in its error.
    pub fn check<F, Fut, E>(mut self, name: impl Into<String>, check: F) -> Self
    where
        F: FnOnce() -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send,
        E: Into<BoxError>,
    {
        self.checks.push(Check::new(name.into(), check));
        self
    }

    /// Sets how long a readiness request may take. Default: 2 seconds, less than the usual time-out of a probe should
    /// be.
    pub const fn within(mut self, time: Duration) -> Self {
        self.within = time;
        self
    }

    /// Returns the routes `/health/live` and `/health/ready`.
    pub fn router(self) -> Router {
        let (health, journal) = (Arc::new(self), Arc::new(Journal::default()));
        let of_the_looks = Arc::clone(&journal);
        let shared = Shared::new(health.within, move || {
            let (health, journal) = (Arc::clone(&health), Arc::clone(&of_the_looks));
            async move {
                let readiness = health.look().await;
                journal.note(&readiness.reasons());
                readiness
            }
            .boxed()
        });
        Router::new()
            .route("/health/live", get(async || "alive"))
            .route("/health/ready", get(ready))
            .with_state(Probed { shared, journal })
    }

    /// Looks at the database and runs the checks, side by side.
    async fn look(&self) -> Readiness {
        let began = Instant::now();
        let database = async {
            let found = stored(&self.store, self.within).await;
            (found, began.elapsed())
        };
        let checks = join_all(self.checks.iter().map(|check| check.run(self.within)));
        let ((found, took), checks) = futures_util::join!(database, checks);
        Readiness::of(found, took, checks, &self.thresholds)
    }
}

#[derive(Clone, Debug)]
struct Probed {
    shared: Arc<Shared<Readiness>>,
    journal: Arc<Journal>,
}

async fn ready(State(Probed { shared, journal }): State<Probed>) -> Response {
    let readiness = match shared.get().await {
        Ok(readiness) => readiness,
        Err(why) => {
            journal.note_no_look(&why);
            return (StatusCode::SERVICE_UNAVAILABLE, NOT_KEPT, why).into_response();
        }
    };
    let is_ready = readiness.is_ready();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, NOT_KEPT, Json(&*readiness)).into_response()
}
