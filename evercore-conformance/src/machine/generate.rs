//! Draws random commands that refer to existing aggregates and events.

use std::iter;

use evercore::task::{IfKeyExists, Priority};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::strategy::{BoxedStrategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::boundaries::{Ask, Labels, Question};
use super::commands::{Act, Command, Expected, Kind, Step, Stream, Taste, Way, Work, Writer};
use super::errands::{Errand, When};
use super::reference::Reference;

/// The maximum number of commands in a sequence.
const MOST_COMMANDS: usize = 40;

/// The number of keys: few, so that they collide.
pub(super) const KEYS: u8 = 4;

/// The number of keys of tasks.
const TASK_KEYS: u8 = 3;

/// The number of idempotency keys.
const IDEMPOTENCY_KEYS: u8 = 6;

/// The numbers of values of the tags: few, so that boundaries meet.
pub(super) const ROOMS: u8 = 3;
pub(super) const LABELS: u8 = 3;
pub(super) const OWNERS: u8 = 2;

/// The maximum number of boundaries that a unit of work reads first.
const MOST_ASKS: usize = 2;

/// The maximum number of steps in a unit of work.
const MOST_STEPS: usize = 3;

/// The upper bound of events in one step: more than the number of events between two snapshots.
const MOST_EVENTS: u64 = 7;

/// The aggregates, events and leases that the commands may refer to.
#[derive(Clone, Debug)]
struct Stage {
    /// The aggregates that can be loaded.
    aggregates: Vec<usize>,
    /// The counters that have events.
    counters: Vec<usize>,
    events: usize,
    /// The number of leases that were given.
    leases: usize,
    has: Has,
}

/// The capabilities of the engine that decide which commands are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Has {
    pub(super) tags: bool,
    pub(super) tasks: bool,
}

/// Draws a sequence of commands that are valid one after another.
pub(super) fn sequence(random: &mut TestRunner, has: Has) -> Vec<Command> {
    let length = draw(&(1..=MOST_COMMANDS), random);
    let mut reference = Reference::default();
    let mut sequence = Vec::new();
    while sequence.len() < length {
        let (aggregates, counters) = (reference.loadable(), reference.counters());
        let (events, leases) = (reference.model.log().len(), reference.queue.leases());
        let next = draw(&commands(&Stage { aggregates, counters, events, leases, has }), random);
        for command in &next {
            reference.answer(command);
        }
        sequence.extend(next);
    }
    sequence.truncate(length);
    sequence
}

fn draw<S: Strategy>(strategy: &S, random: &mut TestRunner) -> S::Value {
    strategy.new_tree(random).expect("BUG: nothing is ever rejected").current()
}

/// Draws a command, or a few that belong together.
fn commands(stage: &Stage) -> BoxedStrategy<Vec<Command>> {
    let one = command(stage).prop_map(|command| vec![command]);
    if !stage.has.tasks {
        return one.boxed();
    }
    prop_oneof![24 => one, 1 => late_completion(stage)].boxed()
}

/// Draws a task whose first worker loses its lease and completes the task after another worker has claimed it. Single
/// commands seldom meet like that, since each is about any of the leases.
fn late_completion(stage: &Stage) -> BoxedStrategy<Vec<Command>> {
    let nth = stage.leases;
    let loses = prop_oneof![
        Just(Act::Renew { nth, when: When::Now }),
        Just(Act::GiveBack { nth }),
        Just(Act::Fail { nth, again: Some(When::Now) }),
    ];
    // Claims what is due before the task as well.
    let claims = || (1..4_usize).prop_map(|most| Act::Claim { most });
    (errand(), loses, vec(claims(), 1..4), some_counter(stage))
        .prop_map(move |(errand, loses, claims, counter)| {
            let errand = Errand { when: When::Now, ..errand };
            let work = Work {
                asks: Vec::new(),
                steps: vec![Step::Enqueue(errand)],
                idempotency_key: None,
            };
            let mut acts = vec![Act::Resume, Act::Claim { most: 1 }, loses];
            acts.extend(claims);
            acts.push(Act::Complete { nth, counter });
            let enqueues = Command::Work { by: Writer::First, work };
            iter::once(enqueues).chain(acts.into_iter().map(Command::Queue)).collect()
        })
        .boxed()
}

/// Draws a command for a store with these aggregates and events.
fn command(stage: &Stage) -> BoxedStrategy<Command> {
    let plain = plain_command(stage);
    if !stage.has.tasks {
        return plain;
    }
    prop_oneof![3 => plain, 1 => act(stage).prop_map(Command::Queue)].boxed()
}

/// Draws a command that is about no task, except for those of its work.
fn plain_command(stage: &Stage) -> BoxedStrategy<Command> {
    let events = stage.events;
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
    let writing = (writer(), work(stage)).prop_map(|(by, work)| Command::Work { by, work });
    let overtaken = (work(stage), 1..=MOST_STEPS, writer(), work(stage))
        .prop_map(|(work, reads, by, other)| Command::Overtaken { work, reads, by, other });
    if stage.aggregates.is_empty() {
        return prop_oneof![6 => writing, 1 => sometimes].boxed();
    }
    let aggregate = select(stage.aggregates.clone());
    let on_aggregates = prop_oneof![
        1 => append(stage.aggregates.clone()),
        1 => (aggregate, 0..30_usize)
            .prop_map(|(aggregate, sequence)| Command::LoadAsOf { aggregate, sequence }),
    ];
    let plain = prop_oneof![8 => writing, 6 => overtaken, 6 => on_aggregates, 6 => sometimes];
    if !stage.has.tags {
        return plain.boxed();
    }
    prop_oneof![
        13 => plain,
        1 => (question(), 0..=events)
            .prop_map(|(question, after)| Command::ReadAsOf { question, after }),
        1 => (labels(), 0..=events).prop_map(|(labels, after)| Command::ReadTagged { labels, after }),
    ]
    .boxed()
}

fn work(stage: &Stage) -> impl Strategy<Value = Work> + use<> {
    let idempotency_key = option::weighted(0.2, 0..IDEMPOTENCY_KEYS);
    let most_asks = if stage.has.tags { MOST_ASKS } else { 0 };
    (vec(ask(), 0..=most_asks), vec(step(stage), 1..=MOST_STEPS), idempotency_key)
        .prop_map(|(asks, steps, idempotency_key)| Work { asks, steps, idempotency_key })
}

/// Draws what a worker or an operator does.
fn act(stage: &Stage) -> BoxedStrategy<Act> {
    let nth = || 0..20_usize;
    let counter = some_counter(stage);
    let serve = work(stage).prop_map(|work| Act::Serve(Work { idempotency_key: None, ..work }));
    let when = || prop_oneof![2 => Just(When::Now), 1 => Just(When::Later)];
    let ends = prop_oneof![3 => Just(When::Now), 1 => Just(When::Leased)];
    prop_oneof![
        6 => (1..4_usize).prop_map(|most| Act::Claim { most }),
        4 => (nth(), ends).prop_map(|(nth, when)| Act::Renew { nth, when }),
        2 => nth().prop_map(|nth| Act::GiveBack { nth }),
        4 => (nth(), option::weighted(0.6, when())).prop_map(|(nth, again)| Act::Fail { nth, again }),
        5 => (nth(), counter).prop_map(|(nth, counter)| Act::Complete { nth, counter }),
        4 => serve,
        2 => nth().prop_map(|nth| Act::Retry { nth }),
        1 => nth().prop_map(|nth| Act::Discard { nth }),
        1 => Just(Act::RetryAll),
        1 => Just(Act::DiscardAll),
        1 => Just(Act::Pause),
        2 => Just(Act::Resume),
    ]
    .boxed()
}

/// Draws a counter that a completion adds to, or none.
fn some_counter(stage: &Stage) -> BoxedStrategy<Option<usize>> {
    match &*stage.counters {
        [] => Just(None).boxed(),
        counters => option::weighted(0.8, select(counters.to_vec())).boxed(),
    }
}

fn errand() -> impl Strategy<Value = Errand> {
    let policy =
        prop_oneof![Just(IfKeyExists::Fail), Just(IfKeyExists::Keep), Just(IfKeyExists::Replace)];
    let when = prop_oneof![4 => Just(When::Now), 1 => Just(When::Later)];
    (option::weighted(0.7, 0..TASK_KEYS), policy, when, select(Priority::ALL.to_vec())).prop_map(
        |(key, if_key_exists, when, priority)| Errand { key, if_key_exists, when, priority },
    )
}

fn step(stage: &Stage) -> BoxedStrategy<Step> {
    let plain = plain_step(stage);
    if !stage.has.tasks {
        return plain;
    }
    prop_oneof![
        10 => plain,
        4 => errand().prop_map(Step::Enqueue),
        1 => (0..TASK_KEYS).prop_map(|key| Step::Cancel { key }),
    ]
    .boxed()
}

fn plain_step(stage: &Stage) -> BoxedStrategy<Step> {
    let create = (kind(), option::of(0..KEYS), 0..MOST_EVENTS)
        .prop_map(|(kind, key, events)| Step::Create { kind, key, events });
    let plain = if stage.aggregates.is_empty() {
        create.boxed()
    } else {
        prop_oneof![2 => create, 12 => step_on(&stage.aggregates)].boxed()
    };
    if !stage.has.tags {
        return plain;
    }
    let tagged = prop_oneof![
        3 => labels().prop_map(|labels| Step::Post { labels }),
        1 => ask().prop_map(Step::Ask),
    ];
    if stage.aggregates.is_empty() {
        return prop_oneof![2 => plain, 1 => tagged].boxed();
    }
    let pin = (select(stage.aggregates.clone()), labels())
        .prop_map(|(aggregate, labels)| Step::Pin { aggregate, labels });
    prop_oneof![6 => plain, 2 => tagged, 1 => pin].boxed()
}

/// Draws a step on an existing aggregate.
fn step_on(aggregates: &[usize]) -> impl Strategy<Value = Step> + use<> {
    // The first aggregates are drawn most often, so that they get many events.
    let first = aggregates[..aggregates.len().min(3)].to_vec();
    let all = aggregates.to_vec();
    let aggregate =
        move || prop_oneof![2 => select(first.clone()), 1 => select(all.clone())].boxed();
    prop_oneof![
        6 => (aggregate(), way(), 1..MOST_EVENTS)
            .prop_map(|(aggregate, by, events)| Step::Write { aggregate, by, events }),
        3 => (aggregate(), option::weighted(0.8, 0..KEYS))
            .prop_map(|(aggregate, key)| Step::ChangeKey { aggregate, key }),
        3 => aggregate().prop_map(|aggregate| Step::Guard { aggregate }),
    ]
}

fn labels() -> impl Strategy<Value = Labels> {
    (0..ROOMS, option::of(0..OWNERS), vec(0..LABELS, 0..=3))
        .prop_map(|(room, owner, labels)| Labels { room, owner, labels })
}

fn question() -> impl Strategy<Value = Question> {
    select(Question::all(ROOMS, LABELS, OWNERS))
}

fn ask() -> impl Strategy<Value = Ask> {
    let guarded = prop_oneof![4 => Just(true), 1 => Just(false)];
    (question(), guarded).prop_map(|(question, guarded)| Ask { question, guarded })
}

fn append(aggregates: Vec<usize>) -> impl Strategy<Value = Command> {
    let stream =
        prop_oneof![select(aggregates).prop_map(Stream::Id), (0..KEYS).prop_map(Stream::Key)];
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
