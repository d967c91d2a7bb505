//! Checks that `verify` finds corruption in a database that was changed behind the store's back. For SQL engines.
//!
//! Each case corrupts one thing in a store that was clean before, and asserts the exact findings.

mod cases;
mod scene;

use std::sync::Arc;

use async_trait::async_trait;
use evercore::engine::StorageEngine;
use evercore::{BoxError, Result};

#[doc(hidden)]
pub use cases::__run;

/// A separate database for one case.
#[async_trait]
pub trait SpoiltDatabase: std::fmt::Debug + Send + Sync + 'static {
    /// Opens the engine. The schema may be missing.
    async fn open(&self) -> Result<Arc<dyn StorageEngine>>;

    /// Executes statements behind the engine's back, with the migrations' table names and no foreign key checks.
    async fn execute(&self, sql: &str) -> Result<(), BoxError>;

    /// Returns the SQL fragments that depend on the database.
    fn dialect(&self) -> Dialect;
}

/// SQL fragments that differ between databases.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Converts a text literal to bytes.
    pub bytes: fn(&str) -> String,
    /// A timestamp.
    pub time: &'static str,
    /// Allows two aggregates to have the same natural key.
    pub let_keys_repeat: &'static str,
    /// Allows two events to have the same sequence or the same position.
    pub let_events_repeat: &'static str,
    /// Makes the database assign aggregate ids from 1 again.
    pub forget_ids: &'static str,
}

/// Generates a test for each case. Takes an expression that evaluates to a [`SpoiltDatabase`], and must be called in a
/// module of its own.
#[doc(hidden)]
#[macro_export]
macro_rules! corruption_cases {
    ($database:expr) => {
        fn __database() -> impl $crate::corruption::SpoiltDatabase {
            $database
        }

        $crate::__with_corruptions! { __corruption_tests }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __corruption_tests {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                $crate::corruption::__run(stringify!($name), __database());
            }
        )+
    };
}
