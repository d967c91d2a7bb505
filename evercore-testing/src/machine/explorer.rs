//! Tries sequences of commands until one shows a difference, and shortens that one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evercore::{Report, Result};
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::commands::Command;
use super::reference::{Answer, Reference};
use super::shorten::Shortening;
use super::subject::Subject;
use super::writing::Trouble;
use super::{compare, generate};
use crate::Harness;
use crate::case::{SEED_VARIABLE, message, number, runtime, seed};
use crate::fixture::Setting;

/// How many sequences are tried, unless `PROPTEST_CASES` says otherwise.
const SEQUENCES: u32 = 12;

/// The variable of proptest for it.
const SEQUENCES_VARIABLE: &str = "PROPTEST_CASES";

/// How often a sequence that shows a difference is tried in a shorter form, unless the explorer says otherwise.
const MOST_SHORTER: u32 = 500;

/// How long a sequence may take: longer means that something hangs.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Gives random commands to a store and to the [model](crate::model), and compares all that can be read after each.
///
/// The commands are units of work over several aggregates, creations and changes of keys that clash, guards,
/// idempotency keys, units that are overtaken by others, appends, states of the past, restarts, writers in other
/// processes with and without snapshots, and a subscription that is run, paused, reset, and parks and redrives events.
///
/// [`state_machine!`](crate::state_machine) makes tests of it.
#[derive(Clone, Debug)]
#[must_use = "let it explore"]
pub struct Explorer {
    sequences: u32,
    seed: u64,
    setting: Setting,
    most_shorter: u32,
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explored {
    /// Sequences of commands.
    pub sequences: usize,
    /// Commands.
    pub commands: usize,
    /// Those that were refused, as they should be.
    pub refused: usize,
    /// Events that were written.
    pub events: usize,
}

/// Commands after which store and model differ.
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
    /// Tries 12 sequences of up to 40 commands, or as many as `PROPTEST_CASES` says, from a random seed, or that of
    /// `EVERCORE_SEED`.
    ///
    /// # Panics
    /// If one of the variables is set and is no number.
    pub fn new() -> Self {
        let sequences = number(SEQUENCES_VARIABLE).unwrap_or(SEQUENCES);
        Self { sequences, seed: seed(), setting: Setting::Default, most_shorter: MOST_SHORTER }
    }

    /// Sets how many sequences are tried.
    pub const fn sequences(mut self, sequences: u32) -> Self {
        self.sequences = sequences;
        self
    }

    /// Sets what is random.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Has the stores [keep aggregates in memory](evercore::EventStoreBuilder::cache_aggregates).
    pub const fn cached(mut self) -> Self {
        self.setting = Setting::Cached;
        self
    }

    /// Sets how often a sequence that shows a difference is tried in a shorter form. Default: 500.
    pub const fn shorten(mut self, tries: u32) -> Self {
        self.most_shorter = tries;
        self
    }

    /// Tries the sequences, each on data of its own.
    ///
    /// # Errors
    /// [`Counterexample`], as short as it could be made.
    pub fn explore<H: Harness>(
        &self,
        make: impl Fn() -> H,
    ) -> Result<Explored, Box<Counterexample>> {
        let config = Config { rng_seed: RngSeed::Fixed(self.seed), ..Config::default() };
        let mut random = TestRunner::new(config);
        let mut explored = Explored::default();
        for _ in 0..self.sequences {
            let commands = generate::sequence(&mut random);
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
    }
}

impl Counterexample {
    /// How many sequences were tried until one showed a difference.
    #[must_use]
    pub const fn sequences(&self) -> usize {
        self.sequences
    }

    /// How many commands are left of it.
    #[must_use]
    pub fn commands(&self) -> usize {
        self.commands.len()
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequences, commands, refused, events } = self;
        write!(
            f,
            "{sequences} sequences of {commands} commands, of which {refused} were refused, with {events} events: store and model did the same"
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
