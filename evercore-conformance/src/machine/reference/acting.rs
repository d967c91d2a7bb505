//! Applies the commands of workers and operators to the model.

use super::{Answer, Reference, Served};
use crate::machine::commands::{Act, Work};
use crate::machine::queue::Changes;
use crate::machine::reason::Reason;

impl Reference {
    pub(super) fn act(&mut self, act: &Act) -> Answer {
        match act {
            Act::Claim { most } => Answer::Claimed(self.queue.claim(*most)),
            Act::Renew { nth, when } => Answer::Held(self.queue.renew(*nth, *when)),
            Act::GiveBack { nth } => {
                self.queue.give_back(*nth);
                Answer::Done
            }
            Act::Fail { nth, again } => {
                if self.queue.lease(*nth).is_none() {
                    return Answer::Done;
                }
                done(self.queue.fail(*nth, *again))
            }
            Act::Complete { nth, counter } => self.complete(*nth, *counter),
            Act::Serve(work) => self.serve(work),
            Act::Retry { nth } => match self.queue.chosen(*nth) {
                Some(task) => done(self.queue.retry(task)),
                None => Answer::Done,
            },
            Act::Discard { nth } => match self.queue.chosen(*nth) {
                Some(task) => done(self.queue.discard(task)),
                None => Answer::Done,
            },
            Act::RetryAll => Answer::Changed(self.queue.retry_all()),
            Act::DiscardAll => {
                let dead = self.queue.dead();
                let discarded = dead.into_iter().filter(|&it| self.queue.discard(it).is_ok());
                Answer::Changed(discarded.count() as u64)
            }
            Act::Pause | Act::Resume => {
                self.queue.is_paused = *act == Act::Pause;
                Answer::Done
            }
        }
    }

    fn complete(&mut self, nth: usize, counter: Option<usize>) -> Answer {
        if self.queue.lease(nth).is_none() {
            return Answer::Done;
        }
        let number = self.next;
        self.next += 1;
        let Some(task) = self.queue.held(nth) else {
            return Answer::Refused(vec![Reason::LeaseLost]);
        };
        let mut unit = self.model.begin();
        if let Some(counter) = counter {
            unit.append(counter, number);
        }
        self.land(unit, &Changes::default(), Some(task))
            .map_or_else(Answer::Refused, |()| Answer::Done)
    }

    /// Claims one task after the other until one is begun. A worker with a single attempt gives up those that were
    /// attempted before.
    fn serve(&mut self, work: &Work) -> Answer {
        let (mut served, mut is_begun) = (Served::default(), false);
        while !is_begun && let Some(given) = self.queue.claim_for_worker() {
            is_begun = given.attempts == 1;
            if is_begun {
                let (unit, read) = self.read(work);
                if let Answer::Read(read) = self.finish(unit, work, read, Some(given.task)) {
                    (served.done, served.read) = (1, read);
                    break;
                }
            }
            self.queue.die(given.task);
            served.dead += 1;
        }
        Answer::Served(served)
    }
}

fn done(done: Result<(), Reason>) -> Answer {
    done.map_or_else(|reason| Answer::Refused(vec![reason]), |()| Answer::Done)
}
