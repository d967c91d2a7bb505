//! Operators' commands for subscriptions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evercore::engine::{
    AcquireRequest, Acquired, CursorMove, IfDifferent, NewSubscription, NewlyParked, Settlement,
};
use evercore::subscription::Condition;
use evercore::{BoxError, Error, EventFilter, Position, Result, Start, SubscriptionName};

use super::{Cut, Outcome, Subject};

/// A stored subscription without a worker, with one parked event.
struct Stored {
    name: SubscriptionName,
    parked: Position,
}

impl Stored {
    async fn new(subject: &Subject) -> Result<Self, BoxError> {
        let mark = Subject::mark();
        let before = subject.prepare(&mark).await?;
        let event = subject.witness.read_log(before, 1).await?.events.swap_remove(0);
        let name = SubscriptionName::new(&mark)?;
        let filter = Arc::new(EventFilter::new());
        let engine = subject.witness.engine();
        let subscription = NewSubscription {
            name: name.clone(),
            filter: Arc::clone(&filter),
            partitions: 1,
            start: Start::After(before),
            if_different: IfDifferent::Refuse,
        };
        engine.register(&subscription).await?;
        let request = AcquireRequest {
            subscription: name.clone(),
            owner: "worker 1".to_owned(),
            lease: Duration::from_secs(60),
            filter,
            partitions: 1,
        };
        let Acquired::Granted(grant) = engine.acquire(&request).await? else {
            return Err("a subscription without a worker can be taken".into());
        };
        let parked = NewlyParked {
            position: event.position(),
            lane: (event.aggregate_id()).into(),
            reason: Some("it is to be parked".to_owned()),
            redrive_after: None,
        };
        let settlement = Settlement {
            lease: grant.lease.clone(),
            cursor: Some(CursorMove { from: grant.cursor, to: event.position() }),
            parked: vec![parked],
            unparked: None,
            failure: None,
        };
        engine.settle(&settlement).await?;
        engine.release(&grant.lease).await?;
        Ok(Self { name, parked: event.position() })
    }

    /// Returns the stored condition, which must be the old or the requested one.
    async fn condition(&self, subject: &Subject) -> Result<Condition, BoxError> {
        let found = subject.witness.subscriptions().find(self.name.clone()).await?;
        Ok(found.ok_or("the subscription is gone")?.condition)
    }

    async fn end(self, subject: &Subject) -> Outcome {
        Ok(subject.witness.subscriptions().delete(self.name).await?)
    }
}

pub async fn list(subject: &Subject, cut: &mut Cut) -> Outcome {
    let stored = Stored::new(subject).await?;
    let subscriptions = subject.store.subscriptions();
    let look = async {
        subscriptions.list().await?;
        subscriptions.find(stored.name.clone()).await
    };
    cut.short(look).await.transpose()?;
    stored.end(subject).await
}

pub async fn pause(subject: &Subject, cut: &mut Cut) -> Outcome {
    let stored = Stored::new(subject).await?;
    let subscriptions = subject.store.subscriptions();
    let done = done(subject, cut, subscriptions.pause(stored.name.clone())).await?;
    check(done, stored.condition(subject).await?, Condition::Paused, Condition::Idle)?;
    subscriptions.resume(stored.name.clone()).await?;
    stored.end(subject).await
}

pub async fn resume(subject: &Subject, cut: &mut Cut) -> Outcome {
    let stored = Stored::new(subject).await?;
    let subscriptions = subject.store.subscriptions();
    subscriptions.pause(stored.name.clone()).await?;
    let done = done(subject, cut, subscriptions.resume(stored.name.clone())).await?;
    check(done, stored.condition(subject).await?, Condition::Idle, Condition::Paused)?;
    stored.end(subject).await
}

/// Either the cursor is unmoved and the event parked, or the cursor has moved and nothing is parked.
pub async fn reset(subject: &Subject, cut: &mut Cut) -> Outcome {
    let stored = Stored::new(subject).await?;
    let subscriptions = subject.store.subscriptions();
    let reset = subscriptions.reset(stored.name.clone(), Start::Beginning);
    let done = done(subject, cut, reset).await?;
    let found = subscriptions.find(stored.name.clone()).await?.ok_or("it is gone")?;
    check(done, (found.cursor, found.parked), (Position::START, 0), (stored.parked, 1))?;
    stored.end(subject).await
}

pub async fn delete(subject: &Subject, cut: &mut Cut) -> Outcome {
    let stored = Stored::new(subject).await?;
    let subscriptions = subject.store.subscriptions();
    let done = done(subject, cut, subscriptions.delete(stored.name.clone())).await?;
    let found = subscriptions.find(stored.name.clone()).await?.map(|found| found.parked);
    check(done, found, None, Some(1))?;
    match subject.witness.subscriptions().delete(stored.name).await {
        // The dropped deletion has completed by now.
        Err(Error::UnknownSubscription { .. }) => Ok(()),
        again => Ok(again?),
    }
}

pub async fn redrive(subject: &Subject, cut: &mut Cut) -> Outcome {
    let stored = Stored::new(subject).await?;
    let subscriptions = subject.store.subscriptions();
    done(subject, cut, subscriptions.redrive(stored.name.clone())).await?;
    let parked = subscriptions.parked(stored.name.clone(), Position::START, 10).await?.events;
    if parked.len() != 1 {
        return Err(format!("of one parked event, {} are left", parked.len()).into());
    }
    stored.end(subject).await
}

pub async fn redrive_event(subject: &Subject, cut: &mut Cut) -> Outcome {
    let stored = Stored::new(subject).await?;
    let subscriptions = subject.store.subscriptions();
    let redrive = subscriptions.redrive_event(stored.name.clone(), stored.parked);
    done(subject, cut, redrive).await?;
    let parked = subscriptions.parked(stored.name.clone(), Position::START, 10).await?.events;
    if parked.len() != 1 {
        return Err(format!("of one parked event, {} are left", parked.len()).into());
    }
    stored.end(subject).await
}

/// Either the event is parked, or it is discarded and recorded as such.
pub async fn discard(subject: &Subject, cut: &mut Cut) -> Outcome {
    let stored = Stored::new(subject).await?;
    let subscriptions = subject.store.subscriptions();
    let discard = subscriptions.discard(stored.name.clone(), stored.parked, "ada", "no use");
    let done = done(subject, cut, discard).await?;
    let parked = subscriptions.parked(stored.name.clone(), Position::START, 10).await?.events;
    let discarded = subscriptions.discarded(stored.name.clone(), Position::START, 10).await?.events;
    check(done, (parked.len(), discarded.len()), (0, 1), (1, 0))?;
    stored.end(subject).await
}

pub async fn discarded(subject: &Subject, cut: &mut Cut) -> Outcome {
    let stored = Stored::new(subject).await?;
    let subscriptions = subject.store.subscriptions();
    let discarded = subscriptions.discarded(stored.name.clone(), Position::START, 10);
    cut.short(discarded).await.transpose()?;
    stored.end(subject).await
}

pub async fn parked(subject: &Subject, cut: &mut Cut) -> Outcome {
    let stored = Stored::new(subject).await?;
    let subscriptions = subject.store.subscriptions();
    let parked = subscriptions.parked(stored.name.clone(), Position::START, 10);
    cut.short(parked).await.transpose()?;
    stored.end(subject).await
}

/// Runs a command and checks that nothing is held, before another command could release it.
async fn done(
    subject: &Subject,
    cut: &mut Cut,
    control: impl Future<Output = Result<()>>,
) -> Result<Option<()>, BoxError> {
    let done = cut.short(control).await.transpose()?;
    subject.check_nothing_is_held().await?;
    Ok(done)
}

fn check<T: PartialEq + fmt::Debug>(done: Option<()>, found: T, after: T, before: T) -> Outcome {
    if found == after || (done.is_none() && found == before) {
        Ok(())
    } else {
        Err(format!("it is {found:?}, between {before:?} and {after:?}").into())
    }
}
