//! Replaying an aggregate of which only the registry knows the type, and comparing it with its snapshot.

use std::any::Any;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::codec::json;
use crate::{Aggregate, SnapshotPolicy};

/// How often a state is read and written again to find out which of its lists keep their order. A set of two, written in
/// random order, keeps it each time with a probability of 2 to the power of -64.
const ROUND_TRIPS: u32 = 32;

/// A state under replay.
pub(crate) trait Replaying: Send {
    /// The state, of the aggregate's Rust type.
    fn state(&mut self) -> &mut dyn Any;

    /// Compares it with a snapshot.
    fn compare(&self, snapshot: &[u8]) -> Comparison;
}

/// What has come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Same,
    /// At this field first.
    Differs(String),
    /// The snapshot is not read as the type.
    Unreadable,
}

/// Begins with the default state.
pub(crate) fn begin<T: Aggregate>() -> Box<dyn Replaying> {
    Box::new(Typed(T::default()))
}

struct Typed<T>(T);

impl<T: Aggregate> Replaying for Typed<T> {
    fn state(&mut self) -> &mut dyn Any {
        &mut self.0
    }

    fn compare(&self, snapshot: &[u8]) -> Comparison {
        match T::SNAPSHOTS {
            Some(policy) => compare(&policy, &self.0, snapshot),
            None => Comparison::Unreadable,
        }
    }
}

/// Compares what the snapshot would be loaded as with the replayed state, both as they are written.
fn compare<T>(policy: &SnapshotPolicy<T>, replayed: &T, snapshot: &[u8]) -> Comparison {
    let Ok(written) = policy.encode(replayed) else { return Comparison::Unreadable };
    if written == snapshot {
        return Comparison::Same;
    }
    let loaded = policy.decode(snapshot).and_then(|loaded| written_again(policy, &loaded));
    let (Some(loaded), Ok(replayed)) = (loaded, json::decode::<Value>(&written)) else {
        return Comparison::Unreadable;
    };
    if loaded == replayed {
        return Comparison::Same;
    }
    let mut sets = Sets::default();
    for value in [&loaded, &replayed] {
        for _ in 0..ROUND_TRIPS {
            if let Some(again) = round_trip(policy, value) {
                sets.learn(value, &again, "");
            }
        }
    }
    let difference = first_difference(&sets.in_order(&loaded, ""), &sets.in_order(&replayed, ""));
    difference.map_or(Comparison::Same, Comparison::Differs)
}

fn round_trip<T>(policy: &SnapshotPolicy<T>, value: &Value) -> Option<Value> {
    let read = policy.decode(&serde_json::to_vec(value).ok()?)?;
    written_again(policy, &read)
}

fn written_again<T>(policy: &SnapshotPolicy<T>, state: &T) -> Option<Value> {
    json::decode(&policy.encode(state).ok()?).ok()
}

/// The paths of the lists that are sets: that come out in another order where they are read and written again. An element
/// of a list, whichever it is, is `[]` in them.
#[derive(Debug, Default)]
struct Sets(BTreeSet<String>);

impl Sets {
    fn learn(&mut self, value: &Value, again: &Value, path: &str) {
        match (value, again) {
            _ if value == again => {}
            (Value::Object(value), Value::Object(again)) => {
                for (name, value) in value {
                    if let Some(again) = again.get(name) {
                        self.learn(value, again, &format!("{path}.{name}"));
                    }
                }
            }
            (Value::Array(value), Value::Array(again)) => {
                let (mut value, mut again) = (elements(value), elements(again));
                if value.iter().map(name).ne(again.iter().map(name)) {
                    self.0.insert(path.to_owned());
                    value.sort_by(|one, other| one.0.cmp(&other.0));
                    again.sort_by(|one, other| one.0.cmp(&other.0));
                }
                for ((_, value), (_, again)) in value.into_iter().zip(again) {
                    self.learn(value, again, &format!("{path}[]"));
                }
            }
            _ => {}
        }
    }

    /// The value with its sets in an order of ours.
    fn in_order(&self, value: &Value, path: &str) -> Value {
        match value {
            Value::Array(list) => {
                let inner = format!("{path}[]");
                let mut list: Vec<_> =
                    list.iter().map(|value| self.in_order(value, &inner)).collect();
                if self.0.contains(path) {
                    list.sort_by_cached_key(Value::to_string);
                }
                Value::Array(list)
            }
            Value::Object(fields) => {
                let in_order = |(name, value): (&String, &Value)| {
                    (name.clone(), self.in_order(value, &format!("{path}.{name}")))
                };
                Value::Object(fields.iter().map(in_order).collect())
            }
            other => other.clone(),
        }
    }
}

/// The elements of a list, each with what it is in any order.
fn elements(list: &[Value]) -> Vec<(String, &Value)> {
    list.iter().map(|value| (in_any_order(value).to_string(), value)).collect()
}

fn name<'a>(element: &'a (String, &Value)) -> &'a str {
    &element.0
}

/// The same for all orders in which lists can be written.
fn in_any_order(value: &Value) -> Value {
    match value {
        Value::Array(list) => {
            let mut list: Vec<_> = list.iter().map(in_any_order).collect();
            list.sort_by_cached_key(Value::to_string);
            Value::Array(list)
        }
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), in_any_order(value))).collect()
        }
        other => other.clone(),
    }
}

/// The path of the first field that differs, as `address.city` or `lines[3]`.
fn first_difference(one: &Value, other: &Value) -> Option<String> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
            names.into_iter().find_map(|name| {
                let inner = match (one.get(name), other.get(name)) {
                    (Some(one), Some(other)) => first_difference(one, other)?,
                    _ => ".".to_owned(),
                };
                Some(within(name, &inner))
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).enumerate().find_map(|(index, (one, other))| {
                Some(within(&format!("[{index}]"), &first_difference(one, other)?))
            })
        }
        _ => (one != other).then(|| ".".to_owned()),
    }
}

fn within(outer: &str, inner: &str) -> String {
    match inner {
        "." => outer.to_owned(),
        _ if inner.starts_with('[') => format!("{outer}{inner}"),
        _ => format!("{outer}.{inner}"),
    }
}

#[cfg(test)]
mod tests;
