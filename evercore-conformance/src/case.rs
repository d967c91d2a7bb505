//! A single case of the suite and the code that runs it.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use evercore::engine::Capability;
use evercore::{Error, Report, Result};
use tokio::runtime::{Builder, Runtime};

use crate::fixture::{Fixture, Setting};
use crate::{Harness, storm};

/// The time limit of a case. Each needs only a fraction of it, even on a slow disk, so exceeding it means a hang.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The environment variable that repeats a failed run when set to its seed.
pub(crate) const SEED_VARIABLE: &str = "EVERCORE_SEED";

/// A single requirement on an engine, with the test for it.
#[derive(Clone, Copy)]
pub struct Case {
    pub(crate) promise: &'static str,
    pub(crate) name: &'static str,
    pub(crate) setting: Setting,
    pub(crate) story: Story,
}

pub(crate) type Story = for<'a> fn(&'a Fixture) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// The outcome of a case that has found no problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The engine meets the requirement.
    Passed,
    /// The case needs a capability that the engine does not declare, and was refused it.
    LeftOut(Capability),
}

/// The problem that a case has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Case {
    /// Returns the promise that the case checks: `p1` to `p15`, or `contract` for other requirements in the docs of
    /// [`evercore::engine`] and of the store.
    #[must_use]
    pub const fn promise(&self) -> &'static str {
        self.promise
    }

    /// Returns the requirement as a sentence: `a_stale_write_is_a_conflict`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns whether the stores of the case [cache aggregates](evercore::EventStoreBuilder::cache_aggregates). Each
    /// case of P1 to P6 exists with and without the cache.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.setting == Setting::Cached
    }

    /// Runs the case on its own thread and runtime. A case that is refused a capability which the engine does not
    /// [declare](evercore::engine::StorageEngine::capabilities) is left out.
    ///
    /// # Errors
    /// [`Failure`] if the engine does not meet the requirement, or if the case takes longer than a minute. If
    /// `EVERCORE_TASKS` is set to more than 600 tasks, the limit is a tenth of a second for each of them.
    ///
    /// # Panics
    /// If the environment variable `EVERCORE_SEED` is set but is not a number.
    pub fn run(&self, harness: impl Harness) -> Result<Outcome, Failure> {
        self.run_within(TIME_LIMIT.max(storm::time_limit()), harness)
    }

    fn run_within(&self, limit: Duration, harness: impl Harness) -> Result<Outcome, Failure> {
        let (case, seed) = (*self, seed());
        let (done, verdict) = mpsc::channel();
        let run = move || {
            let verdict = case.run_here(Arc::new(harness), seed);
            // After a timeout, the receiver is gone.
            let _ = done.send(verdict);
        };
        let worker = thread::Builder::new().name(self.to_string());
        let worker = worker.spawn(run).expect("the operating system gives us threads");
        let verdict = verdict.recv_timeout(limit).unwrap_or_else(|late| match late {
            RecvTimeoutError::Timeout => {
                Err(format!("it did not end within {limit:?}: something waits for ever"))
            }
            RecvTimeoutError::Disconnected => {
                resume_unwind(worker.join().expect_err("BUG: it ended without a verdict"))
            }
        });
        verdict
            .map_err(|problem| Failure(format!("{self}: {problem} (seed: {SEED_VARIABLE}={seed})")))
    }

    fn run_here(&self, harness: Arc<dyn Harness>, seed: u64) -> Result<Outcome, String> {
        let runtime = runtime();
        let story = async {
            let fixture = Fixture::new(Arc::clone(&harness), self.setting, seed).await?;
            match (self.story)(&fixture).await {
                Ok(()) => Ok(Outcome::Passed),
                Err(Error::Unsupported { operation, .. })
                    if !fixture.engine().capabilities().has(operation) =>
                {
                    Ok(Outcome::LeftOut(operation))
                }
                Err(error) => Err(error),
            }
        };
        let told = catch_unwind(AssertUnwindSafe(|| runtime.block_on(story)));
        let cleaned = runtime.block_on(harness.clean_up());
        // A task that blocks its thread must not block this one.
        runtime.shutdown_background();
        match told {
            Err(panic) => Err(message(&*panic)),
            Ok(Err(error)) => Err(Report::new(&error).to_string()),
            Ok(Ok(outcome)) => match cleaned {
                Ok(()) => Ok(outcome),
                Err(error) => Err(format!("clean-up: {}", Report::new(&error))),
            },
        }
    }
}

pub(crate) fn seed() -> u64 {
    number(SEED_VARIABLE).unwrap_or_else(|| fastrand::u64(..))
}

/// Returns the number in an environment variable, if the variable is set.
pub(crate) fn number<N: FromStr<Err: fmt::Debug>>(variable: &str) -> Option<N> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{variable} is a number: {error:?}")))
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("the operating system gives us threads")
}

pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = match self.setting {
            Setting::Default => "",
            Setting::Cached => "cached::",
        };
        write!(f, "{setting}{}::{}", self.promise, self.name)
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("promise", &self.promise)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use evercore::Error;
    use evercore::engine::StorageEngine;
    use evercore_memory::MemoryEngine;

    use super::*;
    use crate::Durability;

    #[derive(Debug)]
    struct Memory;

    #[async_trait]
    impl Harness for Memory {
        async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
            Ok(Arc::new(MemoryEngine::new()))
        }

        fn durability(&self) -> Durability {
            Durability::Process
        }

        async fn clean_up(&self) -> Result<()> {
            Ok(())
        }
    }

    /// Far more than a case that completes needs, including a backtrace.
    const LONG: Duration = Duration::from_secs(30);

    fn failure_of(story: Story, limit: Duration) -> String {
        let setting = Setting::Default;
        let case = Case { promise: "p0", name: "a_case", setting, story };
        case.run_within(limit, Memory).expect_err("it fails").to_string()
    }

    #[test]
    fn a_case_that_waits_for_ever_fails_with_words() {
        let failure = failure_of(|_| Box::pin(std::future::pending()), Duration::from_millis(100));
        assert!(failure.starts_with("p0::a_case: it did not end within 100ms"), "{failure}");
    }

    #[test]
    fn a_case_that_blocks_its_thread_for_ever_fails_with_words() {
        let blocks: Story = |_| {
            Box::pin(async {
                loop {
                    thread::park();
                }
            })
        };
        let failure = failure_of(blocks, Duration::from_millis(100));
        assert!(failure.starts_with("p0::a_case: it did not end within 100ms"), "{failure}");
    }

    #[test]
    fn a_panic_is_a_failure_that_names_the_case_and_the_seed() {
        let failure = failure_of(|_| Box::pin(async { panic!("the {} is wrong", "sum") }), LONG);
        let words = "p0::a_case: the sum is wrong (seed: EVERCORE_SEED=";
        assert!(failure.starts_with(words), "{failure}");
    }

    #[test]
    fn an_error_is_a_failure_with_its_sources() {
        let story: Story = |_| Box::pin(async { Err(Error::storage("test", "no disk")) });
        let failure = failure_of(story, LONG);
        assert!(failure.contains("failed to test: no disk"), "{failure}");
    }
}
