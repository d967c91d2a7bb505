//! Reads the table of cqrs-es, with the old service's types: its events, its upcasters, and its `apply`.

use std::collections::BTreeMap;

use evercore::chrono::DateTime;
use evercore::{EventOptions, Metadata};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::error::{MoveError, Place};

/// The `Aggregate::TYPE` of the old service.
pub(crate) const TYPE: &str = "account";

const NEXT_ROWS: &str = include_str!("next_rows.sql");
const OTHER_TYPES: &str = include_str!("other_types.sql");

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) place: Place,
    event_type: String,
    event_version: String,
    payload: String,
    metadata: String,
}

/// The old service's event type, unchanged.
#[derive(Debug, Deserialize)]
pub(crate) enum AccountEvent {
    AccountOpened { owner: String },
    MoneyDeposited { cents: i64 },
    MoneyWithdrawn { cents: i64 },
    AccountClosed,
}

/// The old service's aggregate, unchanged.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) owner: String,
    pub(crate) cents: i64,
    pub(crate) is_closed: bool,
}

impl Account {
    pub(crate) fn apply(&mut self, event: AccountEvent) {
        match event {
            AccountEvent::AccountOpened { owner } => self.owner = owner,
            AccountEvent::MoneyDeposited { cents } => self.cents += cents,
            AccountEvent::MoneyWithdrawn { cents } => self.cents -= cents,
            AccountEvent::AccountClosed => self.is_closed = true,
        }
    }
}

/// Reads the rows after a place, in the order of the table's primary key.
pub(crate) async fn read(
    table: &mut PgConnection,
    after: Option<&Place>,
    limit: u32,
) -> Result<Vec<Row>, MoveError> {
    let (id, sequence) = after.map_or(("", -1), |place| (place.id.as_str(), place.sequence));
    let rows: Vec<(String, i64, String, String, String, String)> = sqlx::query_as(NEXT_ROWS)
        .bind(TYPE)
        .bind(id)
        .bind(sequence)
        .bind(i64::from(limit))
        .fetch_all(table)
        .await?;
    let rows =
        rows.into_iter().map(|(id, sequence, event_type, event_version, payload, metadata)| {
            let place = Place { id, sequence };
            Row { place, event_type, event_version, payload, metadata }
        });
    Ok(rows.collect())
}

/// Counts the events of the aggregate types that are not moved.
pub(crate) async fn other_types(table: &mut PgConnection) -> Result<Vec<(String, i64)>, MoveError> {
    Ok(sqlx::query_as(OTHER_TYPES).bind(TYPE).fetch_all(table).await?)
}

impl Row {
    pub(crate) fn event(&self) -> Result<AccountEvent, MoveError> {
        let unreadable = |error| MoveError::Unreadable(self.place.clone(), error);
        let payload = serde_json::from_str(&self.payload).map_err(unreadable)?;
        serde_json::from_value(self.upcast(payload)).map_err(unreadable)
    }

    /// Does what the old service's upcasters did: version 1.0 of a deposit counted whole euros.
    fn upcast(&self, payload: Value) -> Value {
        let (name, version) = (self.event_type.as_str(), self.event_version.as_str());
        let ("MoneyDeposited", "1.0") = (name, version) else { return payload };
        let cents = payload[name]["euros"].as_i64().and_then(|euros| euros.checked_mul(100));
        cents.map_or(payload, |cents| json!({ name: { "cents": cents } }))
    }

    /// Turns the metadata into the event's time, its principal, and free fields. The names of the first two are a habit
    /// of the old service: cqrs-es itself stores no time.
    pub(crate) fn options(&self) -> Result<EventOptions, MoveError> {
        let mut fields: BTreeMap<String, String> = serde_json::from_str(&self.metadata)
            .map_err(|error| MoveError::Unreadable(self.place.clone(), error))?;
        let time = fields.remove("time").and_then(|time| DateTime::parse_from_rfc3339(&time).ok());
        let time = time.ok_or_else(|| MoveError::NoTime(self.place.clone()))?;
        let mut metadata = Metadata::new();
        if let Some(user) = fields.remove("user") {
            metadata = metadata.principal(user);
        }
        for (name, value) in fields {
            metadata = metadata.with(name, value);
        }
        Ok(EventOptions::new().at(time.to_utc()).metadata(metadata))
    }
}
