//! A third suite: every public future of the store, dropped at each of its await points.
//!
//! A future is dropped after its first, second, … poll, until it is through: once as soon as it waits, and once when what
//! it waits for has come and was not yet looked at. Every call of the engine is an await point of its own, before it takes
//! effect and after ([`Halting`]). After each drop, what the future would have written is there whole or not at all,
//! nothing of it is held any more, and the store goes on.

pub mod administration;
pub mod commits;
pub mod contexts;
mod cut;
pub mod following;
mod halting;
pub mod lifecycle;
mod list;
pub mod reads;
mod subject;
pub mod transactions;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use evercore::engine::StorageEngine;
use evercore::{BoxError, Report};
use tokio::runtime::Builder;

use crate::fixture::Setting;
use crate::{Harness, SqlHarness};
pub use cut::Cut;
use cut::Moment;
pub use halting::Halting;
pub use list::{Operation, operations};
pub use subject::Subject;

/// The most polls after which a future is dropped.
const MOST_POLLS: u32 = 300;

/// After how many drops it is looked whether the store goes on.
const LOOK_EVERY: u32 = 4;

/// How long all drops of one future may take: some seconds, and many times that beside other work. What waits for ever
/// is found within the limit of one operation.
const TIME_LIMIT: Duration = Duration::from_secs(240);

/// How long an operation may take, whatever was dropped before it.
const OPERATION_LIMIT: Duration = Duration::from_secs(10);

/// What the suite of [`cancellation!`](crate::cancellation) needs to know of an engine besides.
///
/// [`Harness::open`] is to give the least of everything that the engine works with, such as one connection that reads: the
/// first that is not given back is then missed at once.
#[async_trait]
pub trait CancellationHarness: Harness {
    /// The URL of the data.
    fn url(&self) -> String;

    /// What the engines on the data hold, as seen by somebody else: locks, transactions, connections beyond those that
    /// one engine keeps. A line for each; none where nothing is left behind.
    async fn held(&self) -> Result<Vec<String>, BoxError>;
}

/// What is done with a subject while a part of it is cut short.
pub type Outcome = Result<(), BoxError>;

/// Makes a test of each operation that every engine has. It takes an expression that makes a [`CancellationHarness`],
/// evaluated once for each.
#[macro_export]
macro_rules! cancellation {
    ($harness:expr) => {
        $crate::__with_operations! { __cancellation_tests __run [$harness] }
    };
}

/// Makes a test of each operation of the engines of which user code takes part in the transactions. The harness is a
/// [`SqlHarness`] as well.
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

/// Drops a future at each of its await points. `Err` says at which of them something was left behind.
#[doc(hidden)]
pub fn __run<H: CancellationHarness>(
    name: &str,
    harness: H,
    operation: impl AsyncFn(&Subject, &mut Cut) -> Outcome,
) -> Result<(), String> {
    let harness = Arc::new(harness);
    on_a_runtime(&*harness, async {
        // Only contexts look at the aggregates in memory.
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

/// As [`__run`], for operations that need the transactions of the engine.
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
    // Once to its end, so that what is opened once is open.
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
            // What is lost stays lost, so it is enough to look now and then.
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
