//! The SQL of inspections, made for the engine's schema.

use crate::options::Schema;
use crate::statements::Statement;

/// Every statement of inspections.
#[derive(Clone, Debug)]
pub(crate) struct InspectionStatements {
    pub(super) aggregates: Statement,
    pub(super) commits: Statement,
    pub(super) events: Statement,
    pub(super) keys: Statement,
    pub(super) last_given: Statement,
    pub(super) parked: Statement,
    pub(super) positions: Statement,
    pub(super) subscriptions: Statement,
}

impl InspectionStatements {
    pub(crate) fn new(schema: &Schema) -> Self {
        let statement = |sql| Statement::new(sql, schema);
        Self {
            aggregates: statement(include_str!("aggregates.sql")),
            commits: statement(include_str!("commits.sql")),
            events: statement(include_str!("events.sql")),
            keys: statement(include_str!("keys.sql")),
            last_given: statement(include_str!("last_given.sql")),
            parked: statement(include_str!("parked.sql")),
            positions: statement(include_str!("positions.sql")),
            subscriptions: statement(include_str!("subscriptions.sql")),
        }
    }
}
