//! Decisions on boundaries, executed by a store and in a context.

use evercore::command::ExecutedOn;
use evercore::{
    Aggregate, Apply, Boundary, CommandError, Decide, Decision, Error, EventMeta, EventStore,
    Metadata, Position, event,
};
use evercore_memory::MemoryEngine;

#[event(tags(room))]
struct RoomBuilt {
    room: u32,
    beds: u32,
}

#[event(tags(room, guest))]
struct BedTaken {
    room: u32,
    guest: String,
}

#[derive(Boundary, Clone, Debug, Default, PartialEq)]
#[boundary(key(room: u32), events(RoomBuilt, BedTaken))]
struct Room {
    beds: u32,
    taken: u32,
}

impl Apply<RoomBuilt> for Room {
    fn apply(&mut self, event: &RoomBuilt, _: &EventMeta) {
        self.beds = event.beds;
    }
}

impl Apply<BedTaken> for Room {
    fn apply(&mut self, _: &BedTaken, _: &EventMeta) {
        self.taken += 1;
    }
}

#[derive(Boundary, Clone, Debug, Default, PartialEq)]
#[boundary(key(guest: String), events(BedTaken))]
struct Guest {
    rooms: Vec<u32>,
}

impl Apply<BedTaken> for Guest {
    fn apply(&mut self, event: &BedTaken, _: &EventMeta) {
        self.rooms.push(event.room);
    }
}

#[derive(Debug, PartialEq)]
enum Refused {
    Full,
    SleepsElsewhere,
}

struct Build {
    room: u32,
    beds: u32,
}

impl Decide<Build> for Room {
    type Error = Refused;

    fn decide(room: &mut Decision<'_, Self>, command: &Build) -> Result<(), Refused> {
        if room.beds != command.beds {
            room.emit(RoomBuilt { room: command.room, beds: command.beds });
        }
        Ok(())
    }
}

/// Takes beds in one room for several guests.
struct Take {
    room: u32,
    guests: Vec<&'static str>,
}

impl Decide<Take> for Room {
    type Error = Refused;

    fn decide(room: &mut Decision<'_, Self>, command: &Take) -> Result<(), Refused> {
        for guest in &command.guests {
            if room.taken >= room.beds {
                return Err(Refused::Full);
            }
            room.emit(BedTaken { room: command.room, guest: (*guest).to_owned() });
        }
        Ok(())
    }
}

impl Decide<Take> for (Room, Guest) {
    type Error = Refused;

    fn decide(both: &mut Decision<'_, Self>, command: &Take) -> Result<(), Refused> {
        for guest in &command.guests {
            let (room, guest_state) = both.state();
            if room.taken >= room.beds {
                return Err(Refused::Full);
            }
            if !guest_state.rooms.is_empty() {
                return Err(Refused::SleepsElsewhere);
            }
            both.emit(BedTaken { room: command.room, guest: (*guest).to_owned() });
        }
        Ok(())
    }
}

/// Takes a bed in the first room that has one.
struct TakeAny(&'static str);

impl Decide<TakeAny> for Vec<Room> {
    type Error = Refused;

    fn decide(rooms: &mut Decision<'_, Self>, command: &TakeAny) -> Result<(), Refused> {
        let free = rooms.iter().position(|room| room.taken < room.beds).ok_or(Refused::Full)?;
        let room = u32::try_from(free).expect("few rooms") + 1;
        rooms.emit(BedTaken { room, guest: command.0.to_owned() });
        Ok(())
    }
}

async fn store() -> EventStore {
    EventStore::builder().open(MemoryEngine::new()).await.expect("it opens")
}

async fn build(store: &EventStore, room: u32, beds: u32) {
    store.execute_on(Room::of(room), Build { room, beds }).await.expect("it is built");
}

fn take(room: u32, guests: &[&'static str]) -> Take {
    Take { room, guests: guests.to_vec() }
}

async fn number_of_events(store: &EventStore) -> usize {
    store.read_log(Position::START, 100).await.expect("a page").events.len()
}

#[tokio::test]
async fn a_boundary_decides_and_its_events_land() -> Result<(), CommandError<Refused>> {
    let store = store().await;
    build(&store, 1, 2).await;
    let taken = store.execute_on(Room::of(1), take(1, &["Ada", "Bob"])).await?;
    assert_eq!(*taken.states(), Room { beds: 2, taken: 2 });
    assert!(taken.events().iter().all(evercore::command::CommittedEvent::is::<BedTaken>));
    let ends: Vec<_> = taken.positions().iter().collect();
    assert_eq!((ends.len(), taken.position()), (2, ends.last().copied()));
    let log = store.read_log(Position::START, 10).await?.events;
    let stored: Vec<_> =
        log[1..].iter().map(|event| (event.meta(), event.tags().iter().count())).collect();
    for (event, (meta, tags)) in taken.events().iter().zip(stored) {
        assert_eq!((event.meta(), tags), (meta, 2));
    }
    Ok(())
}

#[tokio::test]
async fn a_rejection_and_a_decision_without_events_store_nothing() {
    let store = store().await;
    build(&store, 1, 1).await;
    // The first event of the command is dropped as well.
    let refused = store.execute_on(Room::of(1), take(1, &["Ada", "Bob"])).await;
    assert!(matches!(refused, Err(CommandError::Rejected(Refused::Full))), "{refused:?}");
    let unchanged = store.execute_on(Room::of(1), Build { room: 1, beds: 1 }).await.expect("it is");
    assert!(unchanged.events().is_empty() && unchanged.commit().is_none());
    assert_eq!(number_of_events(&store).await, 1);
}

#[tokio::test]
async fn a_tuple_of_boundaries_decides_together() -> Result<(), CommandError<Refused>> {
    let store = store().await;
    build(&store, 1, 2).await;
    build(&store, 2, 2).await;
    let keys = || (Room::of(1), Guest::of("Ada"));
    let (room, guest) = store.execute_on(keys(), take(1, &["Ada"])).await?.into_states();
    assert_eq!((room.taken, guest.rooms), (1, vec![1]));
    let again = store.execute_on((Room::of(2), Guest::of("Ada")), take(2, &["Ada"])).await;
    assert!(matches!(again, Err(CommandError::Rejected(Refused::SleepsElsewhere))), "{again:?}");
    Ok(())
}

#[tokio::test]
async fn an_emitted_event_changes_only_the_states_that_it_matches()
-> Result<(), CommandError<Refused>> {
    let store = store().await;
    build(&store, 1, 9).await;
    // The guests have other keys than the boundary, and the rule about it sees none of them.
    let keys = (Room::of(1), Guest::of("Zoe"));
    let (room, zoe) = store.execute_on(keys, take(1, &["Ada", "Bob"])).await?.into_states();
    assert_eq!((room.taken, zoe.rooms.len()), (2, 0));
    let keys = vec![Room::of(1), Room::of(2)];
    let rooms = store.execute_on(keys, TakeAny("Cleo")).await?.into_states();
    assert_eq!([rooms[0].taken, rooms[1].taken], [3, 0]);
    let stored =
        store.with_readonly_context(async |ctx| ctx.read((Room::of(1), Guest::of("Zoe"))).await);
    assert_eq!(stored.await?, (rooms[0].clone(), zoe));
    Ok(())
}

#[tokio::test]
async fn an_idempotency_key_makes_it_take_effect_once() -> Result<(), CommandError<Refused>> {
    let store = store().await;
    build(&store, 1, 3).await;
    let request = || store.execute_on(Room::of(1), take(1, &["Ada", "Bob"])).idempotency_key("r-1");
    let first = request().await?;
    store.execute_on(Room::of(1), take(1, &["Cleo"])).await?;
    let again = request().await?;
    assert!(!first.is_repetition() && again.is_repetition());
    let answer = |done: &ExecutedOn<Room>| {
        let events: Vec<_> = done.events().iter().map(|event| event.meta().clone()).collect();
        (done.states().clone(), events, done.commit(), done.position())
    };
    assert_eq!(answer(&again), answer(&first));
    assert_eq!(number_of_events(&store).await, 4);
    // A command that has emitted nothing is known as well.
    let idle = || store.execute_on(Room::of(1), Build { room: 1, beds: 3 }).idempotency_key("r-2");
    assert!(!idle().await?.is_repetition());
    let again = idle().await?;
    assert!(again.is_repetition() && again.events().is_empty());
    assert_eq!(again.states().taken, 3);
    Ok(())
}

#[derive(Aggregate, Default)]
struct Hotel;

impl Decide<Take> for Hotel {
    type Error = Refused;

    fn decide(_: &mut Decision<'_, Self>, _: &Take) -> Result<(), Refused> {
        Ok(())
    }
}

#[tokio::test]
async fn a_key_of_another_command_or_boundary_is_refused() -> Result<(), CommandError<Refused>> {
    let store = store().await;
    build(&store, 1, 3).await;
    store.execute_on(Room::of(1), take(1, &["Ada"])).idempotency_key("r-1").await?;
    let is_reused = |error: Option<CommandError<Refused>>| {
        matches!(error, Some(CommandError::Store(Error::IdempotencyKeyReused { .. })))
    };
    let other_room =
        store.execute_on(Room::of(2), Build { room: 2, beds: 1 }).idempotency_key("r-1");
    assert!(is_reused(other_room.await.err()));
    build(&store, 2, 1).await;
    let other_boundary = store.execute_on(Room::of(2), take(2, &["Ada"])).idempotency_key("r-1");
    assert!(is_reused(other_boundary.await.err()));
    let aggregate = store.execute::<Hotel, _>(evercore::Target::New, take(1, &["Ada"]));
    assert!(is_reused(aggregate.idempotency_key("r-1").await.err()));
    let aggregate = store.execute::<Hotel, _>(evercore::Target::New, take(1, &["Ada"]));
    aggregate.idempotency_key("r-3").await?;
    let boundary = store.execute_on(Room::of(1), take(1, &["Ada"])).idempotency_key("r-3");
    assert!(is_reused(boundary.await.err()));
    Ok(())
}

#[tokio::test]
async fn metadata_goes_to_the_events() -> Result<(), CommandError<Refused>> {
    let store = store().await;
    let metadata = Metadata::new().principal("ada");
    let built =
        store.execute_on(Room::of(1), Build { room: 1, beds: 3 }).metadata(metadata.clone());
    assert_eq!(*built.await?.events()[0].meta().metadata(), metadata);
    let log = store.read_log(Position::START, 10).await?.events;
    assert_eq!(*log[0].metadata(), metadata);
    Ok(())
}

#[tokio::test]
async fn a_context_decides_beside_what_else_it_does() -> Result<(), CommandError<Refused>> {
    let store = store().await;
    build(&store, 1, 2).await;
    let states = store
        .with_context(async |ctx| {
            ctx.emit(BedTaken { room: 1, guest: "Ada".to_owned() })?;
            ctx.create::<Hotel>().await?;
            // It sees what the context has staged.
            let refused = ctx.decide_on(Room::of(1), &take(1, &["Bob", "Cleo"])).await;
            assert!(matches!(refused, Err(CommandError::Rejected(Refused::Full))), "{refused:?}");
            ctx.decide_on((Room::of(1), Guest::of("Bob")), &take(1, &["Bob"])).await
        })
        .await?;
    assert_eq!(states, (Room { beds: 2, taken: 2 }, Guest { rooms: vec![1] }));
    let log = store.read_log(Position::START, 10).await?.events;
    let facts: Vec<_> =
        log[1..].iter().map(|event| (event.aggregate_id(), event.sequence().get())).collect();
    assert_eq!(facts, [(facts[0].0, 1), (facts[0].0, 2)]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_decisions_takes_each_bed_once() -> Result<(), CommandError<Refused>> {
    let store = store().await;
    build(&store, 1, 7).await;
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.execute_on(Room::of(1), take(1, &["Ada"])).await })
        })
        .collect();
    let mut landed = 0;
    for client in clients {
        match client.await.expect("it does not panic") {
            Ok(_) => landed += 1,
            Err(CommandError::Rejected(Refused::Full)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(landed, 7);
    Ok(())
}

#[test]
fn rules_are_tested_without_a_store() {
    let mut states = (Room { beds: 1, taken: 0 }, Guest::default());
    let mut decision = Decision::on(&mut states);
    assert_eq!(<(Room, Guest)>::decide(&mut decision, &take(1, &["Ada"])), Ok(()));
    assert_eq!(decision.emitted().len(), 1);
    let refused = <(Room, Guest)>::decide(&mut decision, &take(1, &["Ada"]));
    assert_eq!(refused, Err(Refused::Full));
    assert_eq!(states, (Room { beds: 1, taken: 1 }, Guest { rooms: vec![1] }));
}

#[tokio::test]
async fn a_key_that_cannot_be_is_an_error_when_it_is_awaited() {
    let store = store().await;
    let refused = store.execute_on((Room::of(1), Guest::of("")), take(1, &["Ada"])).await;
    assert!(matches!(refused, Err(CommandError::Store(Error::InvalidTag { .. }))), "{refused:?}");
}
