//! Many runs, one seed after another, on all processors.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::plan::Plan;
use crate::simulation::run;
use crate::tally::Tally;

/// The seeds of a series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series {
    pub(crate) from: u64,
    pub(crate) length: Length,
    pub(crate) after_violation: AfterViolation,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    Runs(u64),
    Time(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterViolation {
    Stop,
    GoOn,
}

/// The result of a series.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// By seed. The first one does not depend on the number of threads.
    pub(crate) violations: BTreeMap<u64, Violation>,
    took: Duration,
    threads: usize,
}

#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) what: String,
    /// The time after which it was found.
    pub(crate) after: Duration,
}

/// The state that the threads share.
#[derive(Debug, Default)]
struct Shared {
    /// The number of seeds that were taken.
    taken: AtomicU64,
    is_over: AtomicBool,
    violations: Mutex<BTreeMap<u64, Violation>>,
}

impl Series {
    /// Runs the plan of each seed.
    pub(crate) fn run(&self, plan: impl Fn(u64) -> Plan + Sync) -> Outcome {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let (began, shared) = (Instant::now(), Shared::default());
        let work = || self.work(&shared, began, &plan);
        let tally = thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let tallies =
                workers.into_iter().map(|worker| worker.join().expect("panics are caught"));
            tallies.sum()
        });
        let violations = shared.violations.into_inner().unwrap_or_else(PoisonError::into_inner);
        Outcome { tally, violations, took: began.elapsed(), threads }
    }

    fn work(&self, shared: &Shared, began: Instant, plan: impl Fn(u64) -> Plan) -> Tally {
        let mut total = Tally::default();
        // Seeds are taken in order, and every seed before a taken one is run to its end.
        while !shared.is_over.load(Ordering::Relaxed) {
            let number = shared.taken.fetch_add(1, Ordering::Relaxed);
            if self.length.is_reached(number, began) {
                break;
            }
            let seed = self.from.wrapping_add(number);
            let run = catch_unwind(AssertUnwindSafe(|| run(&plan(seed))));
            let verdict = run.map_or_else(
                |_| Err("it panics".to_owned()),
                |run| {
                    total += run.tally;
                    run.verdict
                },
            );
            if let Err(what) = verdict {
                let mut violations =
                    shared.violations.lock().unwrap_or_else(PoisonError::into_inner);
                violations.insert(seed, Violation { what, after: began.elapsed() });
                let is_over = self.after_violation == AfterViolation::Stop;
                shared.is_over.fetch_or(is_over, Ordering::Relaxed);
            }
        }
        total
    }
}

impl Length {
    fn is_reached(self, runs: u64, began: Instant) -> bool {
        match self {
            Self::Runs(most) => runs >= most,
            Self::Time(longest) => began.elapsed() >= longest,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tally, took, threads, .. } = self;
        let rate = u128::from(tally.runs) * 1_000 / took.as_millis().max(1);
        write!(
            f,
            "{} runs in {took:.1?} on {threads} threads, {rate} a second: {tally}",
            tally.runs
        )
    }
}
