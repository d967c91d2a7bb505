use evercore::{Aggregate, Apply, Boundary, Decide, Decision, EventMeta, EventStore, event};

#[derive(Aggregate, Default)]
struct Account;

#[event(aggregate = Account)]
struct Opened;

impl Apply<Opened> for Account {
    fn apply(&mut self, _: &Opened, _: &EventMeta) {}
}

#[event(tags(course))]
struct Planned {
    course: String,
}

#[derive(Boundary, Default)]
#[boundary(key(course: String), events(Planned))]
struct Seats;

impl Apply<Planned> for Seats {
    fn apply(&mut self, _: &Planned, _: &EventMeta) {}
}

struct Plan;

impl Decide<Plan> for Seats {
    type Error = String;

    fn decide(seats: &mut Decision<'_, Self>, _: &Plan) -> Result<(), String> {
        seats.emit(Opened);
        Ok(())
    }
}

fn of_two(store: &EventStore) {
    let _ = store.execute_on((Seats::of("algebra"), Seats::of("biology")), Plan);
}

fn of_an_aggregate(store: &EventStore) {
    let _ = store.execute_on(1, Plan);
}

fn main() {}
