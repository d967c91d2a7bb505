//! A suite for engines that support user code in their transactions. It checks P9 and P10 for handlers that write in
//! the transaction which settles their batch.

mod cases;
mod routing;
mod stopping;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{StorageEngine, Transactor};
use evercore::{BoxError, EventStore, EventStoreBuilder, Result, RetryPolicy};

use crate::domain::registry;

#[doc(hidden)]
pub use cases::*;
#[doc(hidden)]
pub use routing::*;
#[doc(hidden)]
pub use stopping::*;

/// The time limit of a case.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Gives the suite of [`transactional_conformance!`](crate::transactional_conformance) engines and means to run SQL.
#[async_trait]
pub trait SqlHarness: fmt::Debug + Send + Sync + 'static {
    /// The engine under test.
    type Engine: Transactor + StorageEngine;

    /// Whether an open transaction of the engine blocks all other writers.
    const HOLDS_WRITERS_BACK: bool;

    /// Opens an engine on the data of this harness, as another process would.
    async fn open(&self) -> Result<Arc<Self::Engine>>;

    /// Returns the name of a table for this harness alone. The suite creates the table.
    fn table(&self) -> String;

    /// Executes a statement in a transaction.
    async fn execute(
        &self,
        transaction: &mut SqlTransaction<Self>,
        sql: &str,
    ) -> Result<(), BoxError>;

    /// Runs a query with a single integer column in a transaction.
    async fn numbers(
        &self,
        transaction: &mut SqlTransaction<Self>,
        sql: &str,
    ) -> Result<Vec<i64>, BoxError>;

    /// Makes the database abort a transaction in the middle of a statement, and returns the driver's error.
    async fn break_off(&self, transaction: &mut SqlTransaction<Self>) -> BoxError;

    /// Removes the data.
    async fn clean_up(&self) -> Result<()>;
}

/// The transaction type of a harness's engine.
pub type SqlTransaction<H> = <<H as SqlHarness>::Engine as Transactor>::Transaction;

/// Generates a test for each case of the transactional suite. Takes an expression that evaluates to a [`SqlHarness`];
/// it is evaluated once for each case.
#[macro_export]
macro_rules! transactional_conformance {
    ($harness:expr) => {
        $crate::__transactional_tests! {
            $harness;
            p9 {
                effects_and_record_land_together
                the_writes_of_a_failed_handler_are_undone
                a_batch_that_was_recorded_before_is_undone
                events_of_a_handler_land_with_its_record
                a_conflict_in_a_handler_is_tried_again
                racing_workers_handle_each_event_once
                a_transaction_that_breaks_off_is_no_failure_of_its_handler
                a_commit_beside_the_context_of_a_handler_is_refused
                a_handler_in_a_task_takes_effect_once
                a_service_in_transactions_can_be_run_again
                events_of_a_route_are_linked_to_their_cause
                a_route_is_given_the_parts_of_retired_events
            }
            p10 {
                a_worker_that_lost_the_lease_commits_nothing
                a_worker_that_loses_its_lease_while_it_handles_commits_nothing
            }
            contract {
                an_observer_is_told_of_transactions
                a_stop_is_heard_while_there_is_nothing_to_do
                a_stop_is_heard_after_the_transaction_that_is_open
                a_stop_is_heard_while_another_worker_has_the_lease
                a_stop_is_heard_before_a_failed_event_is_tried_again
                a_stop_is_heard_while_it_is_paused
                a_closed_store_ends_a_worker_that_waits
                a_closed_store_ends_a_worker_that_has_a_transaction_open
            }
            p11 {
                a_failing_event_is_parked_and_its_effects_are_undone
                a_redriven_event_takes_effect_once
                a_statement_that_is_wrong_is_a_failure_of_its_handler
                trouble_of_another_database_is_a_failure_of_its_handler
                a_commit_that_is_refused_is_a_failure_of_its_handler
                a_route_is_given_its_events_in_a_transaction
                a_route_is_not_given_what_does_not_decode
                a_handler_that_hangs_in_a_transaction_is_undone
                a_router_in_transactions_deals_with_unknown_events
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __transactional_tests {
    ($harness:expr; $($promise:ident { $($name:ident)+ })+) => {
        $(
            mod $promise {
                $(
                    #[test]
                    fn $name() {
                        #[allow(unused_imports)]
                        use super::*;
                        $crate::transactional::__run($harness, $crate::transactional::$name);
                    }
                )+
            }
        )+
    };
}

/// The environment of a case: an engine and a store, with a table for the effects of handlers.
#[derive(Debug)]
pub struct SqlFixture<H: SqlHarness> {
    pub(crate) harness: Arc<H>,
    pub(crate) engine: Arc<H::Engine>,
    pub(crate) store: EventStore,
    pub(crate) table: String,
}

impl<H: SqlHarness> SqlFixture<H> {
    async fn new(harness: Arc<H>) -> Result<Self, BoxError> {
        let engine = harness.open().await?;
        let store = open(&engine).await?;
        let table = harness.table();
        let fixture = Self { harness, engine, store, table };
        fixture
            .write(&format!("CREATE TABLE {} (position BIGINT, aggregate BIGINT)", fixture.table))
            .await?;
        Ok(fixture)
    }

    /// Opens the engine and the store of another process on the same data.
    pub(crate) async fn neighbour(&self) -> Result<Self> {
        let engine = self.harness.open().await?;
        let store = open(&engine).await?;
        let (harness, table) = (Arc::clone(&self.harness), self.table.clone());
        Ok(Self { harness, engine, store, table })
    }

    /// Executes a statement in its own transaction.
    async fn write(&self, sql: &str) -> Result<(), BoxError> {
        self.store
            .with_context_in(&*self.engine, async |ctx| {
                self.harness.execute(ctx.transaction(), sql).await.map_err(Failed)
            })
            .await
            .map_err(|Failed(error)| error)
    }

    /// Returns the positions of the events that took effect, in order.
    pub(crate) async fn effects(&self) -> Result<Vec<i64>, BoxError> {
        let sql = format!("SELECT position FROM {} ORDER BY position", self.table);
        let mut transaction = self.engine.begin(None).await?;
        self.harness.numbers(&mut transaction, &sql).await
    }
}

/// An error of the harness or of the store.
struct Failed(BoxError);

impl From<evercore::Error> for Failed {
    fn from(error: evercore::Error) -> Self {
        Self(error.into())
    }
}

async fn open<E: StorageEngine>(engine: &Arc<E>) -> Result<EventStore> {
    open_with(EventStore::builder(), engine).await
}

pub(crate) async fn open_with<E: StorageEngine>(
    builder: EventStoreBuilder,
    engine: &Arc<E>,
) -> Result<EventStore> {
    let engine: Arc<dyn StorageEngine> = Arc::clone(engine) as Arc<dyn StorageEngine>;
    let patient = RetryPolicy::default().attempts(1_000).longest(Duration::from_millis(5));
    builder.registry(registry()).retry(patient).open_shared(engine).await
}

/// Runs one case and panics if it fails.
#[doc(hidden)]
pub fn __run<H: SqlHarness>(
    harness: H,
    case: impl AsyncFnOnce(SqlFixture<H>) -> Result<(), BoxError>,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let harness = Arc::new(harness);
        let run = async { case(SqlFixture::new(Arc::clone(&harness)).await?).await };
        let result = tokio::time::timeout(TIME_LIMIT, run).await;
        harness.clean_up().await.expect("the data can be removed");
        result.expect("a case takes less than a minute").unwrap_or_else(|error| panic!("{error}"));
    });
}
