//! Operations that write.

use std::sync::Arc;
use std::time::Duration;

use evercore::command::Turns;
use evercore::{
    Error, EventDraft, EventOptions, Expected, NaturalKey, Position, Stream, Target, with_metadata,
};
use tokio::sync::Notify;

use super::subject::correlated;
use super::{Cut, Outcome, Subject};
use crate::domain::account::{Account, Deposit};
use crate::domain::counter::{self, Added, Counter};

pub async fn with_context(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let work = subject.store.with_context(async |ctx| subject.add_to_both(ctx, &mark).await);
    let done = cut.short(work).await.transpose()?;
    subject.check_whole(&mark, 2, done.is_some()).await
}

pub async fn with_context_committed(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let work =
        subject.store.with_context_committed(async |ctx| subject.add_to_both(ctx, &mark).await);
    let done = cut.short(work).await.transpose()?;
    subject.check_whole(&mark, 2, done.is_some()).await
}

pub async fn with_context_once(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let done = loop {
        let work =
            subject.store.with_context_once(async |ctx| subject.add_to_both(ctx, &mark).await);
        match cut.short(work).await {
            // The previously dropped commit has completed just now.
            Some(Err(Error::Conflict { .. })) => {}
            done => break done.transpose()?,
        }
    };
    subject.check_whole(&mark, 2, done.is_some()).await
}

/// Checks that both keys are taken or both are free.
pub async fn a_context_that_creates(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let keys = [format!("{mark} a"), format!("{mark} b")];
    let work = subject.store.with_context(async |ctx| {
        for key in &keys {
            let mut made = ctx.create_with_key::<Counter>(key.as_str()).await?;
            ctx.apply(&mut made, Added { by: 1 })?;
        }
        Ok::<_, Error>(())
    });
    let done = cut.short(work).await.transpose()?;
    let first = counter::find_by_key(&subject.witness, &keys[0]).await?;
    let second = counter::find_by_key(&subject.witness, &keys[1]).await?;
    // The second lookup may see a commit that completed after the first lookup.
    let is_in_part = first.is_some() && second.is_none();
    if is_in_part || (done.is_some() && first.is_none()) {
        return Err(format!("of two new aggregates there are {first:?} and {second:?}").into());
    }
    for key in keys {
        take_key(subject, &key).await?;
    }
    Ok(())
}

/// Checks that the aggregate has the old or the new key, and that the free one can be taken.
pub async fn a_context_that_changes_a_key(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let (old, new) = (format!("{mark} old"), format!("{mark} new"));
    let id = counter::create_with_key(&subject.witness, &old, 1).await?;
    let work = subject.store.with_context(async |ctx| {
        let mut counter = ctx.load::<Counter>(id).await?;
        ctx.change_key(&mut counter, new.as_str())?;
        ctx.apply(&mut counter, Added { by: 1 })
    });
    let done = cut.short(work).await.transpose()?;
    let (key, value) = subject
        .witness
        .with_readonly_context(async |ctx| {
            let counter = ctx.load::<Counter>(id).await?;
            Ok::<_, Error>((counter.key().cloned(), counter.state().value))
        })
        .await?;
    let expected = if value == 2 { &new } else { &old };
    if key.as_ref().map(NaturalKey::as_str) != Some(expected) || (done.is_some() && value == 1) {
        return Err(format!("the key is {key:?} where the value is {value}").into());
    }
    take_key(subject, &old).await?;
    take_key(subject, &new).await
}

/// Writes to the holder of a key, or creates one if the key is free.
async fn take_key(subject: &Subject, key: &str) -> Outcome {
    let take = subject.witness.with_context(async |ctx| {
        let mut counter = ctx.load_or_create::<Counter>(key).await?;
        ctx.apply(&mut counter, Added { by: 1 })
    });
    Ok(take.await?)
}

/// Causes a conflict in the first attempt, so that the future is also dropped while it waits to rerun.
pub async fn a_context_with_a_rival(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let attempts = std::cell::Cell::new(0);
    let work = subject.store.with_context(async |ctx| {
        subject.add_to_both(ctx, &mark).await?;
        attempts.set(attempts.get() + 1);
        if attempts.get() == 1 {
            subject.prepare(&Subject::mark()).await?;
        }
        Ok::<_, Error>(())
    });
    let done = cut.short(work).await.transpose()?;
    subject.check_whole(&mark, 2, done.is_some()).await
}

/// Another context of the store holds the turn and returns it while the future is polled.
pub async fn a_context_that_waits_its_turn(subject: &Subject, cut: &mut Cut) -> Outcome {
    let (mark, others) = (Subject::mark(), Subject::mark());
    let attempts = std::cell::Cell::new(0);
    let (has_turn, is_awaited) = (Notify::new(), Notify::new());
    let hold = subject.store.with_context(async |ctx| {
        subject.add_to_both(ctx, &others).await?;
        attempts.set(attempts.get() + 1);
        if attempts.get() == 1 {
            subject.prepare(&Subject::mark()).await?;
            return Ok(());
        }
        has_turn.notify_one();
        is_awaited.notified().await;
        Ok::<_, Error>(())
    });
    let wait = async {
        has_turn.notified().await;
        let work = subject.store.with_context(async |ctx| subject.add_to_both(ctx, &mark).await);
        // Polled first, so that it is queued before the turn is returned.
        let (done, ()) = tokio::join!(biased; cut.short(work), async { is_awaited.notify_one() });
        done.transpose()
    };
    let (held, done) = tokio::join!(hold, wait);
    held?;
    subject.check_whole(&mark, 2, done?.is_some()).await
}

/// A waiter that is dropped leaves the queue, and a holder that is dropped returns its turn.
pub async fn a_turn(_: &Subject, cut: &mut Cut) -> Outcome {
    let turns = Arc::new(Turns::new());
    let enter = || turns.enter("till", 1).expect("the queue is empty");
    let first = enter().turn().await;
    let give_back = async {
        tokio::task::yield_now().await;
        drop(first);
    };
    let (turn, ()) = tokio::join!(cut.short(enter().turn()), give_back);
    let patience = Duration::from_secs(10);
    let second = enter().turn_within(patience);
    let (second, ()) = tokio::join!(cut.short(second), async { drop(turn) });
    drop(second);
    if turns.is_empty() { Ok(()) } else { Err("the queue stays".into()) }
}

pub async fn execute(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let target = Target::key_or_new(mark.as_str())?;
    let command = subject.store.execute::<Account, _>(target, Deposit { amount: 7 });
    let done = cut.short(command.metadata(correlated(&mark)).into_future()).await.transpose();
    let done = done.map_err(|refused| format!("{refused:?}"))?;
    subject.check_whole(&mark, 1, done.is_some()).await
}

/// A command that is sent again after its future was dropped takes effect once.
pub async fn execute_with_an_idempotency_key(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let command = || {
        let target = Target::key_or_new(mark.as_str());
        let target = target.expect("a mark can be a key");
        let command = subject.store.execute::<Account, _>(target, Deposit { amount: 7 });
        command.metadata(correlated(&mark)).idempotency_key(mark.as_str())
    };
    let done = cut.short(command().into_future()).await.transpose();
    done.map_err(|refused| format!("{refused:?}"))?;
    let again = command().await.map_err(|refused| format!("{refused:?}"))?;
    if again.state().balance != 7 {
        return Err(
            format!("a request took effect more than once: {}", again.state().balance).into()
        );
    }
    let first = subject.witness.find_by_idempotency_key(mark.as_str()).await?;
    if first.map(|first| first.id) != again.commit() {
        return Err("a repetition is answered with another commit".into());
    }
    subject.check_whole(&mark, 1, true).await
}

/// A closure whose future was dropped is committed once, and a repetition returns the answer stored with that commit.
pub async fn once(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let request = async |answer: u32| {
        let work = subject.store.once_committed(mark.as_str(), async |ctx| {
            subject.add_to_both(ctx, &mark).await?;
            Ok::<_, Error>(answer)
        });
        work.await
    };
    let done = cut.short(request(1)).await.transpose()?;
    let again = request(2).await?;
    let expected = match done {
        Some(_) => 1,
        None if again.is_repetition() => 1,
        None => 2,
    };
    let first = subject.witness.find_by_idempotency_key(mark.as_str()).await?;
    if *again.value() != expected || first.map(|first| first.id) != again.commit() {
        return Err(format!("{again:?} is the answer after {done:?}").into());
    }
    subject.check_whole(&mark, 2, true).await
}

pub async fn append(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let stream = Stream::Id(counter::create(&subject.witness, 0).await?);
    append_to(subject, cut, stream, &mark).await
}

pub async fn append_to_a_new_stream(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let stream = Stream::Key(NaturalKey::new(mark.as_str())?);
    append_to(subject, cut, stream, &mark).await?;
    take_key(subject, &mark).await
}

async fn append_to(subject: &Subject, cut: &mut Cut, stream: Stream, mark: &str) -> Outcome {
    let events = [1, 2].map(|by| {
        let options = EventOptions::new().metadata(correlated(mark));
        EventDraft::<Counter>::from(Added { by }).with(options)
    });
    let appending = subject.store.append::<Counter, _>(stream, Expected::Any, events);
    let done = cut.short(appending).await.transpose()?;
    subject.check_whole(mark, 2, done.is_some()).await
}

/// Metadata of a task ends with the task's future.
pub async fn with_metadata_of_a_task(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let work = with_metadata(
        correlated(&mark),
        subject.store.with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(subject.left).await?;
            ctx.apply(&mut counter, Added { by: 1 })?;
            let mut counter = ctx.load::<Counter>(subject.right).await?;
            ctx.apply(&mut counter, Added { by: 1 })
        }),
    );
    let done = cut.short(work).await.transpose()?;
    subject.check_whole(&mark, 2, done.is_some()).await?;
    let other = counter::create(&subject.store, 1).await?;
    // The dropped commit may complete meanwhile.
    let marked = subject.witness.read_correlated(&mark, Position::START).await?.events;
    if marked.iter().any(|event| event.aggregate_id() == other) {
        return Err("the metadata outlive their future".into());
    }
    Ok(())
}
