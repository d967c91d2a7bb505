//! Does what workers and operators of a queue do.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evercore::chrono::Utc;
use evercore::engine::{
    ClaimRequest, Completion, FailedAttempt, Precondition, StoredPlace, StoredTask, TaskLease,
    TaskStorage,
};
use evercore::task::{Claimed, Handlers, TaskError, Worked};
use evercore::{Context, HandlerRetry, Result, Sequence};
use tokio_util::sync::CancellationToken;

use super::{Landed, Said, Subject};
use crate::domain::counter::Counter;
use crate::domain::errands::{Note, QUEUE, queue};
use crate::machine::commands::{Act, Work};
use crate::machine::errands::When;
use crate::machine::reference::{Reference, Served, numbers};
use crate::machine::writing::{self, Known, Opened, Program, Trouble, added};
use crate::raw;

/// Waits until the clock shows another millisecond, so that no two commands happen at the same time.
pub(super) async fn next_millisecond() {
    let now = Utc::now().timestamp_millis();
    while Utc::now().timestamp_millis() == now {
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
}

impl Subject {
    pub(in crate::machine) fn tasks(&self) -> &dyn TaskStorage {
        self.first.engine.tasks().expect("BUG: tasks are drawn only if the engine has them")
    }

    /// Executes a command. `before` is the state of the reference before the command.
    pub(super) async fn act(&mut self, act: &Act, before: &Reference) -> Result<Said, Trouble> {
        let queues = self.store().queues();
        let chosen = |nth: usize| before.queue.chosen(nth).map(|task| self.task_ids[task]);
        let lease = |nth: usize| before.queue.lease(nth).map(|lease| self.leases[lease].clone());
        match act {
            Act::Claim { most } => {
                let given = self.claim(*most).await?;
                self.leases.extend(given.iter().map(lease_of));
                return Ok(Said::Claimed(given));
            }
            Act::Renew { nth, when } => {
                let Some(lease) = lease(*nth) else { return Ok(Said::Held(false)) };
                let held = self.tasks().renew(&[lease], when.wait()).await?;
                return Ok(Said::Held(held == [true]));
            }
            Act::GiveBack { nth } => {
                if let Some(lease) = lease(*nth) {
                    self.tasks().release(&[lease]).await?;
                }
            }
            Act::Fail { nth, again } => {
                if let Some(lease) = lease(*nth) {
                    let (failure, retry_after) = ("at random".to_owned(), again.map(When::wait));
                    let returns = None;
                    let failed = FailedAttempt { lease, failure, retry_after, returns };
                    self.tasks().fail(&failed).await?;
                }
            }
            Act::Complete { nth, counter } => {
                if let Some(lease) = lease(*nth) {
                    self.complete(lease, *counter, before).await?;
                }
            }
            Act::Serve(work) => return self.serve(work, before).await,
            Act::Retry { nth } => {
                if let Some(id) = chosen(*nth) {
                    queues.retry(QUEUE, id).await?;
                }
            }
            Act::Discard { nth } => {
                if let Some(id) = chosen(*nth) {
                    queues.discard(QUEUE, id, "at random").await?;
                }
            }
            Act::RetryAll => return Ok(Said::Changed(queues.retry_all(QUEUE).await?)),
            Act::DiscardAll => {
                return Ok(Said::Changed(queues.discard_all(QUEUE, "at random").await?));
            }
            Act::Pause => queues.pause(QUEUE).await?,
            Act::Resume => queues.resume(QUEUE).await?,
        }
        Ok(Said::Done)
    }

    async fn claim(&self, most: usize) -> Result<Vec<StoredTask>> {
        let limit = u32::try_from(most).unwrap_or(u32::MAX);
        let request = ClaimRequest {
            queue: queue(),
            owner: "a command".to_owned(),
            lease: When::Leased.wait(),
            limit,
        };
        Ok(self.tasks().claim(&request).await?.tasks)
    }

    /// Commits an event and a completion, as a worker does.
    async fn complete(
        &self,
        lease: TaskLease,
        counter: Option<usize>,
        before: &Reference,
    ) -> Result<()> {
        let mut commit = raw::commit(Vec::new(), Vec::new());
        if let Some(counter) = counter {
            let (id, events) = (self.ids[counter], before.model.events(counter).len());
            let sequence = i64::try_from(events).expect("BUG: there are few events");
            let precondition = Precondition::At(Sequence::new(sequence)?);
            commit.writes = vec![raw::write::<Counter>(id, precondition)];
            commit.events = vec![raw::new_event(id, sequence + 1, &added(before.next))];
        }
        commit.completes = vec![Completion::Task(lease)];
        self.first.engine.commit(commit).await.map(drop)
    }

    /// Runs a worker that is stopped by the first task that it begins.
    async fn serve(&mut self, work: &Work, before: &Reference) -> Result<Said, Trouble> {
        let stop = CancellationToken::new();
        let mut next = before.next;
        let server = Arc::new(Server {
            work: work.clone(),
            known: self.known(before),
            numbers: numbers(&mut next, work).collect(),
            stop: stop.clone(),
            ended: Mutex::default(),
        });
        let handlers = Handlers::new().work::<Note>(Serves(Arc::clone(&server)));
        let once = HandlerRetry::default().attempts(1);
        let queue = self.store().queue(QUEUE).retry(once).stop_on(stop);
        let Worked { done, dead, .. } = queue.run_due(handlers).await?;
        let ended = server.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        let read = match ended {
            Some(Err(Trouble::Wrong(problem))) => return Err(Trouble::Wrong(problem)),
            Some(Ok(landed)) if done > 0 => self.adopt(landed).await?,
            _ => Vec::new(),
        };
        Ok(Said::Served(Served { done, dead, read }))
    }
}

/// The work of a worker's handler.
#[derive(Debug)]
struct Server {
    work: Work,
    known: Vec<Known>,
    numbers: Vec<u64>,
    stop: CancellationToken,
    ended: Mutex<Option<Result<Landed, Trouble>>>,
}

/// Does the work in the context of a task.
struct Serves(Arc<Server>);

impl evercore::task::Work<Note> for Serves {
    async fn work(&self, ctx: &mut Context, _: &Claimed<Note>) -> Result<(), TaskError> {
        let Self(server) = self;
        server.stop.cancel();
        let (ended, told) = match server.stage(ctx).await {
            Ok(landed) => (Ok(landed), Ok(())),
            Err(Trouble::Store(error)) => return Err(error.into()),
            Err(Trouble::Wrong(problem)) => {
                (Err(Trouble::Wrong(problem.clone())), Err(TaskError::permanent(problem)))
            }
        };
        *server.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        told
    }
}

impl Server {
    async fn stage(&self, ctx: &mut Context) -> Result<Landed, Trouble> {
        let program = Program::TakesSnapshots;
        let (mut opened, mut read) = (Opened::default(), Vec::new());
        writing::open(ctx, program, &self.work.aggregates(), &self.known, &mut opened).await?;
        writing::ask(ctx, &self.work.asks, &mut read).await?;
        let staged =
            writing::stage(ctx, program, &self.work, opened, &self.numbers, &mut read).await?;
        Ok(Landed { staged, read })
    }
}

fn lease_of(task: &StoredTask) -> TaskLease {
    match &task.place {
        StoredPlace::Claimed { token, .. } => {
            TaskLease { queue: task.queue.clone(), id: task.id, token: *token }
        }
        place => panic!("a claim gives a task that is {place:?}"),
    }
}
