//! Keeps tasks: those that wait or are claimed, dead ones, and discarded ones.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercore::engine::{
    ClaimRequest, Commit, Completion, Controlled, Due, FailedAttempt, NewTask, QueueControl,
    StoredPlace, StoredQueue, StoredTask, StoredTasks, TaskChange, TaskClaim, TaskLease, TaskPlace,
    TaskReturn, TasksRequest, WhichTasks,
};
use evercore::task::{IfKeyExists, Priority, QueueName, TaskId, TaskKey};
use evercore::{Error, Result};
use foldhash::{HashMap, HashSet};

use crate::subscriptions::later;

/// All tasks.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    /// Those that wait or are claimed.
    live: BTreeMap<TaskId, StoredTask>,
    /// The live ones of each queue, in the order in which they are claimed.
    order: BTreeSet<Place>,
    /// The live ones that have a key.
    keys: HashMap<(QueueName, TaskKey), TaskId>,
    dead: BTreeMap<TaskId, StoredTask>,
    discarded: BTreeMap<TaskId, StoredTask>,
    paused: BTreeSet<QueueName>,
    last_token: i64,
}

/// The place of a task in its queue.
type Place = (QueueName, Priority, DateTime<Utc>, TaskId);

impl Tasks {
    /// Checks the leases that a commit completes, and the keys that it takes.
    pub(crate) fn check(&self, commit: &Commit) -> Result<()> {
        let mut completed = HashSet::default();
        for completion in &commit.completes {
            if let Completion::Task(lease) = completion {
                self.held(lease)?;
                completed.insert(lease.id);
            }
        }
        for change in &commit.tasks {
            if let TaskChange::Enqueue(NewTask { queue, key: Some(key), if_key_exists, .. }) =
                change
                && *if_key_exists == IfKeyExists::Fail
                && let Some(holder) = self.keys.get(&(queue.clone(), key.clone()))
                && !completed.contains(holder)
            {
                return Err(key_taken(queue, key));
            }
        }
        Ok(())
    }

    /// Completes and changes the tasks of a commit that has passed the checks.
    pub(crate) fn land(
        &mut self,
        completes: Vec<Completion>,
        changes: Vec<TaskChange>,
        now: DateTime<Utc>,
    ) {
        for completion in completes {
            if let Completion::Task(lease) = completion {
                self.remove(lease.id);
            }
        }
        for change in changes {
            match change {
                TaskChange::Cancel { queue, key } => {
                    if let Some(&id) = self.keys.get(&(queue, key)) {
                        self.remove(id);
                    }
                }
                TaskChange::Enqueue(task) => self.enqueue(task, now),
            }
        }
    }

    fn enqueue(&mut self, new: NewTask, now: DateTime<Utc>) {
        let NewTask {
            id,
            queue,
            key,
            if_key_exists,
            due,
            priority,
            task_type,
            version,
            payload,
            metadata,
            metadata_column: _,
        } = new;
        let holder = key.as_ref().and_then(|key| self.keys.get(&(queue.clone(), key.clone())));
        match (holder, if_key_exists) {
            (Some(_), IfKeyExists::Keep) => return,
            (Some(&holder), IfKeyExists::Replace | IfKeyExists::Fail) => drop(self.remove(holder)),
            (None, _) => {}
        }
        let due = match due {
            Due::At(time) => time.max(now),
            Due::After(wait) => later(now, wait),
        };
        let mut task = StoredTask::new(id, queue, task_type.into(), version, payload, now, due);
        task.key = key;
        task.priority = priority;
        task.metadata = metadata;
        self.insert(task);
    }

    fn insert(&mut self, task: StoredTask) {
        if let Some(key) = &task.key {
            self.keys.insert((task.queue.clone(), key.clone()), task.id);
        }
        self.order.insert(place(&task));
        self.live.insert(task.id, task);
    }

    /// Removes a live task.
    fn remove(&mut self, id: TaskId) -> Option<StoredTask> {
        let task = self.live.remove(&id)?;
        self.order.remove(&place(&task));
        if let Some(key) = &task.key {
            self.keys.remove(&(task.queue.clone(), key.clone()));
        }
        Some(task)
    }

    /// Changes a live task, and its place in the order.
    fn change(&mut self, id: TaskId, change: impl FnOnce(&mut StoredTask)) {
        let Some(task) = self.live.get_mut(&id) else { return };
        self.order.remove(&place(task));
        change(task);
        self.order.insert(place(task));
    }

    /// Returns the task of a lease that is held.
    fn held(&self, lease: &TaskLease) -> Result<&StoredTask> {
        let is_held = |task: &&StoredTask| match &task.place {
            StoredPlace::Claimed { token, .. } => *token == lease.token,
            _ => false,
        };
        let TaskLease { queue, id, .. } = lease;
        self.live
            .get(id)
            .filter(is_held)
            .ok_or_else(|| Error::TaskLeaseLost { queue: queue.to_string(), id: *id })
    }

    pub(crate) fn claim(&mut self, request: &ClaimRequest, now: DateTime<Utc>) -> TaskClaim {
        let mut claim = TaskClaim::default();
        claim.paused = self.paused.contains(&request.queue);
        if claim.paused {
            return claim;
        }
        let limit = to_count(request.limit);
        for id in self.to_claim(&request.queue, limit, now) {
            self.last_token += 1;
            let place =
                StoredPlace::Claimed { token: self.last_token, owner: request.owner.clone() };
            self.change(id, |task| {
                task.is_abandoned = matches!(task.place, StoredPlace::Claimed { .. });
                task.place = place;
                task.attempts += 1;
                task.due = later(now, request.lease);
            });
            claim.tasks.push(self.live[&id].clone());
        }
        if claim.tasks.len() < limit {
            let firsts = Priority::ALL.map(|priority| self.first(&request.queue, priority));
            let next = firsts.into_iter().flatten().min();
            claim.next_due = next.map(|due| (due - now).to_std().unwrap_or_default());
        }
        claim
    }

    /// Returns the tasks that one claim takes: those that were never claimed, up to one that was, or that one alone.
    fn to_claim(&self, queue: &QueueName, limit: usize, now: DateTime<Utc>) -> Vec<TaskId> {
        let of_queue = Priority::ALL.into_iter().flat_map(|priority| self.of(queue, priority, now));
        let mut chosen = Vec::new();
        for id in of_queue.take(limit) {
            let is_abandoned = matches!(self.live[&id].place, StoredPlace::Claimed { .. });
            if is_abandoned && !chosen.is_empty() {
                break;
            }
            chosen.push(id);
            if is_abandoned {
                break;
            }
        }
        chosen
    }

    /// Returns the tasks of a queue and a priority that are due, in their order.
    fn of<'a>(
        &'a self,
        queue: &'a QueueName,
        priority: Priority,
        now: DateTime<Utc>,
    ) -> impl Iterator<Item = TaskId> + 'a {
        let from = (queue.clone(), priority, DateTime::<Utc>::MIN_UTC, NIL);
        let those = self.order.range(from..);
        let those =
            those.take_while(move |(of, at, due, _)| of == queue && *at == priority && *due <= now);
        those.map(|(.., id)| *id)
    }

    /// Returns the time at which the first task of a queue and a priority is due.
    fn first(&self, queue: &QueueName, priority: Priority) -> Option<DateTime<Utc>> {
        let from = (queue.clone(), priority, DateTime::<Utc>::MIN_UTC, NIL);
        let (of, at, due, _) = self.order.range(from..).next()?;
        (of == queue && *at == priority).then_some(*due)
    }

    pub(crate) fn renew(
        &mut self,
        leases: &[TaskLease],
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Vec<bool> {
        let renew = |held: &TaskLease| {
            let is_held = self.held(held).is_ok();
            if is_held {
                self.change(held.id, |task| task.due = later(now, lease));
            }
            is_held
        };
        leases.iter().map(renew).collect()
    }

    pub(crate) fn fail(&mut self, failed: &FailedAttempt, now: DateTime<Utc>) -> Result<()> {
        let id = self.held(&failed.lease)?.id;
        match failed.retry_after {
            Some(wait) => self.change(id, |task| {
                task.place = StoredPlace::Waiting;
                task.failure = Some(failed.failure.clone());
                task.due = later(now, wait);
            }),
            None => {
                let mut task = self.remove(id).expect("BUG: it was just found");
                if let Some(returned) = &failed.returns {
                    self.give_back(&task, returned, now);
                }
                task.place = StoredPlace::Dead { since: now };
                task.failure = Some(failed.failure.clone());
                self.dead.insert(id, task);
            }
        }
        Ok(())
    }

    /// Enqueues the return of a task that will not be done.
    fn give_back(&mut self, task: &StoredTask, returned: &TaskReturn, now: DateTime<Utc>) {
        let TaskReturn { id, queue, metadata, metadata_column: _ } = returned.clone();
        let (task_type, payload) = (task.task_type.clone(), task.payload.clone());
        let mut back = StoredTask::new(id, queue, task_type, task.version, payload, now, now);
        back.metadata = metadata;
        self.insert(back);
    }

    pub(crate) fn release(&mut self, leases: &[TaskLease], now: DateTime<Utc>) {
        for lease in leases {
            if self.held(lease).is_ok() {
                self.change(lease.id, |task| {
                    task.place = StoredPlace::Waiting;
                    task.attempts -= 1;
                    task.due = now;
                });
            }
        }
    }

    pub(crate) fn queues(&self, name: Option<&QueueName>, now: DateTime<Utc>) -> Vec<StoredQueue> {
        let mut queues = BTreeMap::new();
        let is_wanted = |queue: &QueueName| name.is_none_or(|name| name == queue);
        let in_queues = self.live.values().chain(self.dead.values());
        for task in in_queues.filter(|task| is_wanted(&task.queue)) {
            let queue = entry(&mut queues, &task.queue);
            match &task.place {
                StoredPlace::Dead { .. } => queue.dead += 1,
                StoredPlace::Claimed { .. } if task.due > now => queue.running += 1,
                _ if task.due > now => queue.scheduled += 1,
                _ => {
                    queue.due += 1;
                    let oldest = queue.oldest_due.map_or(task.due, |oldest| oldest.min(task.due));
                    queue.oldest_due = Some(oldest);
                }
            }
        }
        for paused in self.paused.iter().filter(|queue| is_wanted(queue)) {
            entry(&mut queues, paused).paused = true;
        }
        queues.into_values().collect()
    }

    pub(crate) fn read(&self, request: &TasksRequest) -> Vec<StoredTask> {
        let TasksRequest { queue, which, key, after, limit } = request;
        let ended = match which {
            StoredTasks::Live => return self.read_live(request),
            StoredTasks::Dead => &self.dead,
            StoredTasks::Discarded => &self.discarded,
        };
        let wanted = ended.values().filter(|task| {
            task.queue == *queue
                && after.is_none_or(|after| task.id > after.id)
                && (key.is_none() || task.key == *key)
        });
        wanted.take(to_count(*limit)).cloned().collect()
    }

    fn read_live(&self, request: &TasksRequest) -> Vec<StoredTask> {
        let TasksRequest { queue, which: _, key, after, limit } = request;
        let TaskPlace { priority, due, id } = after.unwrap_or(FIRST);
        let from = (queue.clone(), priority, due, id);
        let those = self.order.range((Bound::Excluded(from), Bound::Unbounded));
        let those = those.take_while(|(of, ..)| of == queue).map(|(.., id)| &self.live[id]);
        let wanted = those.filter(|task| key.is_none() || task.key == *key);
        wanted.take(to_count(*limit)).cloned().collect()
    }

    /// Finds a task wherever it is.
    pub(crate) fn find(&self, id: TaskId) -> Option<StoredTask> {
        let ended = || self.dead.get(&id).or_else(|| self.discarded.get(&id));
        self.live.get(&id).or_else(ended).cloned()
    }

    pub(crate) fn control(
        &mut self,
        queue: &QueueName,
        control: &QueueControl,
        now: DateTime<Utc>,
    ) -> Result<Controlled> {
        let of_queue = |changed| Controlled { changed, next: None };
        match control {
            QueueControl::Pause => Ok(of_queue(self.paused.insert(queue.clone()).into())),
            QueueControl::Resume => Ok(of_queue(self.paused.remove(queue).into())),
            QueueControl::Retry(which) => {
                let (tasks, next) = self.chosen(queue, which)?;
                let changed = self.retry(queue, which, tasks, now)?;
                Ok(Controlled { changed, next })
            }
            QueueControl::Discard { which, reason, returns } => {
                let place = StoredPlace::Discarded { at: now, reason: reason.clone() };
                let (tasks, next) = self.chosen(queue, which)?;
                Ok(Controlled { changed: self.discard(tasks, &place, returns.as_ref(), now), next })
            }
        }
    }

    fn retry(
        &mut self,
        queue: &QueueName,
        which: &WhichTasks,
        tasks: Vec<TaskId>,
        now: DateTime<Utc>,
    ) -> Result<u64> {
        let mut retried = 0;
        for id in tasks {
            let key = self.dead.get(&id).and_then(|task| task.key.clone());
            if let Some(key) = key
                && self.keys.contains_key(&(queue.clone(), key.clone()))
            {
                match which {
                    WhichTasks::Dead { .. } => continue,
                    WhichTasks::Id(_) => return Err(key_taken(queue, &key)),
                }
            }
            if let Some(dead) = self.dead.remove(&id) {
                self.insert(dead);
            }
            self.change(id, |task| {
                task.place = StoredPlace::Waiting;
                task.attempts = 0;
                task.due = now;
            });
            retried += 1;
        }
        Ok(retried)
    }

    fn discard(
        &mut self,
        tasks: Vec<TaskId>,
        place: &StoredPlace,
        returns: Option<&TaskReturn>,
        now: DateTime<Utc>,
    ) -> u64 {
        let mut discarded = 0;
        for id in tasks {
            let mut task = match self.dead.remove(&id) {
                Some(dead) => dead,
                None => {
                    let waiting = self.remove(id).expect("BUG: it was just found");
                    if let Some(returned) = returns {
                        self.give_back(&waiting, returned, now);
                    }
                    waiting
                }
            };
            task.place = place.clone();
            self.discarded.insert(id, task);
            discarded += 1;
        }
        discarded
    }

    /// Returns the tasks that an operator has chosen, none of which is claimed, and where the next page begins.
    fn chosen(
        &self,
        queue: &QueueName,
        which: &WhichTasks,
    ) -> Result<(Vec<TaskId>, Option<TaskId>)> {
        match which {
            WhichTasks::Dead { after, limit } => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let dead = self.dead.range((from, Bound::Unbounded));
                let of_queue = dead.filter(|(_, task)| task.queue == *queue).map(|(id, _)| *id);
                let page: Vec<_> = of_queue.take(to_count(*limit)).collect();
                let next = page.last().copied().filter(|_| page.len() >= to_count(*limit));
                Ok((page, next))
            }
            WhichTasks::Id(id) => {
                let task = self.dead.get(id).or_else(|| self.live.get(id));
                let is_chosen = |task: &&StoredTask| {
                    task.queue == *queue && !matches!(task.place, StoredPlace::Claimed { .. })
                };
                match task.filter(is_chosen) {
                    Some(_) => Ok((vec![*id], None)),
                    None => Err(Error::UnknownTask { queue: queue.to_string(), id: *id }),
                }
            }
        }
    }
}

/// An id before that of every task.
const NIL: TaskId = TaskId::from_uuid(uuid::Uuid::nil());

/// A place before that of every task.
const FIRST: TaskPlace =
    TaskPlace { priority: Priority::High, due: DateTime::<Utc>::MIN_UTC, id: NIL };

fn to_count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn place(task: &StoredTask) -> Place {
    (task.queue.clone(), task.priority, task.due, task.id)
}

fn entry<'a>(
    queues: &'a mut BTreeMap<QueueName, StoredQueue>,
    name: &QueueName,
) -> &'a mut StoredQueue {
    queues.entry(name.clone()).or_insert_with(|| StoredQueue::new(name.clone()))
}

fn key_taken(queue: &QueueName, key: &TaskKey) -> Error {
    Error::TaskKeyTaken { queue: queue.to_string(), key: key.to_string() }
}
