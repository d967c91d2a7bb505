//! Compares a history with the contents of the store.

use std::fmt;
use std::pin::Pin;

use evercore::{Aggregate, AggregateId, EventStore, Result};

use super::commits::Commits;
use super::delivery::Follower;
use super::landing::{self, Landings};
use super::sessions::History;
use super::violation::Violation;
use super::{evidence, order, states};

/// The number of violations after which printing stops.
const MOST_PRINTED: usize = 20;

/// Compares a history with a store. Add what else is to be checked, then [run](Self::run) it.
///
/// # Example
/// ```standalone_crate
/// # use std::sync::Arc;
/// # use evercore::{Aggregate, Batch, Error, EventStore, state_event};
/// # use evercore_memory::MemoryEngine;
/// # use serde::{Deserialize, Serialize};
/// use evercore_testing::history::{Check, Follower, Recorder};
///
/// #[derive(Aggregate, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
/// #[aggregate(snapshot_every = 10)]
/// struct Account { balance: i64 }
/// # #[state_event(aggregate = Account)]
/// # struct BalanceSet { balance: i64 }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let recorder = Recorder::new();
/// let engine = recorder.observe(Arc::new(MemoryEngine::new()));
/// let store = EventStore::builder().open_shared(engine).await?;
///
/// let print = recorder.handler("printer", async |_: Batch| -> Result<(), Error> { Ok(()) });
/// let printer = store.subscription("printer").spawn(print)?;
/// for balance in 0..30 {
///     store
///         .with_context(async |ctx| {
///             let mut account = ctx.load_or_create::<Account>("ada").await?;
///             ctx.apply(&mut account, BalanceSet { balance })
///         })
///         .await?;
/// }
/// store.wait_until_idle("printer").await?;
/// printer.shutdown().await?;
///
/// let verdict = Check::of(&recorder.history())
///     .follower(Follower::new("printer"))
///     .states_of::<Account>()
///     .run(&store)
///     .await?;
/// verdict.assert_sound();
/// assert_eq!((verdict.counts().events, verdict.counts().handled), (30, 30));
/// # Ok(())
/// # }
/// ```
#[must_use = "run it"]
pub struct Check<'a> {
    history: &'a History,
    followers: Vec<Follower>,
    states: Vec<StateCheck>,
    others: Others,
}

/// The result of a [`Check`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "look at the violations, or `assert_sound`"]
pub struct Verdict {
    counts: Counts,
    violations: Vec<Violation>,
}

/// The numbers of events and commits that a check has covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// The number of events in the log.
    pub events: usize,
    /// The number of commits that were sent.
    pub commits: usize,
    /// The number of acknowledged commits.
    pub acknowledged: usize,
    /// The number of refused commits.
    pub refused: usize,
    /// The number of commits whose outcome no client learned and that are stored.
    pub unknown_landed: usize,
    /// The number of commits whose outcome no client learned and that are not stored.
    pub unknown_lost: usize,
    /// The number of events that followers' handlers received, repetitions included.
    pub handled: usize,
}

/// Whether there may be writers that no recorder observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    None,
    MayBe,
}

type StateCheck = (&'static str, Compare);

type Compare = for<'a> fn(
    &'a EventStore,
    &'a [AggregateId],
) -> Pin<Box<dyn Future<Output = Result<Vec<Violation>>> + Send + 'a>>;

/// Compares a history with a store, as [`Check`] does without further checks.
///
/// # Errors
/// The store's error if it cannot be read.
pub async fn check(history: &History, store: &EventStore) -> Result<Verdict> {
    Check::of(history).run(store).await
}

impl<'a> Check<'a> {
    /// Creates a check of this history.
    pub const fn of(history: &'a History) -> Self {
        Self { history, followers: Vec::new(), states: Vec::new(), others: Others::None }
    }

    /// Also compares the events that a subscription handled with the log.
    pub fn follower(mut self, follower: Follower) -> Self {
        self.followers.push(follower);
        self
    }

    /// Also compares the states of all aggregates of a type that have events, as they are loaded, with full replays.
    pub fn states_of<T: Aggregate + PartialEq>(mut self) -> Self {
        let compare: Compare = |store, aggregates| Box::pin(states::check::<T>(store, aggregates));
        self.states.push((T::NAME, compare));
        self
    }

    /// Allows for writers that no recorder observed, before or during the history. Their events are accepted as they
    /// are. Changes that they made to keys, or to aggregates without writing events, are unknown, so the check is
    /// weaker.
    pub const fn unobserved_writers(mut self) -> Self {
        self.others = Others::MayBe;
        self
    }

    /// Reads the store and compares. All writers must have ended: a commit that is not stored by now counts as never
    /// committed, and is prevented from being committed later.
    ///
    /// # Errors
    /// The store's error if it cannot be read.
    pub async fn run(self, store: &EventStore) -> Result<Verdict> {
        let commits = Commits::of(self.history);
        let outcomes = evidence::outcomes(store, &commits).await?;
        let log = evidence::log(store).await?;
        let landings = Landings::find(&commits, &log, &outcomes);

        let mut violations = evidence::check_order(&log);
        // States cannot be replayed if sequences are wrong.
        let can_replay = violations.is_empty();
        violations.extend(landing::check(&commits, &log, &outcomes, &landings));
        if self.others == Others::None {
            let unclaimed = landings.unclaimed.iter().map(|&place| &log[place]);
            violations.extend(
                unclaimed
                    .map(|entry| Violation::Unclaimed { event: entry.place, commit: entry.commit }),
            );
            let unheard = commits.unheard.iter();
            violations.extend(unheard.map(|&commit| Violation::NeverBegun { commit }));
        }
        // If the log itself is wrong, no order exists, and reporting that as well would only repeat the violation.
        if violations.is_empty() {
            let nodes = order::nodes(&commits, &log, &landings);
            match order::find(&nodes) {
                Ok(ended) => violations.extend(order::check_ended(store, &ended, &nodes).await?),
                Err(violation) => violations.push(violation),
            }
        }
        let mut counts = Counts::of(&commits, &landings);
        counts.events = log.len();
        for follower in &self.followers {
            let (handled, found) = follower.check(self.history, &log);
            counts.handled += handled;
            violations.extend(found);
        }
        let states: &[_] = if can_replay { &self.states } else { &[] };
        for (name, compare) in states {
            let own = log.iter().filter(|entry| *entry.aggregate_type == **name);
            let mut own: Vec<AggregateId> = own.map(|entry| entry.place.aggregate).collect();
            own.sort_unstable();
            own.dedup();
            violations.extend(compare(store, &own).await?);
        }
        Ok(Verdict { counts, violations })
    }
}

impl Counts {
    fn of(commits: &Commits<'_>, landings: &Landings) -> Self {
        let mut counts = Self { commits: commits.sent.len(), ..Self::default() };
        for (sent, landed) in commits.sent.iter().zip(&landings.landed) {
            let count = match (sent.acknowledged, sent.refusal(), landed) {
                (Some(_), ..) => &mut counts.acknowledged,
                (None, Some(_), _) => &mut counts.refused,
                (None, None, true) => &mut counts.unknown_landed,
                (None, None, false) => &mut counts.unknown_lost,
            };
            *count += 1;
        }
        counts
    }
}

impl Verdict {
    /// The problem.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Returns the numbers of events and commits that were checked.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns whether all promises were kept.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.violations.is_empty()
    }

    /// Panics with a readable message if a promise was broken; for use in tests.
    ///
    /// # Panics
    /// If there are violations; the message lists the first of them.
    #[track_caller]
    pub fn assert_sound(&self) {
        assert!(self.is_sound(), "{self}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            events,
            commits,
            acknowledged,
            refused,
            unknown_landed,
            unknown_lost,
            handled,
        } = self.counts;
        write!(
            f,
            "{events} events of {commits} commits: {acknowledged} acknowledged, {refused} refused, and without an answer {unknown_landed} that landed and {unknown_lost} that did not; {handled} handled"
        )?;
        match &self.violations[..] {
            [] => write!(f, "; all promises were kept"),
            all => {
                write!(f, "\n{} violations", all.len())?;
                all.iter()
                    .take(MOST_PRINTED)
                    .try_for_each(|violation| write!(f, "\n- {violation}"))?;
                if all.len() > MOST_PRINTED { write!(f, "\n- …") } else { Ok(()) }
            }
        }
    }
}

impl fmt::Debug for Check<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("followers", &self.followers)
            .field("others", &self.others)
            .finish_non_exhaustive()
    }
}
