//! Decisions on boundaries. An engine without tags has nothing to drop.

use evercore::boundary::BoundaryKey;
use evercore::engine::Capability;
use evercore::{BoxError, Result};

use super::subject::correlated;
use super::{Cut, Outcome, Subject};
use crate::domain::courses::{Load, Seats, Subscribe, define};

fn has_tags(subject: &Subject) -> bool {
    subject.store.engine().capabilities().has(Capability::Tags)
}

fn keys(name: &str) -> (BoundaryKey<Seats>, BoundaryKey<Load>) {
    (Seats::of(name), Load::of(name))
}

/// The command that subscribes the student with this name to the course of the same name.
fn subscribe(name: &str) -> Subscribe {
    Subscribe { course: name.to_owned(), student: name.to_owned() }
}

/// A decision that is dropped stages nothing.
pub async fn decide_on(subject: &Subject, cut: &mut Cut) -> Outcome {
    if !has_tags(subject) {
        return Ok(());
    }
    let mark = Subject::mark();
    define(&subject.witness, &mark, 1).await?;
    let decided = subject.store.with_context_once(async |ctx| {
        ctx.set_metadata(correlated(&mark))?;
        let decided = cut.short(ctx.decide_on(keys(&mark), &subscribe(&mark))).await;
        let decided = decided.transpose().map_err(|refused| format!("{refused:?}"))?;
        subject.add_to_both(ctx, &mark).await?;
        Ok::<_, BoxError>(decided.is_some())
    });
    let decided = decided.await?;
    subject.check_whole(&mark, 2 + usize::from(decided), true).await
}

pub async fn execute_on(subject: &Subject, cut: &mut Cut) -> Outcome {
    if !has_tags(subject) {
        return Ok(());
    }
    let mark = Subject::mark();
    define(&subject.witness, &mark, 1).await?;
    let command = subject.store.execute_on(keys(&mark), subscribe(&mark));
    let done = cut.short(command.metadata(correlated(&mark)).into_future()).await.transpose();
    let done = done.map_err(|refused| format!("{refused:?}"))?;
    subject.check_whole(&mark, 1, done.is_some()).await
}

/// A command that is sent again after its future was dropped takes effect once.
pub async fn execute_on_with_an_idempotency_key(subject: &Subject, cut: &mut Cut) -> Outcome {
    if !has_tags(subject) {
        return Ok(());
    }
    let mark = Subject::mark();
    define(&subject.witness, &mark, 2).await?;
    let command = || {
        let command = subject.store.execute_on(keys(&mark), subscribe(&mark));
        command.metadata(correlated(&mark)).idempotency_key(mark.as_str())
    };
    let done = cut.short(command().into_future()).await.transpose();
    done.map_err(|refused| format!("{refused:?}"))?;
    let again = command().await.map_err(|refused| format!("{refused:?}"))?;
    let (seats, load) = again.states();
    if (seats.students.len(), load.courses.len()) != (1, 1) {
        return Err(format!("a request took effect more than once: {seats:?}").into());
    }
    let first: Result<_> = subject.witness.find_by_idempotency_key(mark.as_str()).await;
    if first?.map(|first| first.id) != again.commit() {
        return Err("a repetition is answered with another commit".into());
    }
    subject.check_whole(&mark, 1, true).await
}
