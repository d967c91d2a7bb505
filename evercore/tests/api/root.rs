//! The root of the crate has the names that most programs need.

use std::collections::BTreeSet;

/// The most names that the root may have. Others belong to a public module.
const MOST_NAMES: usize = 68;

#[test]
fn the_root_has_few_names() {
    let source = include_str!("../../src/lib.rs");
    let exports = source.split("\npub use ").skip(1).filter_map(|after| after.split(';').next());
    let names: BTreeSet<&str> = exports.flat_map(names).collect();
    assert!(names.contains("EventStore") && names.contains("Context"), "{names:?}");
    assert!(names.len() <= MOST_NAMES, "{} names at the root: {names:?}", names.len());
}

/// Returns the names that `module::Name` or `module::{Name, Other}` exports.
fn names(export: &str) -> impl Iterator<Item = &str> {
    let list = export.split_once('{').map_or_else(
        || export.rsplit("::").next().unwrap_or_default(),
        |(_, list)| list.trim_end().trim_end_matches('}'),
    );
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}
