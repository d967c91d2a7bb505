//! Drops every public future of the store at each of its await points.
//!
//! A future is dropped after its first, second, … poll until it completes: once immediately after the poll, and once
//! after the future has been woken but not polled again. Each call of the engine has two await points, before and after
//! it takes effect ([`Halting`]). After each drop, the future's writes must be stored as a whole or not at all, no
//! resources may be held for it, and the store must continue to work.

pub mod administration;
pub mod boundaries;
pub mod commands;
pub mod commits;
pub mod contexts;
pub mod following;
mod halting;
pub mod lifecycle;
mod list;
pub mod queues;
pub mod reads;
mod subject;
pub mod tasks;
pub mod transactions;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use evercore::engine::StorageEngine;
use evercore::{BoxError, Report};
use tokio::runtime::Builder;

pub use crate::cut::Cut;
use crate::cut::Moment;
use crate::fixture::Setting;
use crate::{Harness, SqlHarness};
pub use halting::Halting;
pub use list::{Operation, operations};
pub use subject::Subject;

/// The maximum number of polls after which a future is dropped.
const MOST_POLLS: u32 = 300;

/// The number of drops after which the suite checks that the store still works.
const LOOK_EVERY: u32 = 4;

/// The time limit for all drops of one future. They take a few seconds, and many times that on a busy machine. A future
/// that never completes is found earlier, by [`OPERATION_LIMIT`].
const TIME_LIMIT: Duration = Duration::from_secs(240);

/// The time limit for one operation, whatever was dropped before it.
const OPERATION_LIMIT: Duration = Duration::from_secs(10);

/// Gives the suite of [`cancellation!`](crate::cancellation) access to an engine and its resources.
///
/// [`Harness::open`] should configure the engine with the least possible of each resource, such as a single connection
/// for reads, so that a resource that is not returned is missed at once.
#[async_trait]
pub trait CancellationHarness: Harness {
    /// Returns the URL of the data.
    fn url(&self) -> String;

    /// Returns the resources that the engines on this data hold, as seen from outside: locks, transactions, and
    /// connections beyond those that one engine keeps. One line per resource; empty if nothing is left behind.
    async fn held(&self) -> Result<Vec<String>, BoxError>;
}

/// The result of an operation in which a future was dropped.
pub type Outcome = Result<(), BoxError>;

/// Generates a test for each operation that all engines support. Takes an expression that evaluates to a
/// [`CancellationHarness`]; it is evaluated once for each test.
#[macro_export]
macro_rules! cancellation {
    ($harness:expr) => {
        $crate::__with_operations! { __cancellation_tests __run [$harness] }
    };
}

/// Generates a test for each operation that runs user code in the engine's transactions. The harness must also be a
/// [`SqlHarness`].
#[macro_export]
macro_rules! transactional_cancellation {
    ($harness:expr) => {
        $crate::__with_transactional_operations! {
            __cancellation_tests __run_transactional [$harness]
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __cancellation_tests {
    (
        { $run:ident [$harness:expr] }
        $($group:ident { $($name:ident: $($covered:literal)+)+ })+
    ) => {
        $(
            mod $group {
                $(
                    #[test]
                    fn $name() {
                        #[allow(unused_imports)]
                        use super::*;
                        let verdict = $crate::cancellation::$run(
                            concat!(stringify!($group), "::", stringify!($name)),
                            $harness,
                            async |subject, cut| {
                                $crate::cancellation::$group::$name(subject, cut).await
                            },
                        );
                        verdict.unwrap_or_else(|problem| panic!("{problem}"));
                    }
                )+
            }
        )+
    };
}

/// Drops a future at each of its await points. The error names the await point at which something was left behind.
#[doc(hidden)]
pub fn __run<H: CancellationHarness>(
    name: &str,
    harness: H,
    operation: impl AsyncFn(&Subject, &mut Cut) -> Outcome,
) -> Result<(), String> {
    let harness = Arc::new(harness);
    on_a_runtime(&*harness, async {
        // Only contexts use the cached aggregates.
        let has_cache = name.starts_with("commits") || name.starts_with("contexts");
        let settings = if has_cache {
            [Setting::Default, Setting::Cached].as_slice()
        } else {
            &[Setting::Default]
        };
        for &setting in settings {
            let engine = Harness::open(&*harness).await?;
            let subject = Subject::new(Arc::clone(&harness) as _, engine, setting).await?;
            drop_everywhere(name, &subject, async |cut| operation(&subject, cut).await).await?;
            subject.end().await?;
        }
        Ok(())
    })
}

/// Does the same as [`__run`], for operations that need the engine's transactions.
#[doc(hidden)]
pub fn __run_transactional<H: CancellationHarness + SqlHarness>(
    name: &str,
    harness: H,
    operation: impl AsyncFn(&transactions::WithRows<H>, &mut Cut) -> Outcome,
) -> Result<(), String> {
    let harness = Arc::new(harness);
    on_a_runtime(&*harness, async {
        let engine = SqlHarness::open(&*harness).await?;
        let shared: Arc<dyn StorageEngine> = Arc::clone(&engine) as _;
        let subject = Subject::new(Arc::clone(&harness) as _, shared, Setting::Default).await?;
        let with_rows = transactions::WithRows::new(subject, harness.clone(), engine).await?;
        let subject = &with_rows.subject;
        drop_everywhere(name, subject, async |cut| operation(&with_rows, cut).await).await?;
        with_rows.subject.end().await
    })
}

fn on_a_runtime(
    harness: &impl CancellationHarness,
    work: impl Future<Output = Outcome>,
) -> Result<(), String> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("the operating system gives us threads");
    let verdict = runtime.block_on(async {
        let worked = tokio::time::timeout(TIME_LIMIT, work).await;
        Harness::clean_up(harness).await.map_err(|error| error.to_string())?;
        match worked {
            Ok(verdict) => verdict.map_err(|error| Report::new(&*error).to_string()),
            Err(_) => Err(format!("it did not end within {TIME_LIMIT:?}: something is waited for")),
        }
    });
    runtime.shutdown_background();
    verdict
}

async fn drop_everywhere(
    name: &str,
    subject: &Subject,
    operation: impl AsyncFn(&mut Cut) -> Outcome,
) -> Outcome {
    // Runs the operation to its end first, so that everything that is opened only once is open.
    operation(&mut Cut::never()).await?;
    subject.take_stock().await?;
    let (mut drops, began) = (0, Instant::now());
    for moment in [Moment::Waiting, Moment::Woken] {
        for polls in 1.. {
            let mut cut = Cut::after(polls, moment);
            let problem = |error: BoxError| -> BoxError {
                let left = Report::new(&*error).to_string();
                format!("{name}, dropped after {polls} polls ({moment:?}): {left}").into()
            };
            let done = tokio::time::timeout(OPERATION_LIMIT, operation(&mut cut)).await;
            done.unwrap_or_else(|_| Err("the next one does not go on".into())).map_err(problem)?;
            subject.check_nothing_is_held().await.map_err(problem)?;
            let is_through = !cut.has_cut();
            // A lost resource stays lost, so checking now and then is enough.
            if is_through || polls % LOOK_EVERY == 0 {
                subject.check_it_goes_on().await.map_err(problem)?;
            }
            if is_through {
                break;
            }
            if polls == MOST_POLLS {
                return Err(problem("it is not through yet".into()));
            }
            drops += 1;
        }
    }
    println!("{name}: dropped {drops} times in {:?}", began.elapsed());
    Ok(())
}
