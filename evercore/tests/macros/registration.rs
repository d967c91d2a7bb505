//! Names, versions and aliases, and the lookup of types by them.

use evercore::{Aggregate, Apply, Event, EventMeta, Registry, event, state_event};

#[derive(Aggregate, Default)]
struct Shelf {
    books: u32,
}

#[derive(Aggregate, Default)]
#[aggregate(name = "reading-room")]
struct Room;

#[state_event(aggregate = Shelf)]
struct Filled {
    books: u32,
}

#[event(aggregate = Shelf, name = "book-added", version = 3, oldest_version = 3, aliases = ["BookAdded", "added"])]
struct Added;

impl Apply<Added> for Shelf {
    fn apply(&mut self, _: &Added, _: &EventMeta) {
        self.books += 1;
    }
}

#[event(aggregate = Room)]
struct r#Match;

impl Apply<r#Match> for Room {
    fn apply(&mut self, _: &r#Match, _: &EventMeta) {}
}

fn linked() -> Registry {
    Registry::linked().expect("all names of this program differ")
}

#[test]
fn a_name_defaults_to_the_type_s() {
    assert_eq!(Shelf::NAME, "Shelf");
    assert_eq!((Filled::NAME, Filled::VERSION, Filled::ALIASES), ("Filled", 1, &[][..]));
}

#[test]
fn a_raw_name_is_stored_without_its_prefix() {
    assert_eq!(<r#Match as Event>::NAME, "Match");
}

#[test]
fn given_names_versions_and_aliases_are_used() {
    assert_eq!(Room::NAME, "reading-room");
    assert_eq!((Added::NAME, Added::VERSION), ("book-added", 3));
    assert_eq!(Added::ALIASES, ["BookAdded", "added"]);
}

#[test]
fn an_event_is_found_by_its_name_and_its_aliases_in_its_version() {
    let registry = linked();
    for name in ["book-added", "BookAdded", "added"] {
        assert!(registry.knows("Shelf", name, 3), "{name}");
        assert!(!registry.knows("Shelf", name, 1), "{name} in another version");
        assert!(!registry.knows("reading-room", name, 3), "{name} of another aggregate");
    }
    assert!(!registry.knows("Shelf", "Added", 3));
}

#[test]
fn types_announce_themselves() {
    let registry = linked();
    assert!(registry.knows_event::<Filled>());
    assert!(registry.knows_event::<Added>());
    assert!(registry.aggregates().any(|aggregate| aggregate.name() == "reading-room"));
}

#[test]
fn a_type_in_a_function_announces_itself() {
    #[derive(Aggregate, Default)]
    #[aggregate(name = "local-counter")]
    struct Counter {
        count: u32,
    }

    #[state_event(aggregate = Counter)]
    struct Set {
        count: u32,
    }

    assert!(linked().knows_event::<Set>());
    let mut counter = Counter::default();
    counter.count += Set { count: 1 }.count;
    assert_eq!(counter.count, 1);
}
