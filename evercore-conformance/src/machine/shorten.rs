//! Shortens a sequence of commands that reveals a difference.
//!
//! Commands identify aggregates by the order of their creation, so leaving one out changes the meaning of later
//! commands. The search is therefore simple: it leaves parts out for as long as the sequence still reveals a
//! difference.

use super::boundaries::Labels;
use super::commands::{Act, Command, Step, Way, Work};
use super::errands::Errand;
use super::reference::Reference;

/// A sequence that reveals a difference, and the budget for shortening it.
#[derive(Debug)]
pub(super) struct Shortening {
    commands: Vec<Command>,
    difference: String,
    /// The number of tries that are left.
    tries: u32,
}

impl Shortening {
    pub(super) const fn of(commands: Vec<Command>, difference: String, tries: u32) -> Self {
        Self { commands, difference, tries }
    }

    /// Returns the shortest sequence that was found and its difference. `differs` returns the difference that a
    /// sequence reveals, if any.
    pub(super) fn run(
        mut self,
        differs: impl Fn(&[Command]) -> Option<String>,
    ) -> (Vec<Command>, String) {
        while self.tries > 0 && (self.leaves_out(&differs) || self.simplifies(&differs)) {}
        (self.commands, self.difference)
    }

    /// Leaves out as many consecutive commands as possible.
    fn leaves_out(&mut self, differs: impl Fn(&[Command]) -> Option<String>) -> bool {
        let mut length = self.commands.len() / 2;
        while length > 0 {
            for start in (0..=self.commands.len() - length).rev() {
                let mut shorter = self.commands.clone();
                shorter.drain(start..start + length);
                if self.accepts(shorter, &differs) {
                    return true;
                }
            }
            length /= 2;
        }
        false
    }

    /// Replaces one command with a smaller one.
    fn simplifies(&mut self, differs: impl Fn(&[Command]) -> Option<String>) -> bool {
        for place in (0..self.commands.len()).rev() {
            for smaller in smaller(&self.commands[place]) {
                let mut simpler = self.commands.clone();
                simpler[place] = smaller;
                if self.accepts(simpler, &differs) {
                    return true;
                }
            }
        }
        false
    }

    fn accepts(
        &mut self,
        commands: Vec<Command>,
        differs: impl Fn(&[Command]) -> Option<String>,
    ) -> bool {
        if self.tries == 0 || commands.is_empty() || !makes_sense(&commands) {
            return false;
        }
        self.tries -= 1;
        let difference = differs(&commands);
        difference.is_some_and(|difference| {
            (self.commands, self.difference) = (commands, difference);
            true
        })
    }
}

fn makes_sense(commands: &[Command]) -> bool {
    let mut reference = Reference::default();
    commands.iter().all(|command| {
        let is_allowed = reference.allows(command);
        if is_allowed {
            reference.answer(command);
        }
        is_allowed
    })
}

/// Returns variants of a command with a part left out.
fn smaller(command: &Command) -> Vec<Command> {
    match command {
        Command::Work { by, work } => {
            let works = smaller_works(work).into_iter();
            works.map(|work| Command::Work { by: *by, work }).collect()
        }
        Command::Overtaken { work, reads, by, other } => {
            let mut all = vec![
                Command::Work { by: *by, work: other.clone() },
                Command::Work { by: *by, work: work.clone() },
            ];
            let works = smaller_works(work).into_iter();
            all.extend(works.map(|work| Command::Overtaken {
                work,
                reads: *reads,
                by: *by,
                other: other.clone(),
            }));
            let others = smaller_works(other).into_iter();
            all.extend(others.map(|other| Command::Overtaken {
                work: work.clone(),
                reads: *reads,
                by: *by,
                other,
            }));
            all
        }
        Command::Append { kind, stream, expected, events } if *events > 1 => {
            vec![Command::Append { kind: *kind, stream: *stream, expected: *expected, events: 1 }]
        }
        Command::Queue(Act::Serve(work)) => {
            let works = smaller_works(work).into_iter();
            works.map(|work| Command::Queue(Act::Serve(work))).collect()
        }
        Command::Queue(Act::Claim { most: 2.. }) => vec![Command::Queue(Act::Claim { most: 1 })],
        Command::Queue(Act::Complete { nth, counter: Some(_) }) => {
            vec![Command::Queue(Act::Complete { nth: *nth, counter: None })]
        }
        _ => Vec::new(),
    }
}

fn smaller_works(work: &Work) -> Vec<Work> {
    let mut all = Vec::new();
    if work.idempotency_key.is_some() {
        all.push(Work { idempotency_key: None, ..work.clone() });
    }
    for place in 0..work.asks.len() {
        let mut fewer = work.clone();
        fewer.asks.remove(place);
        all.push(fewer);
    }
    for place in 0..work.steps.len() {
        if work.steps.len() > 1 {
            let mut fewer = work.clone();
            fewer.steps.remove(place);
            all.push(fewer);
        }
        if let Some(step) = smaller_step(&work.steps[place]) {
            let mut simpler = work.clone();
            simpler.steps[place] = step;
            all.push(simpler);
        }
    }
    all
}

fn smaller_step(step: &Step) -> Option<Step> {
    match step {
        Step::Create { kind, key, events: 1.. } => {
            Some(Step::Create { kind: *kind, key: *key, events: 0 })
        }
        Step::Create { kind, key: Some(_), events } => {
            Some(Step::Create { kind: *kind, key: None, events: *events })
        }
        Step::Write { aggregate, by, events: 2.. } => {
            Some(Step::Write { aggregate: *aggregate, by: *by, events: 1 })
        }
        Step::Pin { aggregate, .. } => {
            Some(Step::Write { aggregate: *aggregate, by: Way::Id, events: 1 })
        }
        Step::Post { labels } if labels.owner.is_some() || !labels.labels.is_empty() => {
            let labels = Labels { room: labels.room, ..Labels::default() };
            Some(Step::Post { labels })
        }
        Step::Enqueue(errand @ Errand { key: Some(_), .. }) => {
            Some(Step::Enqueue(Errand { key: None, ..*errand }))
        }
        _ => None,
    }
}
