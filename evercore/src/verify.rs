//! Checks the stored data for inconsistencies.
//!
//! [`EventStore::verify`] makes a [`Verify`], which reads the whole database and answers with a [`VerifyReport`] of
//! [`Finding`]s. A [`LogDigest`] shows later whether the chained events up to a position are still the same.

mod aggregates;
mod chain;
mod events;
mod finding;
mod log;
mod notes;
mod report;
mod stream;
mod subscriptions;
mod tags;
mod unique;

use std::fmt;
use std::sync::Arc;

use tracing::{Instrument, debug_span};

use crate::chain::Digesting;
pub use crate::chain::LogDigest;
use crate::engine::{Capability, LastGiven, require};
use crate::shared::Shared;
use crate::{Aggregate, Error, EventStore, Result, Start};
use aggregates::Aggregates;
pub use finding::{AggregateAt, EventAt, Finding, Numbered};
use notes::{Listener, Notes};
pub use report::{UnknownKind, Verified, VerifyReport};

/// The default number of findings that a report keeps.
const KEPT_FINDINGS: usize = 1_000;

impl EventStore {
    /// Checks the stored data for inconsistencies. For operators: after a disk failure, a restored backup or a change
    /// by hand, and now and then.
    ///
    /// The check reads all data page by page, in memory that does not grow with the log, and writes nothing. Other
    /// processes may write meanwhile without raising a false alarm. No transaction stays open between pages.
    ///
    /// # Example
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> evercore::Result<()> {
    /// # use evercore::EventStore;
    /// # use evercore_memory as _;
    /// # let store = EventStore::connect("memory:").await?;
    /// let report = store.verify().on_finding(|finding| eprintln!("{finding}")).run().await?;
    /// println!("{report}");
    /// assert!(report.is_clean());
    /// # Ok(())
    /// # }
    /// ```
    pub fn verify<'a>(&self) -> Verify<'a> {
        Verify {
            store: Arc::clone(&self.inner),
            only: None,
            page_size: None,
            kept: KEPT_FINDINGS,
            expected: None,
            on_finding: None,
            on_progress: None,
        }
    }
}

/// Checks the stored data. Made by [`EventStore::verify`].
///
/// # What is checked
/// - The sequences of each aggregate are 1, 2, 3 …, and their positions increase. No two events share a position.
/// - Each event belongs to an aggregate, and its own type to the type of that aggregate.
/// - Each event of a type that this program knows can be read in its present shape. Events of other types are counted.
/// - Each event is found by each of its tags, and by no others.
/// - Natural keys are well formed, and no two aggregates of a type have the same.
/// - Each aggregate has claimed the unique values of its state, once those of its type are complete, unless this program
///   cannot read all of its events.
/// - Each snapshot in the shape that this program reads equals the state that its events lead to, and no snapshot is
///   beyond the last event. A snapshot is not compared if it has another shape, or if this program cannot read all of
///   its events.
/// - No cursor of a subscription is past the last event; every parked event exists, at or before its partition's
///   cursor; and every lease has both an owner and an end, or neither.
/// - Commits refer to events that exist.
/// - The next ids, positions and lease tokens that the database will give out are not in use.
/// - Each event that is [chained](crate::EventStoreBuilder::chain_events) matches its hash, and so do the snapshots and
///   the digest that is [expected](Self::expect_digest).
#[must_use = "nothing is checked before it is run"]
pub struct Verify<'a> {
    store: Arc<Shared>,
    only: Option<fn(&Shared) -> NameOf<'_>>,
    page_size: Option<u32>,
    kept: usize,
    expected: Option<LogDigest>,
    on_finding: Option<Listener<'a, Finding>>,
    on_progress: Option<Listener<'a, Verified>>,
}

type NameOf<'s> = std::pin::Pin<Box<dyn Future<Output = Result<&'static str>> + Send + 's>>;

/// The part of the data to check.
#[derive(Clone, Copy, Debug)]
enum Scope {
    Whole,
    /// The aggregates of the type with this stored name.
    OfType(&'static str),
}

impl<'a> Verify<'a> {
    /// Checks only aggregates of this type, with their events, keys and snapshots, and no subscriptions or commits.
    pub fn aggregates<T: Aggregate>(mut self) -> Self {
        self.only = Some(|store| Box::pin(store.stored_name::<T>()));
        self
    }

    /// Sets how many aggregates, events and other rows are read at a time, at least 1. A page is held in memory as a
    /// whole, with payloads and snapshots. Default: [`Limits::page_events`](crate::Limits::page_events).
    pub fn page_size(mut self, rows: u32) -> Self {
        self.page_size = Some(rows);
        self
    }

    /// Sets how many findings the report keeps. All are counted. Default: 1000.
    pub fn keep_findings(mut self, most: usize) -> Self {
        self.kept = most;
        self
    }

    /// Expects the digest that an earlier verification [returned](VerifyReport::digest). If the events that it covers
    /// were changed or cut off since, that is a finding. Has no effect if only one aggregate type is checked.
    pub fn expect_digest(mut self, digest: LogDigest) -> Self {
        self.expected = Some(digest);
        self
    }

    /// Calls `tell` with each finding as it is made, including those that the report does not keep.
    pub fn on_finding(mut self, tell: impl FnMut(&Finding) + Send + 'a) -> Self {
        self.on_finding = Some(Box::new(tell));
        self
    }

    /// Calls `tell` after each page with the counts so far.
    pub fn on_progress(mut self, tell: impl FnMut(&Verified) + Send + 'a) -> Self {
        self.on_progress = Some(Box::new(tell));
        self
    }

    /// Runs the check once and returns its findings in a report. Dropping the future ends the check.
    ///
    /// # Errors
    /// - [`Error::InvalidNumber`] for a page of no rows.
    /// - [`Error::Unregistered`] if the store does not know the type that it is limited to.
    /// - The engine's errors, if it cannot read. Findings up to then were passed to [`on_finding`](Self::on_finding).
    pub async fn run(self) -> Result<VerifyReport> {
        self.check().instrument(debug_span!("verify")).await
    }

    async fn check(self) -> Result<VerifyReport> {
        let Self { store, only, page_size, kept, expected, on_finding, on_progress } = self;
        let page_size = page_size.unwrap_or(store.limits.page_events);
        if page_size == 0 {
            return Err(Error::InvalidNumber { what: "page size", least: 1, value: 0 });
        }
        let scope = match only {
            None => Scope::Whole,
            Some(name_of) => Scope::OfType(name_of(&store).await?),
        };
        let mut notes = Notes::new(kept, on_finding, on_progress);
        let digest = check(&store, scope, page_size, expected, &mut notes).await?;
        Ok(notes.into_report(digest))
    }
}

async fn check(
    store: &Shared,
    scope: Scope,
    page_size: u32,
    expected: Option<LogDigest>,
    notes: &mut Notes<'_>,
) -> Result<Option<LogDigest>> {
    require(&*store.engine, Capability::Inspection)?;
    let (inspection, registry) = (store.engine.inspection(), &*store.registry);
    let digests = match scope {
        Scope::Whole => digests(store, expected).await?,
        Scope::OfType(_) => Vec::new(),
    };
    let mut aggregates = Aggregates { inspection, registry, scope, page_size, highest: 0, digests };
    aggregates.run(notes).await?;
    let Aggregates { highest: highest_id, mut digests, .. } = aggregates;
    if let Scope::OfType(name) = scope {
        log::check_keys(inspection, name, page_size, notes).await?;
        unique::check_unique(store, scope, page_size, notes).await?;
        return Ok(None);
    }
    if let Some(expected) = expected
        && let Some(found) = digests.pop().map(Digesting::finish)
        && found != Some(expected)
    {
        notes.found(Finding::DigestDiffers { expected, found });
    }
    let digest = digests.pop().and_then(Digesting::finish);
    for name in store.engine.aggregate_types().await? {
        log::check_keys(inspection, &name, page_size, notes).await?;
    }
    unique::check_unique(store, scope, page_size, notes).await?;
    let highest_position = log::check_positions(inspection, page_size, notes).await?;
    tags::check_tags(inspection, page_size, notes).await?;
    log::check_commits(inspection, page_size, notes).await?;
    let highest_token = subscriptions::check_subscriptions(inspection, page_size, notes).await?;
    subscriptions::check_parked(inspection, page_size, notes).await?;

    // Read last: every number that was found in use above was given out before now.
    let LastGiven { position, aggregate_id, token } = inspection.last_given().await?;
    let given = [
        (Numbered::Positions, position, highest_position),
        (Numbered::Aggregates, aggregate_id, highest_id),
        (Numbered::Leases, token, highest_token),
    ];
    for (of, last_given, in_use) in given {
        if last_given < in_use {
            notes.found(Finding::NumbersBehind { of, last_given, in_use });
        }
    }
    Ok(digest)
}

/// Makes the digests to compute: one up to the present end of the log, except on a standby, which does not know that
/// end; and after it the one to compare with the expected digest.
async fn digests(store: &Shared, expected: Option<LogDigest>) -> Result<Vec<Digesting>> {
    let head = match store.engine.resolve_start(Start::End).await {
        Ok(head) => Some(head),
        Err(Error::Standby { .. }) => None,
        Err(error) => return Err(error),
    };
    let expected = expected.map(|expected| expected.position());
    Ok(head.into_iter().chain(expected).map(Digesting::up_to).collect())
}

impl fmt::Debug for Verify<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verify")
            .field("page_size", &self.page_size)
            .field("keep_findings", &self.kept)
            .finish_non_exhaustive()
    }
}
