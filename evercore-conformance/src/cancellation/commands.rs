//! Commands that are dispatched and sent, workers that do them, and their log.

use std::time::Duration;

use evercore::command::{CommandId, CommandQuery, Outcome as Ended};
use evercore::task::Task;
use evercore::{BoxError, HandlerRetry, Metadata, Position, Target, with_metadata};
use tokio::time::{Instant, sleep};

use super::{Cut, Outcome, Subject};
use crate::domain::orders::{self, Change, change};

/// A lease that ends soon after its worker was dropped.
const LEASE: Duration = Duration::from_millis(100);

/// The time limit for what a dropped call has begun to show, and for a command to be done after a worker was dropped.
const PATIENCE: Duration = Duration::from_secs(8);

/// A command for a counter of its own: those of the subject stay in step.
fn order() -> Result<Change, BoxError> {
    Ok(change(Target::key_or_new("of commands")?, 1))
}

/// Sends a command to a queue of its own. The command and its events have the name of the queue as correlation id.
async fn sent(subject: &Subject, queue: &str) -> Result<CommandId, BoxError> {
    let send = subject.witness.send(Task::new(order()?).to(queue));
    Ok(with_metadata(Metadata::new().correlation(queue), send).await?)
}

/// Returns the number of events and of outcomes with a correlation id.
async fn effects(subject: &Subject, correlation: &str) -> Result<[usize; 2], BoxError> {
    let witness = &subject.witness;
    // The outcome is read last: it is there if its events are.
    let events = witness.read_correlated(correlation, Position::START).await?.events.len();
    let query = CommandQuery::new().correlation(correlation);
    Ok([events, witness.command_log().list(&query, 9).await?.len()])
}

/// Checks that another worker does what the dropped one has left, and that the command has landed once.
async fn check(subject: &Subject, queue: &str, id: CommandId) -> Outcome {
    let began = Instant::now();
    loop {
        subject.witness.queue(queue).run_due(orders::handlers()).await?;
        match subject.witness.outcome(id).await? {
            Some(Ended::Landed { .. }) => break,
            _ if began.elapsed() < PATIENCE => sleep(Duration::from_millis(2)).await,
            outcome => return Err(format!("a command that is to land is {outcome:?}").into()),
        }
    }
    match effects(subject, queue).await? {
        [1, 1] => Ok(()),
        effects => Err(format!("a command has these numbers of effects: {effects:?}").into()),
    }
}

pub async fn dispatch(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let metadata = Metadata::new().correlation(&*mark);
    let dispatch =
        async { subject.store.dispatch(order()?).metadata(metadata).await.map_err(BoxError::from) };
    let done = cut.short(dispatch).await.transpose()?.is_some();
    match effects(subject, &mark).await? {
        [1, 0] => Ok(()),
        [0, 0] if !done => Ok(()),
        effects => Err(format!("a command has these numbers of effects: {effects:?}").into()),
    }
}

/// Checks that a command is there, or that it is not; that it is, if the call was not dropped.
pub async fn send(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Subject::mark();
    let sent =
        cut.short(subject.store.send(Task::new(order()?).to(queue.as_str()))).await.transpose()?;
    let found = subject.witness.queues().waiting(queue.as_str(), None, 2).await?;
    match (sent, found.as_slice()) {
        (None, [] | [_]) => Ok(()),
        (Some(id), [found]) if found.id == id.into() => Ok(()),
        (sent, found) => Err(format!("{sent:?} has sent {found:?}").into()),
    }
}

/// Drops the worker while it claims, decides, commits or removes old outcomes.
pub async fn run_due(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Subject::mark();
    let id = sent(subject, &queue).await?;
    let often = HandlerRetry::default().base(Duration::from_millis(1));
    let worker = subject.store.queue(queue.as_str()).lease(LEASE).retry(often);
    cut.short(worker.run_due(orders::handlers())).await.transpose()?;
    check(subject, &queue, id).await
}

pub async fn outcome(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Subject::mark();
    let id = sent(subject, &queue).await?;
    let outcome = cut.short(subject.store.outcome(id)).await.transpose()?;
    match outcome {
        None | Some(Some(Ended::Waiting { .. })) => check(subject, &queue, id).await,
        outcome => Err(format!("a command that waits is {outcome:?}").into()),
    }
}

pub async fn wait_for_outcome(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Subject::mark();
    let id = sent(subject, &queue).await?;
    let worker = subject.witness.queue(queue.as_str()).spawn(orders::handlers())?;
    let outcome = cut.short(subject.store.wait_for_outcome(id, PATIENCE)).await.transpose()?;
    worker.shutdown().await?;
    match outcome {
        None | Some(Ended::Landed { .. }) => check(subject, &queue, id).await,
        outcome => Err(format!("a command that is done is {outcome:?}").into()),
    }
}

pub async fn read_the_log(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Subject::mark();
    let id = sent(subject, &queue).await?;
    subject.witness.queue(queue.as_str()).run_due(orders::handlers()).await?;
    let read = async {
        let log = subject.store.command_log();
        log.list(&CommandQuery::new().correlation(queue.as_str()), 9).await?;
        log.find(id).await
    };
    match cut.short(read).await.transpose()? {
        Some(None) => Err("a command that is done is not in the log".into()),
        None | Some(Some(_)) => check(subject, &queue, id).await,
    }
}

pub async fn prune(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Subject::mark();
    let id = sent(subject, &queue).await?;
    subject.witness.queue(queue.as_str()).run_due(orders::handlers()).await?;
    // Other cases need what they have just written.
    let log = subject.store.command_log();
    let prune = log.prune(Duration::from_secs(3_600));
    cut.short(prune).await.transpose()?;
    check(subject, &queue, id).await
}
