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

/// The other guide's.
#[cfg(doctest)]
#[doc = include_str!("../../docs/subscriptions.md")]
#[derive(Debug)]
pub struct Subscriptions;
