//! Checks that what is stored is what a store would have written.

mod aggregates;
mod chain;
mod events;
mod finding;
mod log;
mod notes;
mod report;
mod stream;
mod subscriptions;

use std::fmt;
use std::sync::Arc;

use tracing::{Instrument, debug_span};

use crate::chain::Digesting;
use crate::engine::LastGiven;
use crate::shared::Shared;
use crate::{Aggregate, Error, EventStore, LogDigest, Result, Start};
use aggregates::Aggregates;
pub use finding::{AggregateAt, EventAt, Finding, Numbered};
use notes::{Listener, Notes};
pub use report::{UnknownKind, Verified, VerifyReport};

/// How many findings are kept, unless something else is asked for.
const KEPT_FINDINGS: usize = 1_000;

impl EventStore {
    /// Checks that what is stored is what a store would have written. For operators: after a crash of a disk, a restored
    /// backup or a change by hand, and now and then.
    ///
    /// It reads all of it, page by page, in memory that does not grow with the log, and writes nothing. Others may write
    /// meanwhile, and what they write raises no alarm. No transaction stays open between pages.
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

/// Checks what is stored. Made by [`EventStore::verify`].
///
/// # What is checked
/// - The sequences of each aggregate are 1, 2, 3 …, and their positions grow. No position is there twice.
/// - Each event belongs to an aggregate, of the type that its own type is of.
/// - Each event of a type that this program knows can be read, in its present shape. Those of other types are counted.
/// - Natural keys are well formed, and no two aggregates of a type hold the same.
/// - Snapshots in the shape that this program reads are the state that its events lead to, as it is written; no snapshot
///   is beyond the last event. Not compared are snapshots of other shapes, and those of aggregates with events up to
///   there that this program cannot read.
/// - Cursors of subscriptions are not past the last event; parked events are there, and were come to; leases have an
///   owner and an end.
/// - Commits refer to events that are there.
/// - The numbers that are given next are not in use.
/// - Where events are [chained](crate::EventStoreBuilder::chain_events), each is what its hash was made of, and so are the
///   digest that is [expected](Self::expect_digest) and the snapshots.
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

/// What is looked at.
#[derive(Clone, Copy, Debug)]
enum Scope {
    Whole,
    /// Aggregates of the type with this stored name.
    OfType(&'static str),
}

impl<'a> Verify<'a> {
    /// Looks at aggregates of this type only, with their events, keys and snapshots, and not at subscriptions and commits.
    pub fn aggregates<T: Aggregate>(mut self) -> Self {
        self.only = Some(|store| Box::pin(store.stored_name::<T>()));
        self
    }

    /// Sets how many aggregates, events and other rows are read at a time, at least 1. Default:
    /// [`Limits::page_events`](crate::Limits::page_events). A page is in memory as a whole, with payloads and snapshots.
    pub fn page_size(mut self, rows: u32) -> Self {
        self.page_size = Some(rows);
        self
    }

    /// Sets how many findings the report keeps; all are counted. Default: 1000.
    pub fn keep_findings(mut self, most: usize) -> Self {
        self.kept = most;
        self
    }

    /// Expects the digest that an earlier verification [has given](VerifyReport::digest): what was changed or cut off since,
    /// of what it is of, is a finding. Where one type alone is looked at, nothing is expected.
    pub fn expect_digest(mut self, digest: LogDigest) -> Self {
        self.expected = Some(digest);
        self
    }

    /// Tells of each finding as it is made, also of those that the report does not keep.
    pub fn on_finding(mut self, tell: impl FnMut(&Finding) + Send + 'a) -> Self {
        self.on_finding = Some(Box::new(tell));
        self
    }

    /// Tells after each page how much was looked at so far.
    pub fn on_progress(mut self, tell: impl FnMut(&Verified) + Send + 'a) -> Self {
        self.on_progress = Some(Box::new(tell));
        self
    }

    /// Looks at everything, once. What is wrong is in the report; dropping the future ends it.
    ///
    /// # Errors
    /// - [`Error::InvalidNumber`] for a page of no rows.
    /// - [`Error::Unregistered`] if the store does not know the type that it is limited to.
    /// - What the engine says if it cannot read: what was found until then was told to
    ///   [`on_finding`](Self::on_finding).
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
    let highest_position = log::check_positions(inspection, page_size, notes).await?;
    log::check_commits(inspection, page_size, notes).await?;
    let highest_token = subscriptions::check_subscriptions(inspection, page_size, notes).await?;
    subscriptions::check_parked(inspection, page_size, notes).await?;

    // Read last: what is in use by then was given before.
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

/// The digest as of now, unless a standby does not know what now is; and last the one that is expected.
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
