//! Decisions on boundaries, without a store.

use evercore::boundary::Tag;
use evercore::chrono::{DateTime, TimeDelta};
use evercore::{
    Aggregate, Apply, Boundary, Decide, Decision, EventMeta, Metadata, event, state_event,
};
use evercore_testing::BoundaryScenario;
use expect_test::expect;

use crate::failures::assert_says;

#[event(tags(room), name = "room-opened")]
struct RoomOpened {
    room: u32,
    seats: usize,
}

#[event(tags(room, guest), name = "seat-taken")]
struct SeatTaken {
    room: u32,
    guest: String,
}

/// A guest, whose events are those of an aggregate and are found by its tag as well.
#[derive(Aggregate, Default)]
#[aggregate(name = "scenario-guest")]
struct Guest {
    guest: String,
}

#[state_event(aggregate = Guest, name = "guest-banned", tags(guest))]
struct GuestBanned {
    guest: String,
}

#[derive(Boundary, Debug, Default, PartialEq)]
#[boundary(key(room: u32), events(RoomOpened, SeatTaken))]
struct Room {
    seats: usize,
    guests: Vec<String>,
}

#[derive(Boundary, Debug, Default, PartialEq)]
#[boundary(key(guest: String), events(SeatTaken, GuestBanned))]
struct Visits {
    rooms: Vec<u32>,
    is_banned: bool,
}

impl Apply<RoomOpened> for Room {
    fn apply(&mut self, event: &RoomOpened, _: &EventMeta) {
        self.seats = event.seats;
    }
}

impl Apply<SeatTaken> for Room {
    fn apply(&mut self, event: &SeatTaken, _: &EventMeta) {
        self.guests.push(event.guest.clone());
    }
}

impl Apply<SeatTaken> for Visits {
    fn apply(&mut self, event: &SeatTaken, _: &EventMeta) {
        self.rooms.push(event.room);
    }
}

impl Apply<GuestBanned> for Visits {
    fn apply(&mut self, _: &GuestBanned, _: &EventMeta) {
        self.is_banned = true;
    }
}

/// Seats guests in a room, in their order.
struct Sit {
    room: u32,
    guests: Vec<&'static str>,
}

#[derive(Debug, PartialEq)]
enum Refused {
    Full,
    Banned,
}

impl Decide<Sit> for (Room, Visits) {
    type Error = Refused;

    fn decide(both: &mut Decision<'_, Self>, command: &Sit) -> Result<(), Refused> {
        if both.state().1.is_banned {
            return Err(Refused::Banned);
        }
        for guest in &command.guests {
            let (room, _) = both.state();
            if room.guests.len() >= room.seats {
                return Err(Refused::Full);
            }
            both.emit(taken(command.room, guest));
        }
        Ok(())
    }
}

fn opened(room: u32, seats: usize) -> RoomOpened {
    RoomOpened { room, seats }
}

fn taken(room: u32, guest: &str) -> SeatTaken {
    SeatTaken { room, guest: guest.to_owned() }
}

fn sit<const N: usize>(room: u32, guests: [&'static str; N]) -> Sit {
    Sit { room, guests: guests.into() }
}

#[test]
fn a_decision_sees_the_events_of_its_tags() {
    BoundaryScenario::given((opened(1, 2), taken(1, "Ada"), opened(2, 9), taken(2, "Bob")))
        .when((Room::of(1), Visits::of("Bob")), sit(1, ["Bob"]))
        .then([taken(1, "Bob")])
        .then_state(|(room, visits)| {
            assert_eq!(room.guests, ["Ada", "Bob"]);
            assert_eq!(visits.rooms, [2, 1]);
        })
        .when((Room::of(1), Visits::of("Cleo")), sit(1, ["Cleo"]))
        .then_rejected(Refused::Full)
        .and([opened(1, 3)])
        .when((Room::of(1), Visits::of("Cleo")), sit(1, []))
        .then_nothing()
        .then_state(|(room, visits)| {
            assert_eq!((room.seats, room.guests.len()), (3, 2));
            assert_eq!(*visits, Visits::default());
        });
}

#[test]
fn an_emitted_event_is_applied_to_the_boundaries_that_it_matches() {
    BoundaryScenario::given([opened(1, 2)])
        .when((Room::of(1), Visits::of("Ada")), sit(1, ["Ada", "Bob"]))
        .then([taken(1, "Ada"), taken(1, "Bob")])
        .then_state(|(room, visits)| {
            assert_eq!((room.guests.len(), &visits.rooms[..]), (2, &[1][..]));
        });
}

#[test]
fn a_rejected_command_leaves_no_event() {
    BoundaryScenario::given([opened(1, 1)])
        .when((Room::of(1), Visits::of("Ada")), sit(1, ["Ada", "Bob"]))
        .then_rejected_as(|refused| assert_eq!(*refused, Refused::Full))
        .then_state(|(room, _)| assert!(room.guests.is_empty()));
}

#[test]
fn events_of_aggregates_are_found_by_their_tags() {
    BoundaryScenario::given([opened(1, 5)])
        .and_of::<Guest>([GuestBanned { guest: "Ada".to_owned() }])
        .when((Room::of(1), Visits::of("Bob")), sit(1, ["Bob"]))
        .then([taken(1, "Bob")])
        .when((Room::of(1), Visits::of("Ada")), sit(1, ["Ada"]))
        .then_rejected(Refused::Banned);
}

#[test]
fn times_and_metadata_are_those_of_the_scenario() {
    let later = DateTime::UNIX_EPOCH + TimeDelta::days(1);
    let metadata = Metadata::new().with("user", "Eve");
    BoundaryScenario::given([opened(1, 5)])
        .at(later)
        .with_metadata(metadata)
        .when((Room::of(1), Visits::of("Ada")), sit(1, ["Ada"]))
        .then([taken(1, "Ada")]);
}

#[test]
fn another_event_than_expected_fails() {
    assert_says(
        || {
            drop(
                BoundaryScenario::given([opened(1, 2)])
                    .when((Room::of(1), Visits::of("Ada")), sit(1, ["Ada"]))
                    .then([taken(2, "Ada")]),
            );
        },
        &expect![[r#"
            Sit: the events are not the expected ones

              seat-taken: room: expected 2, got 1
        "#]],
    );
}

#[test]
fn a_rejection_that_no_step_expects_fails() {
    assert_says(
        || {
            let rejected =
                BoundaryScenario::new().when((Room::of(1), Visits::of("Ada")), sit(1, ["Ada"]));
            drop(rejected.when((Room::of(1), Visits::of("Ada")), sit(1, [])));
        },
        &expect![[r#"
            Sit: expected to be accepted, was rejected: Full
        "#]],
    );
}

#[test]
fn a_key_that_is_no_tag_fails() {
    assert!(Tag::new("guest", "").is_err());
    assert_says(
        || drop(BoundaryScenario::new().when((Room::of(1), Visits::of("")), sit(1, ["Ada"]))),
        &expect![[r#"
            the boundaries cannot be read: `guest:` cannot be a tag: its value is empty
        "#]],
    );
}
