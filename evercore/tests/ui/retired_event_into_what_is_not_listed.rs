use evercore::evolution::{Parts, Split};
use evercore::{Aggregate, BoxError, retired_event, state_event};

#[derive(Aggregate, Default)]
struct Customer {
    name: String,
    city: String,
    closed: bool,
}

#[state_event(aggregate = Customer)]
struct Closed {
    closed: bool,
}

#[state_event(aggregate = Customer)]
struct Renamed {
    name: String,
}

#[state_event(aggregate = Customer)]
struct Moved {
    city: String,
}

#[retired_event(aggregate = Customer, into = [Renamed, Moved])]
struct Changed {
    name: String,
    city: String,
}

impl Split for Changed {
    fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError> {
        parts.push(Renamed { name: self.name });
        parts.push(Moved { city: self.city });
        parts.push(Closed { closed: true });
        Ok(())
    }
}

fn main() {}
