//! Assertions that several cases share.

use std::collections::BTreeMap;

use evercore::engine::{LoadRequest, LoadTarget, Reader};
use evercore::{Aggregate, AggregateId, NaturalKey, RecordedEvent, Result, Sequence};

use crate::domain::tally::Tally;
use crate::fixture::whole_log;

/// Asserts that a result is an error that matches the pattern; panics with the actual result otherwise.
macro_rules! assert_error {
    ($result:expr, $pattern:pat $(if $guard:expr)?) => {
        match $result {
            Err($pattern) $(if $guard)? => {}
            other => panic!(
                "expected {}, got {other:?}",
                stringify!($pattern $(if $guard)?)
            ),
        }
    };
}
pub(crate) use assert_error;

/// A picture of a store to compare with a later one: the log, and the holders of some natural keys.
#[derive(Debug, PartialEq)]
pub(crate) struct Witness {
    log: Vec<RecordedEvent>,
    holders: BTreeMap<String, Option<AggregateId>>,
}

impl Witness {
    /// Reads the log and the holders of these keys of one type.
    pub(crate) async fn take(
        reader: &dyn Reader,
        aggregate_type: &'static str,
        keys: &[&str],
    ) -> Result<Self> {
        let log = whole_log(reader).await?;
        let mut holders = BTreeMap::new();
        for &key in keys {
            holders.insert(key.to_owned(), holder(reader, aggregate_type, key).await?);
        }
        Ok(Self { log, holders })
    }
}

/// Asks the engine which aggregate holds a key.
pub(crate) async fn holder(
    reader: &dyn Reader,
    aggregate_type: &'static str,
    key: &str,
) -> Result<Option<AggregateId>> {
    let target = LoadTarget::Key(NaturalKey::new(key)?);
    Ok(reader.load(bare(aggregate_type, target)).await?.map(|loaded| loaded.id))
}

/// Asks the engine whether an aggregate exists.
pub(crate) async fn exists(
    reader: &dyn Reader,
    aggregate_type: &'static str,
    id: AggregateId,
) -> Result<bool> {
    Ok(reader.load(bare(aggregate_type, LoadTarget::Id(id))).await?.is_some())
}

fn bare(aggregate_type: &'static str, target: LoadTarget) -> LoadRequest {
    LoadRequest { aggregate_type, target, snapshot: None, up_to: Some(Sequence::ZERO), limit: 1 }
}

/// Asserts that these are the events 1, 2, 3 … of one aggregate, at increasing positions.
pub(crate) fn assert_unbroken(history: &[RecordedEvent]) {
    let sequences: Vec<i64> = history.iter().map(|event| event.sequence().get()).collect();
    let expected: Vec<i64> = (1..).take(history.len()).collect();
    assert_eq!(sequences, expected, "the sequences of an aggregate are 1, 2, 3 …");
    assert!(
        history.windows(2).all(|pair| pair[0].position() < pair[1].position()),
        "positions grow with the sequences"
    );
}

/// Returns the sequence of the engine's snapshot of a tally, if it has one.
pub(crate) async fn snapshot_sequence(
    reader: &dyn Reader,
    tally: AggregateId,
) -> Result<Option<i64>> {
    snapshot_sequence_of::<Tally>(reader, tally).await
}

/// Returns the sequence of the engine's snapshot of an aggregate of any type, if it has one.
pub(crate) async fn snapshot_sequence_of<A: Aggregate>(
    reader: &dyn Reader,
    id: AggregateId,
) -> Result<Option<i64>> {
    let request = LoadRequest {
        aggregate_type: A::NAME,
        target: LoadTarget::Id(id),
        snapshot: A::SNAPSHOTS.map(|policy| policy.fingerprint()),
        up_to: None,
        limit: 100,
    };
    let loaded = reader.load(request).await?;
    Ok(loaded.and_then(|loaded| loaded.snapshot).map(|snapshot| snapshot.sequence.get()))
}
