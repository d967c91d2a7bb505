//! Serves what operators need of a program on Evercore: health probes, metrics for Prometheus, and the HTTP server for
//! them.
//!
//! [`Health`] answers whether the program is ready for requests, and why not. [`Metrics`] observes a store and answers
//! scrapes. Both are axum routers, to be merged into the program's own. [`http`] serves a router as a
//! [service](evercore::service::Service), which stops with the others.
//!
//! The dashboard for Grafana in [`grafana/evercore.json`](https://github.com/evercore-rs/evercore/blob/main/evercore-web/grafana/evercore.json)
//! shows all of the metrics.
//!
//! # Example
//! ```standalone_crate
//! use evercore::EventStore;
//! use evercore::service::{Lifecycle, Service, ServiceError};
//! use evercore_memory::MemoryEngine;
//! use evercore_web::{Health, Metrics, http};
//! use tokio::net::TcpListener;
//! use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ServiceError> {
//! let metrics = Metrics::new();
//! let store = EventStore::builder().observer(metrics.clone()).open(MemoryEngine::new()).await?;
//! let router = Health::new(&store).router().merge(metrics.router(&store));
//!
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let stop = CancellationToken::new();
//! # stop.cancel();
//! http(listener, router).run(&Lifecycle::new(stop)).await
//! # }
//! ```
//!
//! [docs/health.md](https://github.com/evercore-rs/evercore/blob/main/docs/health.md) and
//! [docs/metrics.md](https://github.com/evercore-rs/evercore/blob/main/docs/metrics.md) are the guides.

mod health;
mod http;
mod metrics;
mod shared;
mod stored;

pub use health::Health;
pub use http::{Http, http};
pub use metrics::Metrics;
