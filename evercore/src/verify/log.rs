//! Checks positions, natural keys and commits across the whole log.

use super::Finding;
use super::notes::Notes;
use crate::engine::{EventKey, InspectedCommit, InspectedKey, InspectedPosition, Inspection};
use crate::report::with_causes;
use crate::{Error, IdempotencyKey, Result};

/// Checks that no two events have the same position, and returns the highest position.
pub(super) async fn check_positions(
    inspection: &dyn Inspection,
    page_size: u32,
    notes: &mut Notes<'_>,
) -> Result<i64> {
    let mut last: Option<EventKey> = None;
    loop {
        let page = inspection.positions(last, page_size).await?;
        if page.is_empty() {
            return Ok(last.map_or(0, |last| last.position));
        }
        for place in page {
            if let Some(last) = last
                && last.position == place.position
            {
                let one = (last.aggregate_id, last.sequence);
                let other = (place.aggregate_id, place.sequence);
                notes.found(Finding::PositionShared { position: place.position, one, other });
            }
            last = Some(place);
        }
        notes.page_done().await;
    }
}

/// Checks that no two aggregates of a type have the same natural key.
pub(super) async fn check_keys(
    inspection: &dyn Inspection,
    aggregate_type: &str,
    page_size: u32,
    notes: &mut Notes<'_>,
) -> Result<()> {
    let mut last: Option<Vec<u8>> = None;
    loop {
        let page = inspection.keys(aggregate_type, last.as_deref(), page_size).await?;
        if page.is_empty() {
            return Ok(());
        }
        for InspectedKey { key, holders, first, last: highest } in page {
            notes.verified.keys += 1;
            if holders > 1 {
                notes.found(Finding::KeyShared {
                    aggregate_type: aggregate_type.to_owned(),
                    key: String::from_utf8_lossy(&key).into_owned(),
                    holders,
                    first,
                    last: highest,
                });
            }
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(Error::corrupt("natural keys", "they are not in order"));
            }
            last = Some(key);
        }
        notes.page_done().await;
    }
}

/// Checks that stored commits refer to events that exist.
pub(super) async fn check_commits(
    inspection: &dyn Inspection,
    page_size: u32,
    notes: &mut Notes<'_>,
) -> Result<()> {
    let mut last = None;
    loop {
        let page = inspection.commits(last, page_size).await?;
        if page.is_empty() {
            return Ok(());
        }
        for commit in page {
            notes.verified.commits += 1;
            last = Some(commit.id);
            if let Some(problem) = problem_of(&commit) {
                notes.found(Finding::CommitDamaged { commit: commit.id, problem });
            }
        }
        notes.page_done().await;
    }
}

fn problem_of(commit: &InspectedCommit) -> Option<String> {
    let InspectedCommit { landed, first, last, idempotency_key, .. } = commit;
    if let Some(Err(error)) = idempotency_key.as_deref().map(IdempotencyKey::new) {
        return Some(with_causes(&error));
    }
    match (first, last) {
        _ if !landed && (first.is_some() || last.is_some()) => {
            Some("it was given up, but has positions".to_owned())
        }
        _ if !landed && idempotency_key.is_some() => {
            Some("it was given up, but has an idempotency key".to_owned())
        }
        (None, None) => None,
        (Some(first), Some(last)) if first.position > last.position => Some(format!(
            "its first position is {}, which is after its last, {}",
            first.position, last.position
        )),
        (Some(first), Some(last)) => {
            let missing = [first, last].into_iter().find(|position| !position.is_there);
            missing.map(|InspectedPosition { position, .. }| {
                format!("there is no event at its position {position}")
            })
        }
        _ => Some("it has only one of its two positions".to_owned()),
    }
}
