//! Draws random commands that refer to existing aggregates and events.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::strategy::{BoxedStrategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::commands::{Command, Expected, Kind, Step, Stream, Taste, Way, Work, Writer};
use super::reference::Reference;

/// The maximum number of commands in a sequence.
const MOST_COMMANDS: usize = 40;

/// The number of keys: few, so that they collide.
pub(super) const KEYS: u8 = 4;

/// The number of idempotency keys.
const IDEMPOTENCY_KEYS: u8 = 6;

/// The maximum number of steps in a unit of work.
const MOST_STEPS: usize = 3;

/// The upper bound of events in one step: more than the number of events between two snapshots.
const MOST_EVENTS: u64 = 7;

/// Draws a sequence of commands that are valid one after another.
pub(super) fn sequence(random: &mut TestRunner) -> Vec<Command> {
    let length = draw(&(1..=MOST_COMMANDS), random);
    let mut reference = Reference::default();
    let draw_next = |_| {
        let (aggregates, events) =
            (reference.model.aggregates().len(), reference.model.log().len());
        let next = draw(&command(aggregates, events), random);
        reference.answer(&next);
        next
    };
    (0..length).map(draw_next).collect()
}

fn draw<S: Strategy>(strategy: &S, random: &mut TestRunner) -> S::Value {
    strategy.new_tree(random).expect("BUG: nothing is ever rejected").current()
}

/// Draws a command for a store with this many aggregates and events.
fn command(aggregates: usize, events: usize) -> BoxedStrategy<Command> {
    let sometimes = prop_oneof![
        4 => any_run().prop_map(Command::Run),
        1 => Just(Command::Pause),
        1 => Just(Command::Resume),
        1 => (0..=events).prop_map(|after| Command::Reset { after }),
        2 => Just(Command::Redrive),
        1 => (0..20_usize).prop_map(|nth| Command::RedriveEvent { nth }),
        1 => (0..20_usize).prop_map(|nth| Command::Discard { nth }),
        2 => Just(Command::Restart),
    ];
    let writing = (writer(), work(aggregates)).prop_map(|(by, work)| Command::Work { by, work });
    let overtaken = (work(aggregates), 1..=MOST_STEPS, writer(), work(aggregates))
        .prop_map(|(work, reads, by, other)| Command::Overtaken { work, reads, by, other });
    if aggregates == 0 {
        return prop_oneof![6 => writing, 1 => sometimes].boxed();
    }
    prop_oneof![
        8 => writing,
        6 => overtaken,
        3 => append(aggregates),
        3 => (0..aggregates, 0..30_usize)
            .prop_map(|(aggregate, sequence)| Command::LoadAsOf { aggregate, sequence }),
        6 => sometimes,
    ]
    .boxed()
}

fn work(aggregates: usize) -> impl Strategy<Value = Work> + use<> {
    let idempotency_key = option::weighted(0.2, 0..IDEMPOTENCY_KEYS);
    (vec(step(aggregates), 1..=MOST_STEPS), idempotency_key)
        .prop_map(|(steps, idempotency_key)| Work { steps, idempotency_key })
}

fn step(aggregates: usize) -> BoxedStrategy<Step> {
    let create = (kind(), option::of(0..KEYS), 0..MOST_EVENTS)
        .prop_map(|(kind, key, events)| Step::Create { kind, key, events });
    if aggregates == 0 {
        return create.boxed();
    }
    // The first aggregates are drawn most often, so that they get many events.
    let aggregate = move || prop_oneof![2 => 0..aggregates.min(3), 1 => 0..aggregates];
    prop_oneof![
        2 => create,
        6 => (aggregate(), way(), 1..MOST_EVENTS)
            .prop_map(|(aggregate, by, events)| Step::Write { aggregate, by, events }),
        3 => (aggregate(), option::weighted(0.8, 0..KEYS))
            .prop_map(|(aggregate, key)| Step::ChangeKey { aggregate, key }),
        3 => aggregate().prop_map(|aggregate| Step::Guard { aggregate }),
    ]
    .boxed()
}

fn append(aggregates: usize) -> impl Strategy<Value = Command> {
    let stream =
        prop_oneof![(0..aggregates).prop_map(Stream::Id), (0..KEYS).prop_map(Stream::Key),];
    let expected = prop_oneof![
        2 => Just(Expected::Any),
        1 => Just(Expected::NoStream),
        2 => (0..6_usize).prop_map(Expected::Exactly),
    ];
    (kind(), stream, expected, 1..3_u64).prop_map(|(kind, stream, expected, events)| {
        Command::Append { kind, stream, expected, events }
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![3 => Just(Kind::Tally), 2 => Just(Kind::Counter)]
}

fn writer() -> impl Strategy<Value = Writer> {
    prop_oneof![
        3 => Just(Writer::First),
        1 => Just(Writer::Second),
        1 => Just(Writer::WithoutSnapshots),
    ]
}

fn way() -> impl Strategy<Value = Way> {
    any::<bool>().prop_map(|by_key| if by_key { Way::Key } else { Way::Id })
}

fn any_run() -> impl Strategy<Value = Taste> {
    prop_oneof![Just(Taste::Anything), Just(Taste::Fussy)]
}
