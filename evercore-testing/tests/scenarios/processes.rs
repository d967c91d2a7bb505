//! Scenarios of processes.

use std::time::Duration;

use evercore::{Aggregate, Apply, Decide, Decision, EventMeta, command, event, task};
use evercore_process::{Process, Reactions};
use evercore_testing::ProcessScenario;
use expect_test::expect;

use crate::failures::assert_says;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Aggregate, Default)]
struct Hold {}

#[event(aggregate = Hold)]
struct HoldPlaced {
    reader: String,
}

#[event(aggregate = Hold)]
struct HoldReady {
    reader: String,
}

impl Apply<HoldPlaced> for Hold {
    fn apply(&mut self, _: &HoldPlaced, _: &EventMeta) {}
}

impl Apply<HoldReady> for Hold {
    fn apply(&mut self, _: &HoldReady, _: &EventMeta) {}
}

#[command(aggregate = Hold, target = reader)]
struct Release {
    reader: String,
}

#[command(aggregate = Hold, target = reader)]
struct Apologise {
    reader: String,
    why: String,
}

impl Decide<Release> for Hold {
    type Error = String;

    fn decide(_: &mut Decision<'_, Self>, _: &Release) -> Result<(), String> {
        Ok(())
    }
}

impl Decide<Apologise> for Hold {
    type Error = String;

    fn decide(_: &mut Decision<'_, Self>, _: &Apologise) -> Result<(), String> {
        Ok(())
    }
}

#[derive(Aggregate, Default)]
struct Waiting {
    reminders: u32,
}

#[event(aggregate = Waiting)]
struct Reminded {}

impl Apply<Reminded> for Waiting {
    fn apply(&mut self, _: &Reminded, _: &EventMeta) {
        self.reminders += 1;
    }
}

#[task(queue = "waiting")]
struct Remind {
    reader: String,
}

#[task(queue = "waiting")]
struct GiveUp {
    reader: String,
}

#[task(queue = "mail")]
struct SendMail {
    to: String,
}

impl Process for Waiting {
    fn register(on: &mut Reactions<Self>) {
        on.event(|e: &HoldPlaced| e.reader.clone(), |_, _| {});
        on.event(
            |e: &HoldReady| e.reader.clone(),
            |step, e| {
                step.deadline("give up", 7 * DAY, GiveUp { reader: e.reader.clone() });
                step.deadline("remind", 2 * DAY, Remind { reader: e.reader.clone() });
            },
        );
        on.deadline(|step, e: &Remind| {
            step.emit(Reminded {});
            step.enqueue(SendMail { to: e.reader.clone() });
            if step.reminders < 3 {
                step.deadline("remind", 2 * DAY, Remind { reader: e.reader.clone() });
            }
        });
        on.deadline(|step, e: &GiveUp| {
            step.send(Release { reader: e.reader.clone() });
            step.cancel("remind").cancel("never set");
            step.end();
        });
        on.rejection(
            |c: &Release| c.reader.clone(),
            |step, c, why| {
                step.send(Apologise { reader: c.reader.clone(), why: why.to_owned() });
            },
        );
    }
}

fn ready(reader: &str) -> HoldReady {
    HoldReady { reader: reader.to_owned() }
}

fn mail(to: &str) -> SendMail {
    SendMail { to: to.to_owned() }
}

#[test]
fn deadlines_lapse_in_their_order_and_set_others() {
    ProcessScenario::<Waiting>::given([ready("Ada")])
        .then_deadlines([("remind", 2 * DAY), ("give up", 7 * DAY)])
        .when_time_passes(DAY)
        .then_nothing()
        .then_deadlines([("remind", DAY), ("give up", 6 * DAY)])
        .when_time_passes(3 * DAY)
        .then_emitted([Reminded {}, Reminded {}])
        .then_enqueued([mail("Ada"), mail("Ada")])
        .then_sent(())
        .when_time_passes(10 * DAY)
        .then_emitted([Reminded {}])
        .then_sent([Release { reader: "Ada".to_owned() }])
        .then_state("Ada", |waiting| assert_eq!(waiting.reminders, 3))
        .then_deadlines([])
        .then_ended();
}

#[test]
fn a_deadline_that_is_set_again_replaces_the_former() {
    ProcessScenario::<Waiting>::given([ready("Ada")])
        .when_time_passes(DAY)
        .then_nothing()
        .when(ready("Ada"))
        .then_deadlines([("remind", 2 * DAY), ("give up", 7 * DAY)]);
}

#[test]
fn an_ended_process_answers_with_nothing() {
    ProcessScenario::<Waiting>::given([ready("Ada")])
        .when_time_passes(8 * DAY)
        .then_ended()
        .when(ready("Ada"))
        .then_nothing()
        .then_deadlines([])
        .when_rejected(Release { reader: "Ada".to_owned() }, "too late")
        .then_nothing();
}

#[test]
fn a_rejection_is_compensated_by_the_process_that_has_begun() {
    let release = |reader: &str| Release { reader: reader.to_owned() };
    ProcessScenario::<Waiting>::given([ready("Ada")])
        .when_rejected(release("Ada"), "it is lost")
        .then_sent([Apologise { reader: "Ada".to_owned(), why: "it is lost".to_owned() }])
        .when_rejected(release("Bob"), "it is lost")
        .then_nothing();
}

#[test]
fn processes_of_several_keys_are_apart() {
    ProcessScenario::<Waiting>::given([ready("Ada")])
        .when_time_passes(DAY)
        .then_nothing()
        .when(ready("Bob"))
        .when_time_passes(DAY)
        .then_enqueued([mail("Ada")])
        .then_state("Bob", |waiting| assert_eq!(waiting.reminders, 0));
}

#[test]
fn an_event_for_which_nothing_is_done_begins_no_process() {
    let scenario = ProcessScenario::<Waiting>::given([HoldPlaced { reader: "Ada".to_owned() }]);
    assert_says(
        || drop(scenario.then_ended()),
        &expect![[r#"
            HoldPlaced: expected the process to have ended, but none has begun
        "#]],
    );
}

#[test]
fn commands_that_differ_are_named() {
    let scenario = ProcessScenario::<Waiting>::given([ready("Ada")]);
    let passed = scenario.when_time_passes(7 * DAY);
    assert_says(
        || drop(passed.then_sent([Release { reader: "Bob".to_owned() }])),
        &expect![[r#"
            after 604800s: the commands are not the expected ones

              Release: reader: expected "Bob", got "Ada"
        "#]],
    );
}

#[test]
fn deadlines_that_differ_are_named() {
    let scenario = ProcessScenario::<Waiting>::given([ready("Ada")]);
    assert_says(
        || drop(scenario.then_deadlines([("remind", DAY)])),
        &expect![[r#"
            HoldReady: the deadlines are not the expected ones

              expected [("remind", 86400s)]
              got [("remind", 172800s), ("give up", 604800s)]
        "#]],
    );
}

#[test]
fn a_process_that_goes_on_is_named() {
    let scenario = ProcessScenario::<Waiting>::given([ready("Ada")]);
    assert_says(
        || drop(scenario.then_ended()),
        &expect![[r#"
            HoldReady: expected the process to have ended, but it goes on: ["Ada"]
        "#]],
    );
}
