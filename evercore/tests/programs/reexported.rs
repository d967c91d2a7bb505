//! A facade can re-export the macros: `crate = …` tells them where to find everything else.
#![expect(unreachable_pub, reason = "the module stands for a crate")]

mod facade {
    pub mod inner {
        pub use evercore::*;
    }
}

use facade::inner::command::Command as _;
use facade::inner::{
    Aggregate, Apply, Boundary, Decide, Decision, EventMeta, Registry, Target, command, event,
    state_event,
};

#[derive(Aggregate, Default, serde::Serialize, serde::Deserialize)]
#[aggregate(snapshot_every = 5, crate = "crate::facade::inner")]
struct Account {
    limit: Option<i64>,
}

#[state_event(aggregate = Account, crate = "crate::facade::inner")]
struct LimitSet {
    limit: Option<Option<i64>>,
}

#[event(tags(course), crate = "crate::facade::inner")]
struct Planned {
    course: String,
}

#[derive(Boundary, Default)]
#[boundary(key(course: String), events(Planned), crate = "crate::facade::inner")]
struct Plan(u8);

impl Apply<Planned> for Plan {
    fn apply(&mut self, event: &Planned, _: &EventMeta) {
        self.0 += u8::from(!event.course.is_empty());
    }
}

#[command(aggregate = Account, target = new(), crate = "crate::facade::inner")]
struct SetLimit {
    limit: i64,
}

impl Decide<SetLimit> for Account {
    type Error = String;

    fn decide(account: &mut Decision<'_, Self>, command: &SetLimit) -> Result<(), String> {
        account.emit(LimitSet { limit: Some(Some(command.limit)) });
        Ok(())
    }
}

#[test]
fn a_facade_can_reexport_the_macros() {
    let registry = Registry::linked().expect("the names differ");
    assert!(registry.knows_event::<LimitSet>() && registry.knows_event::<Planned>());
    let _ = Plan::of("algebra");
    assert!(registry.knows_event::<SetLimit>());
    assert_eq!(SetLimit { limit: 7 }.target().expect("it has one"), Target::New);
}
