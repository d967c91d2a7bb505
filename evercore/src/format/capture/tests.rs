use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Serialize, Serializer};

use super::{Captured, Sets, first_difference, is_same_in_any_order};

fn captured(value: &impl Serialize) -> Captured {
    Captured::of(value, true).expect("nothing refuses")
}

/// Returns the path of the first difference between two values.
fn difference(one: &impl Serialize, other: &impl Serialize) -> Option<String> {
    let difference = first_difference(&captured(one), &captured(other), &Sets::default());
    difference.map(|difference| difference.path)
}

#[derive(Serialize)]
struct Wrapped<T>(T);

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
#[serde(untagged)]
enum Either {
    Round(Circle),
    Solid(Sphere),
    Small(u8),
    Large(u16),
}

#[derive(Serialize)]
struct Circle {
    radius: u32,
}

#[derive(Serialize)]
struct Sphere {
    radius: u32,
}

/// Codecs encode some of these values alike.
#[test]
fn all_that_serde_tells_apart_is_apart() {
    let all = [
        captured(&()),
        captured(&Unit),
        captured(&None::<()>),
        captured(&Some(())),
        captured(&Some(None::<()>)),
        captured(&Some(Some(()))),
        captured(&Wrapped(())),
        captured(&Vec::<u8>::new()),
        captured(&BTreeMap::<u8, u8>::new()),
        captured(&""),
        captured(&"1"),
        captured(&'1'),
        captured(&1_u8),
        captured(&1_u64),
        captured(&1_i64),
        captured(&1_i128),
        captured(&1_f32),
        captured(&1_f64),
        captured(&0.0),
        captured(&-0.0),
        captured(&f64::NAN),
        captured(&f64::INFINITY),
        captured(&f64::NEG_INFINITY),
        captured(&u128::MAX),
        captured(&vec![1]),
        captured(&(1,)),
        captured(&true),
        captured(&Ok::<_, ()>(1)),
        captured(&Err::<(), _>(1)),
    ];
    for (index, one) in all.iter().enumerate() {
        for (other_index, other) in all.iter().enumerate() {
            let is_same = first_difference(one, other, &Sets::default()).is_none();
            assert_eq!(is_same, index == other_index, "{one} and {other}");
        }
    }
    assert_eq!(difference(&f64::NAN, &-f64::NAN), None);
}

#[test]
fn variants_that_are_written_alike_are_apart() {
    let apart = Some(".".to_owned());
    let (round, solid) = (Circle { radius: 1 }, Sphere { radius: 1 });
    assert_eq!(difference(&Either::Round(round), &Either::Solid(solid)), apart);
    assert_eq!(difference(&Either::Small(1), &Either::Large(1)), apart);
    let shown = captured(&Either::Small(1)).shown_beside(&captured(&Either::Large(1)));
    assert_eq!(shown, "1 (u8)");
}

#[test]
fn differences_are_reported_at_their_path() {
    #[derive(Clone, Serialize)]
    struct Order {
        lines: Vec<Line>,
        stock: BTreeMap<u32, Option<u32>>,
        state: State,
    }

    #[derive(Clone, Serialize)]
    struct Line {
        price: f64,
    }

    #[derive(Clone, Serialize)]
    enum State {
        Paid { by: (String, u8) },
    }

    let order = Order {
        lines: vec![Line { price: 1.0 }, Line { price: 2.0 }],
        stock: [(7, Some(1))].into(),
        state: State::Paid { by: ("Ada".to_owned(), 1) },
    };
    let changed = |change: fn(&mut Order)| {
        let mut changed = order.clone();
        change(&mut changed);
        let (one, other) = (captured(&order), captured(&changed));
        let path = first_difference(&one, &other, &Sets::default()).expect("it differs").path;
        if !path.contains('9') {
            one.at(&path).expect("the path leads there");
        }
        path
    };
    assert_eq!(changed(|order| order.lines[1].price = f64::NAN), "lines[1].price");
    assert_eq!(changed(|order| order.lines.truncate(1)), "lines");
    assert_eq!(changed(|order| order.stock = [(7, None)].into()), "stock.7");
    assert_eq!(changed(|order| order.stock = [(7, Some(1)), (9, None)].into()), "stock.9");
    assert_eq!(
        changed(|order| order.state = State::Paid { by: ("Ada".to_owned(), 2) }),
        "state.Paid.by[1]"
    );
}

#[test]
fn maps_are_the_same_in_any_order_and_so_are_sets_once_they_are_known() {
    let map = || (0..50).map(|key| (key, vec![key, 1])).collect::<HashMap<u32, _>>();
    let set = || (0..50).collect::<HashSet<u32>>();
    assert_eq!(difference(&map(), &map()), None);
    let (one, other) = (captured(&(map(), set())), captured(&(map(), set())));
    let mut sets = Sets::default();
    assert!(first_difference(&one, &other, &sets).is_some(), "a list has an order");
    sets.learn(&one, &other);
    assert_eq!(first_difference(&one, &other, &sets), None);
    let fewer = captured(&(map(), (1..50).collect::<HashSet<u32>>()));
    assert!(first_difference(&one, &fewer, &sets).is_some(), "an element is missing");
}

/// Returns whether a value and its decoded form are the same, and the path at which a changed value differs, by the
/// sets learned from the first two.
fn learned<T: Serialize>(value: T, again: T, changed: T) -> (bool, Option<String>) {
    let [value, again, changed] = [&value, &again, &changed].map(captured);
    let mut sets = Sets::default();
    sets.learn(&value, &again);
    let is_same = first_difference(&value, &again, &sets).is_none();
    assert_eq!(is_same, is_same_in_any_order(&value, &again));
    (is_same, first_difference(&value, &changed, &sets).map(|difference| difference.path))
}

#[test]
fn the_elements_of_a_set_may_be_lists_of_the_same() {
    let [ab, ba, c] = [[1, 2], [2, 1], [3, 4]];
    let orders = [[ab, ba, c], [ba, ab, c], [c, ab, ba], [ab, c, ba], [ba, c, ab], [c, ba, ab]];
    for again in &orders[1..] {
        let list = |of: [[u8; 2]; 3]| of.map(Vec::from).to_vec();
        let (is_same, other) = learned(list(orders[0]), list(*again), list([ab, c, [4, 3]]));
        // Sorting the outer set does not hide that the inner lists are ordered.
        assert_eq!((is_same, other.is_some()), (true, true), "{again:?}");
    }
}

/// A bag is an unordered list; sets may be nested in lists and in sets.
#[test]
fn reordered_elements_are_found_at_every_depth() {
    let bag = learned(vec![1, 1, 2], vec![2, 1, 1], vec![2, 2, 1]);
    assert_eq!(bag, (true, Some("[1]".to_owned())));
    let list = |of: [[u8; 2]; 2]| of.map(Vec::from).to_vec();
    let in_a_list = learned(list([[1, 2], [3, 4]]), list([[2, 1], [4, 3]]), list([[4, 3], [1, 2]]));
    assert_eq!(in_a_list, (true, Some("[0][0]".to_owned())));
    let pair = |key: [u8; 2], set: [u8; 2]| (key.to_vec(), set.to_vec());
    let in_a_set = learned(
        vec![pair([1, 2], [5, 6]), pair([3, 4], [7, 8])],
        vec![pair([3, 4], [8, 7]), pair([1, 2], [6, 5])],
        vec![pair([3, 4], [8, 7]), pair([2, 1], [6, 5])],
    );
    assert_eq!(in_a_set, (true, Some("[0][0][0]".to_owned())));
}

#[test]
fn lists_with_different_elements_are_not_equal() {
    for again in [vec![1, 2, 2], vec![1, 2], vec![2, 1, 1, 1], vec![3, 1, 2]] {
        let (is_same, _) = learned(vec![1, 1, 2], again.clone(), again);
        assert!(!is_same);
    }
}

/// A linear search for each key would take minutes.
#[test]
fn a_large_map_is_compared_in_one_pass() {
    let map = |last| {
        let entries = (0..100_000).map(|key| (format!("{key:06}"), (key < 99_999).then_some(last)));
        entries.collect::<BTreeMap<_, _>>()
    };
    let other = || {
        let mut map = map(1);
        map.insert("099999".to_owned(), Some(1));
        map
    };
    assert_eq!(difference(&map(1), &other()), Some("099999".to_owned()));
    let hashed = || other().into_iter().collect::<HashMap<_, _>>();
    assert_eq!(difference(&map(1), &hashed()), Some("099999".to_owned()));
}

#[test]
fn a_refusal_of_the_value_is_one_of_its_capture() {
    struct Stubborn;

    impl Serialize for Stubborn {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }

    let refusal = Captured::of(&Some(Stubborn), true).expect_err("it refuses");
    assert_eq!(refusal.to_string(), "not today");
}

#[test]
fn a_long_value_is_cut_off_where_it_is_shown() {
    let shown = captured(&"é".repeat(1_000)).shown();
    assert_eq!(shown.chars().count(), 81);
}
