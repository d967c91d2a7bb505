//! Targets for columns that hold JSON: metadata and filters.

use evercore::boundary::Tags;
use evercore::{EventFilter, Metadata, NaturalKey};
use serde_json::json;

use crate::domain::{Account, Moved};
use crate::fields::{Fields, Seed};

/// Metadata read from three columns stays the same when it is written and read again.
pub(crate) fn metadata(bytes: &[u8]) {
    let mut fields = Fields::new(bytes);
    let (correlation, causation) = (fields.text(), fields.text());
    let column = std::str::from_utf8(fields.rest()).ok();
    let read = |column: Option<&str>| {
        Metadata::from_columns(correlation.map(str::to_owned), causation.map(str::to_owned), column)
    };
    let Ok(metadata) = read(column) else { return };
    assert_eq!((metadata.correlation_id(), metadata.causation_id()), (correlation, causation));
    if let Ok(written) = metadata.to_column() {
        assert_eq!(read(written.as_deref()).expect("it was written so"), metadata);
    }
}

pub(crate) fn metadatas() -> Vec<Vec<u8>> {
    let whole = Metadata::new()
        .correlation("request-17")
        .causation("12/3")
        .principal("ada")
        .with("tenant", "nl")
        .with("trace", json!({ "span": 7, "sampled": true, "nested": [1.5, null, "é"] }));
    let cases = [Metadata::new(), Metadata::new().correlation("request-17"), whole];
    let seed = |metadata: &Metadata| {
        let column = metadata.to_column().expect("it is short").unwrap_or_default();
        Seed::default()
            .bytes(metadata.correlation_id().unwrap_or_default())
            .bytes(metadata.causation_id().unwrap_or_default())
            .rest(column)
    };
    cases.iter().map(seed).collect()
}

/// A filter matches the same events after it was stored.
pub(crate) fn filter(bytes: &[u8]) {
    let Ok(column) = std::str::from_utf8(bytes) else { return };
    let Ok(filter) = EventFilter::from_column(column) else { return };
    let again = EventFilter::from_column(&filter.to_column()).expect("it was written so");
    assert_eq!(again, filter);
    assert!(!filter.to_string().is_empty());
    let key = filter.natural_key();
    let Ok(tags) = Tags::new(filter.tags().cloned()) else { return };
    for aggregate in filter.whole_aggregates() {
        assert!(filter.matches(aggregate, "any", key, &tags));
    }
    for (aggregate, event) in filter.single_events() {
        assert!(filter.matches(aggregate, event, key, &tags));
    }
    assert!(!filter.is_of_all_types() || filter.matches("any", "any", key, &tags));
    assert!(key.is_none() || !filter.matches("any", "any", None, &tags));
}

pub(crate) fn filters() -> Vec<Vec<u8>> {
    let key = NaturalKey::new("NL91ABNA0417164300").expect("a key");
    let cases = [
        EventFilter::new(),
        EventFilter::new().aggregate::<Account>(),
        EventFilter::new().event::<Moved>().event_named("loan", "lent"),
        EventFilter::new().aggregate_named("loan").event::<Moved>().key(key),
    ];
    cases.iter().map(|filter| filter.to_column().into_bytes()).collect()
}
