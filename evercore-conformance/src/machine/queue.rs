//! The reference of a queue: its tasks, in the order in which they were enqueued, and the leases that were given.

use evercore::task::{IfKeyExists, Priority};

use super::commands::key_text;
use super::errands::{Errand, When};
use super::reason::Reason;

/// A queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    tasks: Vec<Task>,
    /// The task of each lease.
    leases: Vec<usize>,
    pub(super) is_paused: bool,
    /// The number of changes, which stands for the time.
    now: u64,
}

/// A task, or what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) key: Option<u8>,
    pub(super) priority: Priority,
    /// The order in which tasks are claimed, within a priority.
    due: (When, u64),
    pub(super) attempts: u32,
    pub(super) has_failed: bool,
    pub(super) place: Place,
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Waiting,
    /// Claimed under the lease with this number.
    Claimed(usize),
    Dead,
    Discarded,
    /// It is done, was cancelled or replaced, or was never stored.
    Gone,
}

/// A task as a claim gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) task: usize,
    pub(super) attempts: u32,
    pub(super) is_abandoned: bool,
}

/// A change of the queue by a unit of work, at most one for each key.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// All that were enqueued, of which some may be replaced within the unit.
    enqueued: Vec<Errand>,
    changes: Vec<Change>,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    /// Adds the errand with this index.
    Enqueue(usize, IfKeyExists),
    Cancel(u8),
}

impl Changes {
    pub(super) const fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// # Errors
    /// The key belongs to an errand of the unit.
    pub(super) fn enqueue(&mut self, errand: Errand) -> Result<(), Reason> {
        let Errand { key, if_key_exists, .. } = errand;
        let index = self.enqueued.len();
        self.enqueued.push(errand);
        let Some((key, place)) = key.and_then(|key| Some((key, self.place(key)?))) else {
            self.changes.push(Change::Enqueue(index, if_key_exists));
            return Ok(());
        };
        self.changes[place] = match (self.changes[place], if_key_exists) {
            (Change::Cancel(_), _) => Change::Enqueue(index, IfKeyExists::Replace),
            (Change::Enqueue(_, IfKeyExists::Fail), IfKeyExists::Replace) => {
                Change::Enqueue(index, IfKeyExists::Fail)
            }
            (Change::Enqueue(..), IfKeyExists::Replace) => {
                Change::Enqueue(index, IfKeyExists::Replace)
            }
            (kept, IfKeyExists::Keep) => kept,
            (_, IfKeyExists::Fail) => return Err(Reason::TaskKeyTaken(key_text(key))),
        };
        Ok(())
    }

    pub(super) fn cancel(&mut self, key: u8) {
        match self.place(key) {
            Some(place) => self.changes[place] = Change::Cancel(key),
            None => self.changes.push(Change::Cancel(key)),
        }
    }

    fn place(&self, key: u8) -> Option<usize> {
        self.changes.iter().position(|change| match change {
            Change::Enqueue(index, _) => self.enqueued[*index].key == Some(key),
            Change::Cancel(of) => *of == key,
        })
    }
}

impl Queue {
    pub(super) fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Returns the tasks that wait or are claimed, in the order in which they are read.
    pub(super) fn live(&self) -> Vec<usize> {
        let mut live = self.places(|it| matches!(it.place, Place::Waiting | Place::Claimed(_)));
        live.sort_by_key(|&task| (self.tasks[task].priority, self.tasks[task].due, task));
        live
    }

    pub(super) fn dead(&self) -> Vec<usize> {
        self.places(|it| it.place == Place::Dead)
    }

    pub(super) fn discarded(&self) -> Vec<usize> {
        self.places(|it| it.place == Place::Discarded)
    }

    fn places(&self, is_it: impl Fn(&Task) -> bool) -> Vec<usize> {
        (0..self.tasks.len()).filter(|&task| is_it(&self.tasks[task])).collect()
    }

    /// Returns the task that an operator's command is about: a dead one if there is one, or any.
    pub(super) fn chosen(&self, nth: usize) -> Option<usize> {
        let (dead, live) = (self.dead(), self.live());
        let all: Vec<_> = (0..self.tasks.len()).collect();
        let choice = [dead, live, all].into_iter().find(|tasks| !tasks.is_empty())?;
        Some(choice[nth % choice.len()])
    }

    /// Returns the number of leases that were given.
    pub(super) fn leases(&self) -> usize {
        self.leases.len()
    }

    /// Returns the number of the nth lease.
    pub(super) fn lease(&self, nth: usize) -> Option<usize> {
        nth.checked_rem(self.leases.len())
    }

    /// Returns the task of the nth lease, if it is held.
    pub(super) fn held(&self, nth: usize) -> Option<usize> {
        let lease = self.lease(nth)?;
        let task = self.leases[lease];
        (self.tasks[task].place == Place::Claimed(lease)).then_some(task)
    }

    /// Returns the tasks of the queue that wait, by whether their time has come, and those under a lease that has not
    /// ended: (due, scheduled, running).
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let (mut due, mut scheduled, mut running) = (0, 0, 0);
        for task in self.live() {
            let Task { due: (when, _), .. } = self.tasks[task];
            *match when {
                When::Now => &mut due,
                When::Later => &mut scheduled,
                When::Leased => &mut running,
            } += 1;
        }
        (due, scheduled, running)
    }

    /// Returns the reasons why a commit is refused that completes a task and changes the queue.
    pub(super) fn refusals(&self, changes: &Changes, completed: Option<usize>) -> Vec<Reason> {
        let taken = |change: &Change| match change {
            Change::Enqueue(index, IfKeyExists::Fail) => {
                let key = changes.enqueued[*index].key?;
                let holder = self.holder(key).filter(|holder| Some(*holder) != completed);
                holder.map(|_| Reason::TaskKeyTaken(key_text(key)))
            }
            _ => None,
        };
        changes.changes.iter().filter_map(taken).collect()
    }

    /// Applies a commit that is not refused.
    pub(super) fn land(&mut self, changes: &Changes, completed: Option<usize>) {
        self.now += 1;
        let first = self.tasks.len();
        self.tasks.extend(changes.enqueued.iter().map(|errand| Task {
            key: errand.key,
            priority: errand.priority,
            due: (errand.when, self.now),
            attempts: 0,
            has_failed: false,
            place: Place::Gone,
        }));
        if let Some(task) = completed {
            self.tasks[task].place = Place::Gone;
        }
        for change in &changes.changes {
            let (key, new) = match change {
                Change::Cancel(key) => (Some(*key), None),
                Change::Enqueue(index, policy) => {
                    (changes.enqueued[*index].key, Some((first + index, policy)))
                }
            };
            let holder = key.and_then(|key| self.holder(key));
            match (holder, new) {
                (Some(_), Some((_, IfKeyExists::Keep))) => continue,
                (Some(holder), _) => self.tasks[holder].place = Place::Gone,
                (None, _) => {}
            }
            if let Some((task, _)) = new {
                self.tasks[task].place = Place::Waiting;
            }
        }
    }

    /// Returns the task that has a key.
    fn holder(&self, key: u8) -> Option<usize> {
        self.live().into_iter().find(|&task| self.tasks[task].key == Some(key))
    }

    /// Claims tasks: those that are due, up to one whose lease has ended, which is claimed alone.
    pub(super) fn claim(&mut self, most: usize) -> Vec<Given> {
        self.now += 1;
        let is_due = |task: &usize| self.tasks[*task].due.0 == When::Now && !self.is_paused;
        let due: Vec<_> = self.live().into_iter().filter(is_due).take(most).collect();
        let is_abandoned = |task: usize| matches!(self.tasks[task].place, Place::Claimed(_));
        let fresh = due.iter().take_while(|&&task| !is_abandoned(task)).count();
        let given: Vec<_> = due[..fresh.max(1).min(due.len())]
            .iter()
            .map(|&task| Given {
                task,
                attempts: self.tasks[task].attempts + 1,
                is_abandoned: is_abandoned(task),
            })
            .collect();
        for &Given { task, attempts, .. } in &given {
            let place = Place::Claimed(self.leases.len());
            self.leases.push(task);
            let due = (When::Leased, self.now);
            self.tasks[task] = Task { attempts, place, due, ..self.tasks[task].clone() };
        }
        given
    }

    /// Claims a task under a lease that no command has, since its worker completes or fails it at once.
    pub(super) fn claim_for_worker(&mut self) -> Option<Given> {
        let given = self.claim(1).pop()?;
        self.leases.pop();
        Some(given)
    }

    /// Records that a task has failed for good.
    pub(super) fn die(&mut self, task: usize) {
        self.tasks[task].has_failed = true;
        self.tasks[task].place = Place::Dead;
    }

    /// Renews a lease. Returns whether it is held.
    pub(super) fn renew(&mut self, nth: usize, when: When) -> bool {
        self.now += 1;
        let held = self.held(nth);
        if let Some(task) = held {
            self.tasks[task].due = (when, self.now);
        }
        held.is_some()
    }

    pub(super) fn give_back(&mut self, nth: usize) {
        if let Some(task) = self.held(nth) {
            self.tasks[task].attempts -= 1;
            self.wait(task, When::Now);
        }
    }

    /// # Errors
    /// The lease is not held.
    pub(super) fn fail(&mut self, nth: usize, again: Option<When>) -> Result<(), Reason> {
        let task = self.held(nth).ok_or(Reason::LeaseLost)?;
        match again {
            Some(when) => {
                self.tasks[task].has_failed = true;
                self.wait(task, when);
            }
            None => self.die(task),
        }
        Ok(())
    }

    fn wait(&mut self, task: usize, when: When) {
        self.now += 1;
        self.tasks[task].place = Place::Waiting;
        self.tasks[task].due = (when, self.now);
    }

    /// # Errors
    /// The task is neither dead nor waits, or its key is taken.
    pub(super) fn retry(&mut self, task: usize) -> Result<(), Reason> {
        match self.tasks[task] {
            Task { place: Place::Dead, key: Some(key), .. } if self.holder(key).is_some() => {
                return Err(Reason::TaskKeyTaken(key_text(key)));
            }
            Task { place: Place::Dead | Place::Waiting, .. } => {}
            _ => return Err(Reason::UnknownTask),
        }
        self.tasks[task].attempts = 0;
        self.wait(task, When::Now);
        Ok(())
    }

    /// Retries all dead tasks whose keys are free. Returns their number.
    pub(super) fn retry_all(&mut self) -> u64 {
        let now = self.now;
        let mut retried = 0;
        for task in self.dead() {
            // They are due at the same time.
            self.now = now;
            retried += u64::from(self.retry(task).is_ok());
        }
        self.now = now + 1;
        retried
    }

    /// # Errors
    /// The task is neither dead nor waits.
    pub(super) fn discard(&mut self, task: usize) -> Result<(), Reason> {
        match self.tasks[task].place {
            Place::Dead | Place::Waiting => self.tasks[task].place = Place::Discarded,
            _ => return Err(Reason::UnknownTask),
        }
        Ok(())
    }
}
