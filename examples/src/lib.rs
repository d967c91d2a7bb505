//! Small complete programs that use evercore. Run one with `cargo run -p evercore-examples --example loans`.

mod program;

pub use program::Program;

/// The examples of the README, tested as documentation is.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;

/// The first program, from `cargo new` on.
#[cfg(doctest)]
#[doc = include_str!("../../docs/getting-started.md")]
#[derive(Debug)]
pub struct GettingStarted;

/// The example of the guide to errors.
#[cfg(doctest)]
#[doc = include_str!("../../docs/errors.md")]
#[derive(Debug)]
pub struct Errors;

/// The examples of the guide to PostgreSQL.
#[cfg(doctest)]
#[doc = include_str!("../../docs/postgresql.md")]
#[derive(Debug)]
pub struct RunningOnPostgres;

/// The examples of the guide to SQLite.
#[cfg(doctest)]
#[doc = include_str!("../../docs/sqlite.md")]
#[derive(Debug)]
pub struct RunningOnSqlite;

/// The examples of the guide for services on cqrs-es.
#[cfg(doctest)]
#[doc = include_str!("../../docs/from-cqrs-es.md")]
#[derive(Debug)]
pub struct FromCqrsEs;

/// The examples of the guide to codecs.
#[cfg(doctest)]
#[doc = include_str!("../../docs/codecs.md")]
#[derive(Debug)]
pub struct Codecs;

/// The examples of the guide to evolution.
#[cfg(doctest)]
#[doc = include_str!("../../docs/evolution.md")]
#[derive(Debug)]
pub struct Evolution;

/// The examples of the guide to subscriptions.
#[cfg(doctest)]
#[doc = include_str!("../../docs/subscriptions.md")]
#[derive(Debug)]
pub struct Subscriptions;

/// The examples of the guide to services.
#[cfg(doctest)]
#[doc = include_str!("../../docs/services.md")]
#[derive(Debug)]
pub struct RunningServices;

/// The examples of the guide to tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
#[derive(Debug)]
pub struct Testing;

/// The examples of the guide to middleware of commands.
#[cfg(doctest)]
#[doc = include_str!("../../docs/middleware.md")]
#[derive(Debug)]
pub struct Middleware;

/// The examples of the guide to modelling with decisions.
#[cfg(doctest)]
#[doc = include_str!("../../docs/decisions.md")]
#[derive(Debug)]
pub struct Decisions;

/// The examples of the guide to tags on old events.
#[cfg(doctest)]
#[doc = include_str!("../../docs/tagging-old-events.md")]
#[derive(Debug)]
pub struct TaggingOldEvents;

/// The examples of the guide to unique values.
#[cfg(doctest)]
#[doc = include_str!("../../docs/unique-values.md")]
#[derive(Debug)]
pub struct UniqueValues;

/// The examples of the guide to boundaries.
#[cfg(doctest)]
#[doc = include_str!("../../docs/boundaries.md")]
#[derive(Debug)]
pub struct Boundaries;

/// The examples of the guide to tasks.
#[cfg(doctest)]
#[doc = include_str!("../../docs/tasks.md")]
#[derive(Debug)]
pub struct Tasks;

/// The examples of the guide to commands that are sent.
#[cfg(doctest)]
#[doc = include_str!("../../docs/commands.md")]
#[derive(Debug)]
pub struct Commands;

/// The examples of the guide to processes.
#[cfg(doctest)]
#[doc = include_str!("../../docs/processes.md")]
#[derive(Debug)]
pub struct Processes;

/// The examples of the guide to verifying a store.
#[cfg(doctest)]
#[doc = include_str!("../../docs/verify.md")]
#[derive(Debug)]
pub struct Verifying;

/// The examples of the guide to metrics.
#[cfg(doctest)]
#[doc = include_str!("../../docs/metrics.md")]
#[derive(Debug)]
pub struct Metrics;

/// The examples of the guide to health.
#[cfg(doctest)]
#[doc = include_str!("../../docs/health.md")]
#[derive(Debug)]
pub struct Health;

/// The examples of the guide to caching.
#[cfg(doctest)]
#[doc = include_str!("../../docs/caching.md")]
#[derive(Debug)]
pub struct Caching;

/// The web service of the guide.
#[cfg(doctest)]
#[doc = include_str!("../../docs/web-service.md")]
#[derive(Debug)]
pub struct WebService;
