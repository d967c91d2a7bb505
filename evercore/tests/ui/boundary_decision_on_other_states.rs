use evercore::{Apply, Boundary, Decide, Decision, EventMeta, event};

#[event(tags(course, voucher))]
struct Reserved {
    course: String,
    voucher: Vec<String>,
}

#[derive(Boundary, Default)]
#[boundary(key(course: String), events(Reserved))]
struct Seat;

impl Apply<Reserved> for Seat {
    fn apply(&mut self, _: &Reserved, _: &EventMeta) {}
}

#[derive(Boundary, Default)]
#[boundary(key(voucher: String), events(Reserved))]
struct Voucher;

impl Apply<Reserved> for Voucher {
    fn apply(&mut self, _: &Reserved, _: &EventMeta) {}
}

struct Reserve;

impl Decide<Reserve> for (Seat, Vec<Voucher>) {
    type Error = String;

    fn decide(states: &mut Decision<'_, Self>, _: &Reserve) -> Result<(), String> {
        states.emit(Reserved { course: String::new(), voucher: Vec::new() });
        Ok(())
    }
}

fn main() {}
