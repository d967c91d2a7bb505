//! Tries sequences of commands until one reveals a difference, and shortens that sequence.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evercore::engine::Capability;
use evercore::{Report, Result};
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::commands::Command;
use super::generate::Has;
use super::reference::{Answer, Reference};
use super::shorten::Shortening;
use super::subject::Subject;
use super::writing::Trouble;
use super::{compare, generate};
use crate::Harness;
use crate::case::{SEED_VARIABLE, message, number, runtime, seed};
use crate::fixture::Setting;

/// The number of sequences, unless `PROPTEST_CASES` is set.
const SEQUENCES: u32 = 12;

/// The environment variable of proptest that overrides [`SEQUENCES`].
const SEQUENCES_VARIABLE: &str = "PROPTEST_CASES";

/// The maximum number of shorter sequences that are tried after a difference, unless set otherwise.
const MOST_SHORTER: u32 = 500;

/// The time limit of a sequence; exceeding it means a hang.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Sends random commands to a store and to the [model](evercore_testing::model), and compares everything readable after
/// each.
///
/// The commands are units of work over several aggregates, conflicting creations and key changes, guards, idempotency
/// keys, units overtaken by others, appends, loads of past states, restarts, writers in other processes with and
/// without snapshots, a subscription that is run, paused and reset, and that parks and redrives events, and a queue whose
/// tasks are enqueued, cancelled, claimed, completed with a commit, failed, given back, retried and discarded, under
/// leases that are held or lost.
///
/// [`state_machine!`](crate::state_machine) generates tests from it.
#[derive(Clone, Debug)]
#[must_use = "let it explore"]
pub struct Explorer {
    sequences: u32,
    seed: u64,
    setting: Setting,
    most_shorter: u32,
}

/// The numbers of an exploration without a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explored {
    /// The number of sequences.
    pub sequences: usize,
    /// The number of commands.
    pub commands: usize,
    /// The number of commands that were refused, as expected.
    pub refused: usize,
    /// The number of events that were written.
    pub events: usize,
    /// The number of tasks that were enqueued.
    pub tasks: usize,
}

/// A sequence of commands after which store and model differ.
#[derive(Clone, Debug)]
pub struct Counterexample {
    commands: Vec<Command>,
    problem: String,
    sequences: usize,
    seed: u64,
}

impl Default for Explorer {
    fn default() -> Self {
        Self::new()
    }
}

impl Explorer {
    /// Creates an explorer of 12 sequences, or `PROPTEST_CASES` if set, of up to 40 commands each. The seed is
    /// `EVERCORE_SEED` if set, and random otherwise.
    ///
    /// # Panics
    /// If one of these environment variables is set but is not a number.
    pub fn new() -> Self {
        let sequences = number(SEQUENCES_VARIABLE).unwrap_or(SEQUENCES);
        Self { sequences, seed: seed(), setting: Setting::Default, most_shorter: MOST_SHORTER }
    }

    /// Sets the number of sequences.
    pub const fn sequences(mut self, sequences: u32) -> Self {
        self.sequences = sequences;
        self
    }

    /// Sets the seed of the random operations.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Makes the stores [cache aggregates](evercore::EventStoreBuilder::cache_aggregates).
    pub const fn cached(mut self) -> Self {
        self.setting = Setting::Cached;
        self
    }

    /// Sets the maximum number of shorter sequences that are tried after a difference. Default: 500.
    pub const fn shorten(mut self, tries: u32) -> Self {
        self.most_shorter = tries;
        self
    }

    /// Runs the sequences, each on its own data.
    ///
    /// # Errors
    /// The shortest [`Counterexample`] that was found.
    pub fn explore<H: Harness>(
        &self,
        make: impl Fn() -> H,
    ) -> Result<Explored, Box<Counterexample>> {
        let config = Config { rng_seed: RngSeed::Fixed(self.seed), ..Config::default() };
        let mut random = TestRunner::new(config);
        let mut explored = Explored::default();
        let has = what_it_has(&make());
        for _ in 0..self.sequences {
            let commands = generate::sequence(&mut random, has);
            explored.take(&commands);
            let try_one = |commands: &[Command]| self.try_one(Arc::new(make()), commands).err();
            if let Some(difference) = try_one(&commands) {
                let shortest = Shortening::of(commands, difference, self.most_shorter).run(try_one);
                let (commands, problem) = shortest;
                let (sequences, seed) = (explored.sequences, self.seed);
                return Err(Box::new(Counterexample { commands, problem, sequences, seed }));
            }
        }
        Ok(explored)
    }

    fn try_one(&self, harness: Arc<dyn Harness>, commands: &[Command]) -> Result<(), String> {
        let runtime = runtime();
        let setting = self.setting;
        let run = {
            let harness = Arc::clone(&harness);
            async move {
                let sequence = run(harness, setting, commands);
                let ended = tokio::time::timeout(TIME_LIMIT, sequence).await;
                ended.unwrap_or_else(|_| Err(format!("it did not end within {TIME_LIMIT:?}")))
            }
        };
        let caught = std::panic::AssertUnwindSafe(|| runtime.block_on(run));
        let ended = std::panic::catch_unwind(caught).unwrap_or_else(|panic| Err(message(&*panic)));
        let cleaned = runtime.block_on(harness.clean_up());
        runtime.shutdown_background();
        ended?;
        cleaned.map_err(|error| format!("clean-up: {}", Report::new(&error)))
    }
}

/// Returns what the engine has. If it cannot be opened, the first sequence says why.
fn what_it_has(harness: &dyn Harness) -> Has {
    let runtime = runtime();
    let opened = runtime.block_on(harness.open());
    let capabilities = opened.map(|engine| engine.capabilities());
    let has = |capability| capabilities.as_ref().map_or(true, |it| it.has(capability));
    let has = Has { tags: has(Capability::Tags), tasks: has(Capability::Tasks) };
    drop(runtime.block_on(harness.clean_up()));
    runtime.shutdown_background();
    has
}

async fn run(
    harness: Arc<dyn Harness>,
    setting: Setting,
    commands: &[Command],
) -> Result<(), String> {
    let started = Subject::new(harness, setting).await;
    let mut subject = started.map_err(|error| Report::new(&error).to_string())?;
    let mut reference = Reference::default();
    for (place, command) in commands.iter().enumerate() {
        let before = reference.clone();
        let should = reference.answer(command);
        let said = subject.perform(command, &before).await;
        let compared = match compare::answers(&subject, &reference, said, &should) {
            Ok(()) => compare::contents(&mut subject, &mut reference).await.map_err(told),
            Err(difference) => Err(difference),
        };
        compared.map_err(|problem| format!("after command {}: {problem}", place + 1))?;
    }
    Ok(())
}

fn told(trouble: Trouble) -> String {
    match trouble {
        Trouble::Store(error) => format!("it cannot be read: {}", Report::new(&error)),
        Trouble::Wrong(difference) => difference,
    }
}

impl Explored {
    fn take(&mut self, commands: &[Command]) {
        let mut reference = Reference::default();
        self.sequences += 1;
        self.commands += commands.len();
        for command in commands {
            let answer = reference.answer(command);
            self.refused += usize::from(matches!(answer, Answer::Refused(_) | Answer::Unknown));
        }
        self.events += reference.model.log().len();
        self.tasks += reference.queue.tasks().len();
    }
}

impl Counterexample {
    /// Returns the number of sequences that were tried, including the one that revealed a difference.
    #[must_use]
    pub const fn sequences(&self) -> usize {
        self.sequences
    }

    /// Returns the number of commands in the shortened sequence.
    #[must_use]
    pub fn commands(&self) -> usize {
        self.commands.len()
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequences, commands, refused, events, tasks } = self;
        write!(
            f,
            "{sequences} sequences of {commands} commands, of which {refused} were refused, with {events} events and {tasks} tasks: store and model did the same"
        )
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { commands, problem, sequences, seed } = self;
        writeln!(f, "{problem}")?;
        for (number, command) in (1..).zip(commands) {
            writeln!(f, "{number:>4}. {command:?}")?;
        }
        write!(f, "found in sequence {sequences} ({SEED_VARIABLE}={seed})")
    }
}

impl std::error::Error for Counterexample {}
