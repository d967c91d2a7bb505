use evercore::Boundary;

struct Planned;

#[derive(Boundary, Default)]
#[boundary(key(course: String), events(Planned))]
struct Seats;

fn main() {}
