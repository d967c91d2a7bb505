//! Aggregates and events of all shapes.

use evercore::{Aggregate, Apply, EventMeta, event};

use crate::store::state_after;

#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
struct Tally(u32, u32);

#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
enum Door {
    #[default]
    Shut,
    Open {
        width: u8,
    },
}

#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
struct Bell;

#[event(aggregate = Tally)]
struct Counted(u32, u32);

#[event(aggregate = Door)]
enum Moved {
    Pushed(u8),
    Pulled { width: u8 },
    Slammed,
}

#[event(aggregate = Bell)]
struct Rung;

impl Apply<Counted> for Tally {
    fn apply(&mut self, &Counted(left, right): &Counted, _: &EventMeta) {
        self.0 += left;
        self.1 += right;
    }
}

impl Apply<Moved> for Door {
    fn apply(&mut self, event: &Moved, _: &EventMeta) {
        *self = match *event {
            Moved::Pushed(width) | Moved::Pulled { width } => Self::Open { width },
            Moved::Slammed => Self::Shut,
        };
    }
}

impl Apply<Rung> for Bell {
    fn apply(&mut self, _: &Rung, _: &EventMeta) {}
}

#[tokio::test]
async fn a_tuple_event_changes_a_tuple_aggregate() {
    let tally = state_after::<Tally>(|ctx, tally| {
        ctx.apply(tally, Counted(1, 2))?;
        ctx.apply(tally, Counted(10, 20))
    });
    assert_eq!(tally.await, Tally(11, 22));
}

#[tokio::test]
async fn an_enum_event_changes_an_enum_aggregate() {
    let pushed = state_after::<Door>(|ctx, door| ctx.apply(door, Moved::Pushed(3)));
    assert_eq!(pushed.await, Door::Open { width: 3 });
    let slammed = state_after::<Door>(|ctx, door| {
        ctx.apply(door, Moved::Pulled { width: 4 })?;
        ctx.apply(door, Moved::Slammed)
    });
    assert_eq!(slammed.await, Door::Shut);
}

#[tokio::test]
async fn a_unit_event_applies_to_a_unit_aggregate() {
    assert_eq!(state_after::<Bell>(|ctx, bell| ctx.apply(bell, Rung)).await, Bell);
}
