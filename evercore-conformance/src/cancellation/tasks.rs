//! Tasks that are enqueued, and workers that do them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use evercore::service::{Lifecycle, Service as _, ServiceError};
use evercore::task::{Claimed, Handlers, QueueBuilder, Task, TaskError, TaskId, Work};
use evercore::{AggregateId, Context, Error, HandlerRetry, Position, Result};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{Cut, Outcome, Subject};
use crate::domain::counter::{Added, Counter};
use crate::domain::errands::{Note, note};

/// A lease that ends soon after its worker was dropped.
const LEASE: Duration = Duration::from_millis(100);

/// The time limit for tasks to be done after a worker was dropped, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(8);

/// The number of tasks in a queue.
const TASKS: usize = 2;

/// Increments both counters of the subject for each task, and cancels `seen` when it has begun all of them.
#[derive(Clone)]
struct AddToBoth {
    left: AggregateId,
    right: AggregateId,
    begun: Arc<AtomicUsize>,
    seen: CancellationToken,
}

impl Work<Note> for AddToBoth {
    async fn work(&self, ctx: &mut Context, _: &Claimed<Note>) -> Result<(), TaskError> {
        for counter in [self.left, self.right] {
            let mut counter = ctx.load::<Counter>(counter).await?;
            ctx.apply(&mut counter, Added { by: 1 })?;
        }
        if self.begun.fetch_add(1, Ordering::Relaxed) + 1 >= TASKS {
            self.seen.cancel();
        }
        Ok(())
    }
}

/// A queue with tasks that increment both counters.
struct Queue<'a> {
    subject: &'a Subject,
    name: String,
    tasks: Vec<TaskId>,
}

impl<'a> Queue<'a> {
    async fn new(subject: &'a Subject) -> Result<Self> {
        let name = Subject::mark();
        let mut tasks = Vec::new();
        for _ in 0..TASKS {
            let task = Task::new(note(&name)).to(name.as_str());
            tasks.push(subject.witness.enqueue(task).await?);
        }
        Ok(Self { subject, name, tasks })
    }

    fn worker(&self) -> QueueBuilder {
        self.subject.store.queue(self.name.as_str()).lease(LEASE).retry(often())
    }

    fn handlers(&self, seen: CancellationToken) -> Handlers {
        let Subject { left, right, .. } = *self.subject;
        Handlers::new().work::<Note>(AddToBoth { left, right, begun: Arc::default(), seen })
    }

    /// Checks that another worker does what the dropped one has left, and that each task has taken effect once.
    async fn check(&self) -> Outcome {
        let began = Instant::now();
        loop {
            let worker = self.subject.witness.queue(self.name.as_str()).retry(often());
            worker.run_due(self.handlers(CancellationToken::new())).await?;
            let left = self.subject.witness.queues().get(self.name.as_str()).await?;
            if left.dead > 0 {
                return Err(format!("tasks have failed for good: {left:?}").into());
            }
            if left.due + left.running + left.scheduled == 0 {
                break;
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("tasks are not done: {left:?}").into());
            }
            sleep(Duration::from_millis(2)).await;
        }
        for task in &self.tasks {
            // The effects of a task have its id as correlation id.
            self.subject.check_whole(&task.to_string(), 2, true).await?;
        }
        Ok(())
    }
}

fn often() -> HandlerRetry {
    HandlerRetry::default().base(Duration::from_millis(1)).longest(Duration::from_millis(2))
}

/// Checks that a task is there, or that it is not; that it is, if the call was not dropped.
pub async fn enqueue(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Subject::mark();
    let task = Task::new(note("a")).to(queue.as_str()).key("k");
    let enqueued = cut.short(subject.store.enqueue(task)).await.transpose()?;
    let found = subject.witness.queues().waiting(queue.as_str(), None, 2).await?;
    match (enqueued, found.as_slice()) {
        (None, [] | [_]) => {}
        (Some(id), [found]) if found.id == id => {}
        (enqueued, found) => return Err(format!("{enqueued:?} has enqueued {found:?}").into()),
    }
    // The key does not stay taken by a task that does not exist.
    let again = Task::new(note("b")).to(queue.as_str()).key("k").replace();
    subject.witness.enqueue(again).await?;
    Ok(())
}

/// Checks that the events of a commit and its task are both there, or neither.
pub async fn a_context_that_enqueues(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let work = subject.store.with_context(async |ctx| {
        subject.add_to_both(ctx, &mark).await?;
        ctx.enqueue(Task::new(note("a")).to(mark.as_str()))
    });
    let done = cut.short(work).await.transpose()?.is_some();
    let began = Instant::now();
    loop {
        let tasks = subject.witness.queues().waiting(mark.as_str(), None, 2).await?.len();
        let events = subject.witness.read_correlated(&mark, Position::START).await?.events.len();
        match (events, tasks) {
            (2, 1) => return Ok(()),
            (0, 0) if !done => return Ok(()),
            // The commit of a dropped future may land between the two looks.
            _ if began.elapsed() < PATIENCE && !done => sleep(Duration::from_millis(1)).await,
            (events, tasks) => {
                return Err(format!("a commit has {events} of 2 events, and {tasks} tasks").into());
            }
        }
    }
}

/// Drops the worker while it claims, handles, completes or waits.
pub async fn run(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Queue::new(subject).await?;
    let (seen, stop) = (CancellationToken::new(), CancellationToken::new());
    let run = queue.worker().concurrency(2).stop_on(stop.clone()).run(queue.handlers(seen.clone()));
    let stopping = async {
        seen.cancelled().await;
        // The worker has found no more tasks and waits.
        subject.witness.queues().wait_until_idle(queue.name.as_str()).await?;
        stop.cancel();
        Ok::<_, Error>(())
    };
    cut.short(async { tokio::try_join!(run, stopping) }).await.transpose()?;
    queue.check().await
}

/// Drops the worker while it gives tasks back and finishes the rest.
pub async fn run_that_stops(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Queue::new(subject).await?;
    let stop = CancellationToken::new();
    let run = queue.worker().stop_on(stop.clone()).run(queue.handlers(stop));
    cut.short(run).await.transpose()?;
    queue.check().await
}

pub async fn run_due(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Queue::new(subject).await?;
    let run = queue.worker().run_due(queue.handlers(CancellationToken::new()));
    let worked = cut.short(run).await.transpose()?;
    match worked {
        Some(worked) if worked.done + worked.lost < TASKS => {
            Err(format!("of {TASKS} tasks it has done {worked:?}").into())
        }
        _ => queue.check().await,
    }
}

/// Drops a service at each of its await points, as a supervisor does that stops waiting for it.
pub async fn run_a_service(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Queue::new(subject).await?;
    let (seen, stop) = (CancellationToken::new(), CancellationToken::new());
    let lifecycle = Lifecycle::new(stop.clone());
    let mut service = queue.worker().handlers(queue.handlers(seen.clone()));
    let stopping = async {
        lifecycle.until_ready().await;
        seen.cancelled().await;
        stop.cancel();
        Ok(())
    };
    let running = cut.short(async { tokio::try_join!(service.run(&lifecycle), stopping) });
    running.await.transpose().map_err(ServiceError::into_source)?;
    queue.check().await
}

pub async fn shutdown(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Queue::new(subject).await?;
    let seen = CancellationToken::new();
    let worker = queue.worker().spawn(queue.handlers(seen.clone()))?;
    seen.cancelled().await;
    cut.short(worker.shutdown()).await.transpose()?;
    queue.check().await
}

pub async fn join(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Queue::new(subject).await?;
    let stop = CancellationToken::new();
    let worker = queue.worker().stop_on(stop.clone()).spawn(queue.handlers(stop))?;
    cut.short(worker.join()).await.transpose()?;
    queue.check().await
}

pub async fn wait_until_idle(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Queue::new(subject).await?;
    let worker = queue.worker().spawn(queue.handlers(CancellationToken::new()))?;
    let queues = subject.store.queues();
    cut.short(queues.wait_until_idle(queue.name.as_str())).await.transpose()?;
    worker.shutdown().await?;
    queue.check().await
}
