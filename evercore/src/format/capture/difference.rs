//! Compares two captured values of one type.

use std::collections::{BTreeMap, BTreeSet};

use super::Captured;

/// The paths of the lists that are sets. Serde does not distinguish sets from lists, so they are recognised by
/// comparing a value with its decoded form: no codec reorders a list, so a list that comes back in another order must
/// be a set, or a bag that may contain elements several times. In a path, `[]` stands for any element of a list.
#[derive(Debug, Default)]
pub(crate) struct Sets(BTreeSet<String>);

impl Sets {
    /// Learns from a value and its decoded form.
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
            (Captured::List(value), Captured::List(again)) => self.learn_list(value, again, path),
            _ => {}
        }
    }

    /// Considers the list itself as a set before any list in it: `[[1, 2], [2, 1]]` that comes back as
    /// `[[2, 1], [1, 2]]` is a set of lists.
    fn learn_list(&mut self, value: &[Captured], again: &[Captured], path: &str) {
        let within = format!("{path}[]");
        let (mut value, mut again) = (self.elements(value, &within), self.elements(again, &within));
        let is_moved = !is_same_by(&value, &again, |element| &element.in_any_order);
        let as_they_came: Vec<_> =
            value.iter().zip(&again).map(|(value, again)| (value.value, again.value)).collect();
        value.sort();
        again.sort();
        if is_same_by(&value, &again, |element| &element.in_order) {
            self.0.insert(path.to_owned());
            return;
        }
        let pairs = if is_moved && is_same_by(&value, &again, |element| &element.in_any_order) {
            self.0.insert(path.to_owned());
            value.iter().zip(&again).map(|(value, again)| (value.value, again.value)).collect()
        } else {
            as_they_came
        };
        for (value, again) in pairs {
            self.learn_at(value, again, &within);
        }
    }

    /// Prepares the elements of a list, which are at `path`, for comparison.
    fn elements<'a>(&self, list: &'a [Captured], path: &str) -> Vec<Element<'a>> {
        let element = |value| Element {
            in_any_order: in_any_order(value),
            in_order: in_order(value, self, path),
            value,
        };
        list.iter().map(element).collect()
    }

    fn holds(&self, path: &str) -> bool {
        self.0.contains(path)
    }
}

/// An element of a list, in two normalized forms by which it is found in another list.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Element<'a> {
    /// The element, normalized as if all lists in it were sets.
    in_any_order: Captured,
    /// The element, normalized with the sets known so far.
    in_order: Captured,
    value: &'a Captured,
}

/// Returns whether two lists have the same elements at the same places.
fn is_same_by(
    one: &[Element<'_>],
    other: &[Element<'_>],
    name: for<'e> fn(&'e Element<'_>) -> &'e Captured,
) -> bool {
    one.iter().map(name).eq(other.iter().map(name))
}

/// The first place at which two values differ.
#[derive(Debug, PartialEq)]
pub(crate) struct Difference {
    /// A path like `address.city` or `lines[3]`; `.` for the whole value.
    pub(crate) path: String,
    /// The first value's part at the path; `None` if it has none.
    pub(crate) one: Option<Captured>,
    /// The second value's part at the path; `None` if it has none.
    pub(crate) other: Option<Captured>,
}

/// Returns whether two values are the same if all lists in them are unordered. A correctly restored value always
/// passes, whichever of its lists are sets, which a single comparison cannot always tell.
pub(crate) fn is_same_in_any_order(one: &Captured, other: &Captured) -> bool {
    in_any_order(one) == in_any_order(other)
}

/// Finds the first difference between two values. `None` if they are the same, regardless of the order of maps and
/// sets.
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
            first_of_entries(one, other, |name| (*name).to_owned(), path)
        }
        (Captured::Map(one_entries), Captured::Map(other_entries)) => {
            let first = first_of_entries(one_entries, other_entries, Captured::as_key, path);
            // The maps differ only if a key occurs twice.
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

/// Finds the first entry that differs. An entry that only one side has is a difference.
fn first_of_entries<K: Ord>(
    one: &[(K, Captured)],
    other: &[(K, Captured)],
    name: impl Fn(&K) -> String,
    path: &str,
) -> Option<Difference> {
    let (of_one, of_other) = (indexed(one), indexed(other));
    let mut keys = one.iter().chain(other).map(|(key, _)| key);
    keys.find_map(|key| match (of_one.get(key), of_other.get(key)) {
        (Some(one), Some(other)) if one == other => None,
        (Some(one), Some(other)) => first_in(one, other, &within(path, &name(key))),
        (one, other) => {
            let value = |value: Option<&&Captured>| value.copied().cloned();
            Some(difference(value(one), value(other), &within(path, &name(key))))
        }
    })
}

fn indexed<K: Ord>(entries: &[(K, Captured)]) -> BTreeMap<&K, &Captured> {
    entries.iter().map(|(key, value)| (key, value)).collect()
}

fn difference(one: Option<Captured>, other: Option<Captured>, path: &str) -> Difference {
    let path = if path.is_empty() { "." } else { path };
    Difference { path: path.to_owned(), one, other }
}

/// Returns the value with its maps and known sets sorted.
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

/// Returns the value with its maps and all lists sorted.
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

fn by_key(entries: &[(Captured, Captured)]) -> Vec<(&Captured, &Captured)> {
    let mut entries: Vec<_> = entries.iter().map(|(key, value)| (key, value)).collect();
    entries.sort();
    entries
}

/// Appends a name to a path.
fn within(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
