//! What `verify` finds where somebody has changed a database behind the store's back. For engines that speak SQL.
//!
//! Each case spoils one thing in a store that was found clean before, and names what is found then: that and nothing else.

mod cases;
mod scene;

use std::sync::Arc;

use async_trait::async_trait;
use evercore::engine::StorageEngine;
use evercore::{BoxError, Result};

#[doc(hidden)]
pub use cases::__run;

/// A database of its own for one case.
#[async_trait]
pub trait SpoiltDatabase: std::fmt::Debug + Send + Sync + 'static {
    /// Opens the engine. The schema may be missing.
    async fn open(&self) -> Result<Arc<dyn StorageEngine>>;

    /// Executes statements behind its back, with tables named as in the migrations and without checks of foreign keys.
    async fn execute(&self, sql: &str) -> Result<(), BoxError>;

    /// How some things are said.
    fn dialect(&self) -> Dialect;
}

/// How things are said of which databases have a notion of their own.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Text as bytes.
    pub bytes: fn(&str) -> String,
    /// A time.
    pub time: &'static str,
    /// Lets two aggregates have one natural key.
    pub let_keys_repeat: &'static str,
    /// Lets two events have one sequence, or one position.
    pub let_events_repeat: &'static str,
    /// Has the database give aggregate ids from 1 again.
    pub forget_ids: &'static str,
}

/// Makes a test of each case. It takes an expression that makes a [`SpoiltDatabase`], and is to be called in a module of
/// its own.
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
