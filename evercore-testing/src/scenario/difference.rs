//! Describes the differences between the expected and the actual events of a scenario.

use chrono::SecondsFormat;
use evercore::{RecordedEvent, Registry};
use serde_json::{Map, Value};

/// Returns a line for each difference, or `None` if the events are the same.
pub(super) fn difference(
    registry: &Registry,
    expected: &[RecordedEvent],
    got: &[RecordedEvent],
) -> Option<String> {
    let pairs = aligned(expected, got).into_iter();
    let lines: Vec<String> = pairs.flat_map(|pair| lines_of(registry, pair)).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Returns a line for each event.
pub(super) fn listed(registry: &Registry, events: &[RecordedEvent]) -> String {
    if events.is_empty() {
        return "  nothing happened".to_owned();
    }
    let line =
        |event: &RecordedEvent| format!("  {}: {}", event.event_type(), json(registry, event));
    events.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// An expected event and the actual event that is compared with it.
enum Pair<'a> {
    Both { number: Option<usize>, expected: &'a RecordedEvent, got: &'a RecordedEvent },
    Missing(&'a RecordedEvent),
    Surplus(&'a RecordedEvent),
}

/// Pairs events by name, along the longest common subsequence, so that a missing event does not shift the others.
fn aligned<'a>(expected: &'a [RecordedEvent], got: &'a [RecordedEvent]) -> Vec<Pair<'a>> {
    let is_same = |e: usize, g: usize| expected[e].event_type() == got[g].event_type();
    // The number of pairs that can be made from these two indices to the end.
    let mut longest = vec![vec![0; got.len() + 1]; expected.len() + 1];
    for e in (0..expected.len()).rev() {
        for g in (0..got.len()).rev() {
            longest[e][g] = if is_same(e, g) {
                longest[e + 1][g + 1] + 1
            } else {
                longest[e + 1][g].max(longest[e][g + 1])
            };
        }
    }
    let (mut e, mut g) = (0, 0);
    let mut pairs = Vec::new();
    while e < expected.len() || g < got.len() {
        if e < expected.len() && g < got.len() && is_same(e, g) {
            let number = number(got, g);
            pairs.push(Pair::Both { number, expected: &expected[e], got: &got[g] });
            (e, g) = (e + 1, g + 1);
        } else if g == got.len() || (e < expected.len() && longest[e + 1][g] >= longest[e][g + 1]) {
            pairs.push(Pair::Missing(&expected[e]));
            e += 1;
        } else {
            pairs.push(Pair::Surplus(&got[g]));
            g += 1;
        }
    }
    pairs
}

/// The number of this event, from 1, among the events of the same name; `None` if it is the only one.
fn number(events: &[RecordedEvent], index: usize) -> Option<usize> {
    let is_alike = |event: &&RecordedEvent| event.event_type() == events[index].event_type();
    let several = events.iter().filter(is_alike).count() > 1;
    several.then(|| events[..=index].iter().filter(is_alike).count())
}

fn lines_of(registry: &Registry, pair: Pair<'_>) -> Vec<String> {
    match pair {
        Pair::Missing(event) => {
            let (name, json) = (event.event_type(), json(registry, event));
            vec![format!("  {name}: expected {json}, did not happen")]
        }
        Pair::Surplus(event) => {
            let (name, json) = (event.event_type(), json(registry, event));
            vec![format!("  {name}: not expected, got {json}")]
        }
        Pair::Both { number, expected, got } => {
            let mut name = got.event_type().to_owned();
            if let Some(number) = number {
                name += &format!(" #{number}");
            }
            let mut found = Vec::new();
            let [in_expected, in_got] = [expected, got].map(|event| json(registry, event));
            compare("", Some(&in_expected), Some(&in_got), &mut found);
            compare("", Some(&beside(expected)), Some(&beside(got)), &mut found);
            found.into_iter().map(|found| format!("  {name}: {found}")).collect()
        }
    }
}

/// The event as JSON, whatever its codec; its bytes, if it has no JSON form.
fn json(registry: &Registry, event: &RecordedEvent) -> Value {
    event.to_json(registry).unwrap_or_else(|_| Value::from(event.payload().bytes().to_vec()))
}

/// Returns the compared properties of an event other than its fields, as JSON.
fn beside(event: &RecordedEvent) -> Value {
    let mut beside = Map::new();
    beside.insert("version".to_owned(), event.version().into());
    let time = event.event_time().to_rfc3339_opts(SecondsFormat::AutoSi, true);
    beside.insert("event time".to_owned(), time.into());
    let metadata = event.metadata();
    let labels = [
        ("reference", event.reference()),
        ("correlation", metadata.correlation_id()),
        ("causation", metadata.causation_id()),
    ];
    for (name, label) in labels {
        if let Some(label) = label {
            beside.insert(name.to_owned(), label.into());
        }
    }
    let column = metadata.to_column().ok().flatten();
    if let Some(column) = column.and_then(|column| serde_json::from_str(&column).ok()) {
        beside.insert("metadata".to_owned(), column);
    }
    beside.into()
}

/// Descends to the parts that differ and describes each with its path.
fn compare(path: &str, expected: Option<&Value>, got: Option<&Value>, found: &mut Vec<String>) {
    match (expected, got) {
        (Some(expected), Some(got)) if expected == got => {}
        (Some(Value::Object(expected)), Some(Value::Object(got))) => {
            let new = got.keys().filter(|name| !expected.contains_key(*name));
            for name in expected.keys().chain(new) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare(&path, expected.get(name), got.get(name), found);
            }
        }
        (Some(Value::Array(expected)), Some(Value::Array(got))) => {
            for index in 0..expected.len().max(got.len()) {
                let path = format!("{path}[{index}]");
                compare(&path, expected.get(index), got.get(index), found);
            }
        }
        (expected, got) => {
            let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            let place = if path.is_empty() { String::new() } else { format!("{path}: ") };
            found.push(format!("{place}expected {}, got {}", text(expected), text(got)));
        }
    }
}
