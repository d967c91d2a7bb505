use evercore::Aggregate;

#[derive(Clone, Debug, Default)]
struct Seat {
    row: u32,
}

#[derive(Aggregate, Default)]
#[aggregate(unique(seat, seats, next))]
struct Guest {
    seat: Seat,
    seats: Vec<Seat>,
    next: Option<Seat>,
}

fn main() {}
