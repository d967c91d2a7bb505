//! Small whole programs on evercore. Run one with `cargo run --example bank`.

mod program;

pub use program::Program;

/// The README's examples, tested as documentation is.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;

/// The guide's.
#[cfg(doctest)]
#[doc = include_str!("../../docs/postgresql.md")]
#[derive(Debug)]
pub struct RunningOnPostgres;

/// How events are written.
#[cfg(doctest)]
#[doc = include_str!("../../docs/codecs.md")]
#[derive(Debug)]
pub struct Codecs;

/// How old events are read.
#[cfg(doctest)]
#[doc = include_str!("../../docs/evolution.md")]
#[derive(Debug)]
pub struct Evolution;

/// The other guide's.
#[cfg(doctest)]
#[doc = include_str!("../../docs/subscriptions.md")]
#[derive(Debug)]
pub struct Subscriptions;

/// The guide to tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
#[derive(Debug)]
pub struct Testing;

/// The guide to what stands around commands.
#[cfg(doctest)]
#[doc = include_str!("../../docs/middleware.md")]
#[derive(Debug)]
pub struct Middleware;

/// The guide to modelling with decisions.
#[cfg(doctest)]
#[doc = include_str!("../../docs/decisions.md")]
#[derive(Debug)]
pub struct Decisions;

/// The guide to verifying a store.
#[cfg(doctest)]
#[doc = include_str!("../../docs/verify.md")]
#[derive(Debug)]
pub struct Verifying;

/// The guide to aggregates in memory.
#[cfg(doctest)]
#[doc = include_str!("../../docs/caching.md")]
#[derive(Debug)]
pub struct Caching;
