use std::collections::{BTreeMap, HashMap, HashSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Comparison, compare};
use crate::{Fingerprint, SnapshotPolicy};

#[derive(Default, Serialize, Deserialize)]
struct Library {
    shelves: HashMap<u32, Vec<u32>>,
    members: HashSet<(u32, String)>,
    rules: Vec<String>,
    fines: BTreeMap<String, f64>,
}

fn library() -> Library {
    Library {
        shelves: (0..20).map(|shelf| (shelf, vec![3, 1, 2])).collect(),
        members: (0..20).map(|number| (number, format!("member {number}"))).collect(),
        rules: vec!["be quiet".to_owned(), "bring it back".to_owned()],
        fines: BTreeMap::from([("late".to_owned(), 0.1 + 0.2)]),
    }
}

fn compared<T: Serialize + DeserializeOwned>(replayed: &T, stored: &T) -> Comparison {
    let stored = serde_json::to_vec(stored).expect("it has a JSON form");
    compare(&SnapshotPolicy::json(1, Fingerprint::new(1)), replayed, &stored)
}

fn differs(field: &str) -> Comparison {
    Comparison::Differs(field.to_owned())
}

#[test]
fn maps_and_sets_are_the_same_in_any_order() {
    for _ in 0..20 {
        assert_eq!(compared(&library(), &library()), Comparison::Same);
    }
    let pair = || HashSet::from([1, 2]);
    assert!((0..100).all(|_| compared(&pair(), &pair()) == Comparison::Same));
}

/// The order of such a list counts, unlike that of the set.
#[test]
fn the_elements_of_a_set_may_be_lists_of_the_same() {
    let routes = |last: [u8; 1]| HashSet::from([vec![1, 2], vec![2, 1], last.to_vec(), vec![4]]);
    for _ in 0..20 {
        assert_eq!(compared(&routes([3]), &routes([3])), Comparison::Same);
        assert!(matches!(compared(&routes([3]), &routes([5])), Comparison::Differs(_)));
    }
}

#[test]
fn differing_fields_are_named_by_their_path() {
    let changed = |change: fn(&mut Library)| {
        let mut stored = library();
        change(&mut stored);
        compared(&library(), &stored)
    };
    assert_eq!(changed(|library| library.rules.push("pay".to_owned())), differs("rules"));
    assert_eq!(changed(|library| library.rules.reverse()), differs("rules[0]"));
    assert_eq!(changed(|library| library.rules[1] = "lose it".to_owned()), differs("rules[1]"));
    let fine = changed(|library| {
        library.fines.insert("late".to_owned(), 0.3);
    });
    assert_eq!(fine, differs("fines.late"));
    let shelf = changed(|library| {
        library.shelves.remove(&7);
    });
    assert_eq!(shelf, differs("shelves.7"));
    let member = changed(|library| {
        library.members.insert((99, "a stranger".to_owned()));
    });
    assert_eq!(member, differs("members"));
}

#[test]
fn a_snapshot_that_is_not_read_as_the_type_is_unreadable() {
    let policy = SnapshotPolicy::json(1, Fingerprint::new(1));
    for stored in [&b"{"[..], b"null", b"[]", b"", b"\xFF"] {
        assert_eq!(compare(&policy, &library(), stored), Comparison::Unreadable);
    }
}
