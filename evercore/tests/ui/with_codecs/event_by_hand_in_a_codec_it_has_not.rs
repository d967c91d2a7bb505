use evercore::format::Encoding;
use evercore::{Aggregate, Apply, Codec, Event, EventMeta};

#[derive(Aggregate, Default)]
struct Account;

#[derive(serde::Serialize, serde::Deserialize)]
struct Closed;

impl Event for Closed {
    type Aggregate = Account;
    const NAME: &'static str = "closed";
    const ENCODING: Encoding<Self> = Encoding::serde().codec(Codec::Protobuf);
}

impl Apply<Closed> for Account {
    fn apply(&mut self, _: &Closed, _: &EventMeta) {}
}

evercore::register_event!(Closed);

fn main() {}
