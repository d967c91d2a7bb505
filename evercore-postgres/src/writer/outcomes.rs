//! Builds the outcomes of commands as `append` and `append_one` take them.

use chrono::SecondsFormat;
use evercore::AggregateId;
use evercore::engine::{CommandOutcome, Commit};
use serde::Serialize;
use uuid::Uuid;

/// The outcomes of the commands of some commits.
#[derive(Debug, Default)]
pub(super) struct Outcomes<'a>(Vec<OutcomeRow<'a>>);

/// An outcome as `append` and `append_one` take it.
#[derive(Debug, Serialize)]
struct OutcomeRow<'a> {
    commit_index: i32,
    id: Uuid,
    sent_at: String,
    aggregate_id: Option<i64>,
    took: i64,
    command: &'a str,
    aggregate_type: &'a str,
    correlation_id: Option<&'a str>,
    causation_id: Option<&'a str>,
    principal: Option<&'a str>,
    rejection: Option<&'a str>,
}

impl<'a> Outcomes<'a> {
    pub(super) fn push(&mut self, commit_index: i32, commit: &'a Commit) {
        for outcome in &commit.outcomes {
            let CommandOutcome {
                id,
                command,
                aggregate_type,
                aggregate_id,
                rejection,
                principal,
                correlation_id,
                causation_id,
                sent_at,
                took,
            } = outcome;
            self.0.push(OutcomeRow {
                commit_index,
                id: *id.as_uuid(),
                sent_at: sent_at.to_rfc3339_opts(SecondsFormat::Micros, true),
                aggregate_id: aggregate_id.map(AggregateId::get),
                took: i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
                command,
                aggregate_type,
                correlation_id: correlation_id.as_deref(),
                causation_id: causation_id.as_deref(),
                principal: principal.as_deref(),
                rejection: rejection.as_deref(),
            });
        }
    }

    /// Returns the outcomes as the functions take them; `None` if there are none.
    pub(super) fn to_json(&self) -> Option<String> {
        (!self.0.is_empty())
            .then(|| serde_json::to_string(&self.0).expect("BUG: numbers and texts are JSON"))
    }
}
