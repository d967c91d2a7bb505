//! Compares two captured values of one type.

use std::collections::BTreeSet;

use super::Captured;

/// The paths of the lists that are sets. Serde does not tell them apart, so it is learned from two captures of one value:
/// a list that comes back in another order, each of its elements once, is taken for a set. An element of a list,
/// whichever it is, is `[]` in a path.
#[derive(Debug, Default)]
pub(crate) struct Sets(BTreeSet<String>);

impl Sets {
    /// Learns from a value and what it has become where it was written and read.
    pub(crate) fn learn(&mut self, value: &Captured, again: &Captured) {
        self.learn_at(value, again, "");
    }

    fn learn_at(&mut self, value: &Captured, again: &Captured, path: &str) {
        match (value, again) {
            _ if value == again => {}
            (Captured::Some(value), Captured::Some(again))
            | (Captured::Newtype(_, value), Captured::Newtype(_, again)) => {
                self.learn_at(value, again, path);
            }
            (Captured::Variant(_, one, value), Captured::Variant(_, other, again))
                if one == other =>
            {
                self.learn_at(value, again, &within(path, one));
            }
            (Captured::Struct(_, value), Captured::Struct(_, again)) => {
                for ((name, value), (_, again)) in value.iter().zip(again) {
                    self.learn_at(value, again, &within(path, name));
                }
            }
            (Captured::Tuple(_, value), Captured::Tuple(_, again)) => {
                for (index, (value, again)) in value.iter().zip(again).enumerate() {
                    self.learn_at(value, again, &format!("{path}[{index}]"));
                }
            }
            (Captured::Map(value), Captured::Map(again)) => {
                let (value, again) = (by_key(value), by_key(again));
                for ((key, value), (_, again)) in value.into_iter().zip(again) {
                    self.learn_at(value, again, &within(path, &key.as_key()));
                }
            }
            (Captured::List(value), Captured::List(again)) => {
                let (mut value, mut again) = (named(value), named(again));
                if value.iter().map(name).ne(again.iter().map(name)) {
                    value.sort();
                    again.sort();
                    let is_same = value.iter().map(name).eq(again.iter().map(name));
                    if is_same && value.windows(2).all(|pair| pair[0].0 != pair[1].0) {
                        self.0.insert(path.to_owned());
                    }
                }
                for ((_, value), (_, again)) in value.into_iter().zip(again) {
                    self.learn_at(value, again, &format!("{path}[]"));
                }
            }
            _ => {}
        }
    }

    fn holds(&self, path: &str) -> bool {
        self.0.contains(path)
    }
}

/// Where two values differ first.
#[derive(Debug, PartialEq)]
pub(crate) struct Difference {
    /// As `address.city` or `lines[3]`; `.` for the whole value.
    pub(crate) path: String,
    /// The one's value at the path; `None` if it has nothing there.
    pub(crate) one: Option<Captured>,
    /// The other's value at the path.
    pub(crate) other: Option<Captured>,
}

/// Finds where two values differ first. `None` if they are the same: maps in any order, and sets too.
pub(crate) fn first_difference(
    one: &Captured,
    other: &Captured,
    sets: &Sets,
) -> Option<Difference> {
    if one == other {
        return None;
    }
    first_in(&in_order(one, sets, ""), &in_order(other, sets, ""), "")
}

fn first_in(one: &Captured, other: &Captured, path: &str) -> Option<Difference> {
    match (one, other) {
        _ if one == other => None,
        (Captured::Some(one), Captured::Some(other)) => first_in(one, other, path),
        (Captured::Newtype(name, one), Captured::Newtype(again, other)) if name == again => {
            first_in(one, other, path)
        }
        (Captured::Variant(name, variant, one), Captured::Variant(again, same, other))
            if name == again && variant == same =>
        {
            first_in(one, other, &within(path, variant))
        }
        (Captured::Struct(name, one), Captured::Struct(again, other)) if name == again => {
            let entries = |fields: &[(&'static str, Captured)]| -> Vec<_> {
                let named = fields.iter();
                named.map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
            };
            first_of_entries(&entries(one), &entries(other), path)
        }
        (Captured::Map(entries), Captured::Map(again)) => {
            let keyed = |entries: &[(Captured, Captured)]| -> Vec<_> {
                let entries = entries.iter();
                entries.map(|(key, value)| (key.as_key(), value.clone())).collect()
            };
            let first = first_of_entries(&keyed(entries), &keyed(again), path);
            // Keys may differ and be called the same.
            first.or_else(|| Some(difference(Some(one.clone()), Some(other.clone()), path)))
        }
        (Captured::List(one), Captured::List(other)) if one.len() == other.len() => {
            first_of(one, other, path)
        }
        (Captured::Tuple(name, one), Captured::Tuple(again, other))
            if name == again && one.len() == other.len() =>
        {
            first_of(one, other, path)
        }
        _ => Some(difference(Some(one.clone()), Some(other.clone()), path)),
    }
}

fn first_of(one: &[Captured], other: &[Captured], path: &str) -> Option<Difference> {
    let mut pairs = one.iter().zip(other).enumerate();
    pairs.find_map(|(index, (one, other))| first_in(one, other, &format!("{path}[{index}]")))
}

/// Of entries with different names, the one that is missing counts.
fn first_of_entries(
    one: &[(String, Captured)],
    other: &[(String, Captured)],
    path: &str,
) -> Option<Difference> {
    let find = |entries: &[(String, Captured)], wanted: &str| {
        entries.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
    };
    let names = one.iter().chain(other).map(|(name, _)| name);
    names.into_iter().find_map(|name| {
        let path = within(path, name);
        match (find(one, name), find(other, name)) {
            (Some(one), Some(other)) => first_in(&one, &other, &path),
            (one, other) => Some(difference(one, other, &path)),
        }
    })
}

fn difference(one: Option<Captured>, other: Option<Captured>, path: &str) -> Difference {
    let path = if path.is_empty() { "." } else { path };
    Difference { path: path.to_owned(), one, other }
}

/// The value with its maps and sets in an order of ours.
fn in_order(value: &Captured, sets: &Sets, path: &str) -> Captured {
    let inner = |value: &Captured, path: &str| in_order(value, sets, path);
    match value {
        Captured::Some(value) => Captured::Some(Box::new(inner(value, path))),
        Captured::Newtype(name, value) => Captured::Newtype(name, Box::new(inner(value, path))),
        Captured::Variant(name, variant, value) => {
            Captured::Variant(name, variant, Box::new(inner(value, &within(path, variant))))
        }
        Captured::Struct(name, fields) => {
            let fields =
                fields.iter().map(|(name, value)| (*name, inner(value, &within(path, name))));
            Captured::Struct(name, fields.collect())
        }
        Captured::Tuple(name, values) => {
            let values = values.iter().enumerate();
            let values = values.map(|(index, value)| inner(value, &format!("{path}[{index}]")));
            Captured::Tuple(name, values.collect())
        }
        Captured::Map(entries) => {
            let mut entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| (key.clone(), inner(value, &within(path, &key.as_key()))))
                .collect();
            entries.sort();
            Captured::Map(entries)
        }
        Captured::List(values) => {
            let element = format!("{path}[]");
            let mut values: Vec<_> = values.iter().map(|value| inner(value, &element)).collect();
            if sets.holds(path) {
                values.sort();
            }
            Captured::List(values)
        }
        other => other.clone(),
    }
}

/// The same for all orders in which maps and lists can be written.
fn in_any_order(value: &Captured) -> Captured {
    let inner = |value: &Captured| Box::new(in_any_order(value));
    let all = |values: &[Captured]| values.iter().map(in_any_order).collect::<Vec<_>>();
    match value {
        Captured::Some(value) => Captured::Some(inner(value)),
        Captured::Newtype(name, value) => Captured::Newtype(name, inner(value)),
        Captured::Variant(name, variant, value) => Captured::Variant(name, variant, inner(value)),
        Captured::Struct(name, fields) => Captured::Struct(
            name,
            fields.iter().map(|(name, value)| (*name, in_any_order(value))).collect(),
        ),
        Captured::Tuple(name, values) => Captured::Tuple(name, all(values)),
        Captured::Map(entries) => {
            let mut entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| (in_any_order(key), in_any_order(value)))
                .collect();
            entries.sort();
            Captured::Map(entries)
        }
        Captured::List(values) => {
            let mut values = all(values);
            values.sort();
            Captured::List(values)
        }
        other => other.clone(),
    }
}

/// The elements of a list, each with what it is in any order.
fn named(list: &[Captured]) -> Vec<(Captured, &Captured)> {
    list.iter().map(|value| (in_any_order(value), value)).collect()
}

fn name<'a>(element: &'a (Captured, &Captured)) -> &'a Captured {
    &element.0
}

fn by_key(entries: &[(Captured, Captured)]) -> Vec<(&Captured, &Captured)> {
    let mut entries: Vec<_> = entries.iter().map(|(key, value)| (key, value)).collect();
    entries.sort();
    entries
}

/// A path with one more name at its end.
fn within(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
