//! Operations that read and leave nothing behind.

use evercore::boundary::Tag;
use evercore::engine::Capability;
use evercore::{AsOf, CommitId, Error, Position, ReadContext, Result, Sequence};

use super::subject::LEFT;
use super::{Cut, Outcome, Subject};
use crate::domain::counter::Counter;
use crate::domain::courses::{Load, Seats};
use crate::domain::member::{self, Member};
use crate::domain::parcels::{self, Region};

pub async fn with_readonly_context(subject: &Subject, cut: &mut Cut) -> Outcome {
    let read = subject.store.with_readonly_context(async |ctx| {
        let left = ctx.load_by_key::<Counter>(LEFT).await?.state().value;
        Ok::<_, Error>(left == ctx.load::<Counter>(subject.right).await?.state().value)
    });
    match cut.short(read).await.transpose()? {
        Some(false) => Err("a view sees a part of a commit".into()),
        _ => Ok(()),
    }
}

/// Drops one read of a view and checks that the view continues to work.
async fn within_a_view(
    subject: &Subject,
    dropped: impl AsyncFnOnce(&ReadContext) -> Result<()>,
) -> Outcome {
    let before = subject.witness.head().await?;
    let mark = Subject::mark();
    let view = subject.store.with_readonly_context(async |ctx| {
        subject.witness.with_context(async |ctx| subject.add_to_both(ctx, &mark).await).await?;
        dropped(ctx).await?;
        ctx.load::<Counter>(subject.left).await?;
        Ok::<_, Error>(ctx.read_log(before, 10).await?.events.len())
    });
    match view.await? {
        0 => Ok(()),
        later => Err(format!("the view sees {later} events that came after it").into()),
    }
}

pub async fn loads_of_a_view(subject: &Subject, cut: &mut Cut) -> Outcome {
    let read = async |ctx: &ReadContext| {
        let loads = async {
            ctx.load::<Counter>(subject.left).await?;
            ctx.load_by_key::<Counter>(LEFT).await?;
            ctx.find::<Counter>(subject.left).await?;
            ctx.find_by_key::<Counter>("unknown").await?;
            ctx.load_as_of::<Counter>(subject.left, AsOf::Sequence(Sequence::FIRST)).await?;
            Ok(())
        };
        cut.short(loads).await.unwrap_or(Ok(()))
    };
    within_a_view(subject, read).await
}

pub async fn values_of_a_view(subject: &Subject, cut: &mut Cut) -> Outcome {
    if !subject.store.engine().capabilities().has(Capability::UniqueValues) {
        return Ok(());
    }
    let mark = Subject::mark();
    member::create(&subject.witness, member::with_email(&mark)).await?;
    let read = async |ctx: &ReadContext| {
        let both = async {
            ctx.find_by_unique(member::by_email("unknown")).await?;
            ctx.load_by_unique(member::by_email(&mark)).await.map(drop)
        };
        cut.short(both).await.unwrap_or(Ok(()))
    };
    within_a_view(subject, read).await
}

/// A call that was dropped goes on at the next one.
pub async fn claim_unique_values(subject: &Subject, cut: &mut Cut) -> Outcome {
    if !subject.store.engine().capabilities().has(Capability::UniqueValues) {
        return Ok(());
    }
    cut.short(subject.store.claim_unique_values::<Member>(|_| {})).await.transpose()?;
    let claimed = subject.witness.claim_unique_values::<Member>(|_| {}).await?;
    if claimed.is_complete { Ok(()) } else { Err(format!("{claimed:?}").into()) }
}

pub async fn boundaries_of_a_view(subject: &Subject, cut: &mut Cut) -> Outcome {
    if !subject.store.engine().capabilities().has(Capability::Tags) {
        return Ok(());
    }
    let read = async |ctx: &ReadContext| {
        let boundaries = async {
            ctx.read((Seats::of("algebra"), Load::of("Ada"))).await?;
            ctx.read_as_of(Seats::of("algebra"), Position::FIRST).await?;
            ctx.read_tagged(&[Tag::new("course", "algebra")?], Position::START).await?;
            Ok(())
        };
        cut.short(boundaries).await.unwrap_or(Ok(()))
    };
    within_a_view(subject, read).await
}

pub async fn pages_of_a_view(subject: &Subject, cut: &mut Cut) -> Outcome {
    let read = async |ctx: &ReadContext| {
        let pages = async {
            ctx.history(subject.left, ..).await?;
            ctx.read_log(Position::START, 2).await?;
            ctx.read_correlated("unknown", Position::START).await?;
            Ok(())
        };
        cut.short(pages).await.unwrap_or(Ok(()))
    };
    within_a_view(subject, read).await
}

pub async fn history(subject: &Subject, cut: &mut Cut) -> Outcome {
    cut.short(subject.store.history(subject.left, ..)).await.transpose()?;
    Ok(())
}

pub async fn read_log(subject: &Subject, cut: &mut Cut) -> Outcome {
    let read = async {
        let head = subject.store.head().await?;
        subject.store.read_log(Position::START, 3).await.map(|page| (head, page))
    };
    cut.short(read).await.transpose()?;
    Ok(())
}

pub async fn read_correlated(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    subject.prepare(&mark).await?;
    cut.short(subject.store.read_correlated(&mark, Position::START)).await.transpose()?;
    Ok(())
}

pub async fn read_tagged(subject: &Subject, cut: &mut Cut) -> Outcome {
    if !subject.store.engine().capabilities().has(Capability::Tags) {
        return Ok(());
    }
    let tags = [Tag::new("course", "algebra")?];
    cut.short(subject.store.read_tagged(&tags, Position::START)).await.transpose()?;
    Ok(())
}

/// Asking for an outcome decides it: an answer given before the drop must be repeated.
pub async fn find_commit(subject: &Subject, cut: &mut Cut) -> Outcome {
    let commit = CommitId::generate();
    let first = cut.short(subject.store.find_commit(commit)).await.transpose()?;
    let again = subject.witness.find_commit(commit).await?;
    match first {
        Some(first) if first != again => Err(format!("{first:?}, and then {again:?}").into()),
        _ => Ok(()),
    }
}

pub async fn find_by_idempotency_key(subject: &Subject, cut: &mut Cut) -> Outcome {
    cut.short(subject.store.find_by_idempotency_key(Subject::mark())).await.transpose()?;
    Ok(())
}

pub async fn verify(subject: &Subject, cut: &mut Cut) -> Outcome {
    let report = cut.short(subject.store.verify().run()).await.transpose()?;
    match report.filter(|report| !report.is_clean()) {
        Some(report) => Err(format!("what is stored is wrong: {report}").into()),
        None => Ok(()),
    }
}

pub async fn backfill_tags(subject: &Subject, cut: &mut Cut) -> Outcome {
    if !subject.store.engine().capabilities().has(Capability::Tags) {
        return Ok(());
    }
    match subject.store_of(parcels::older()?).await {
        Ok(older) => {
            for place in ["north/Oslo", "south/Rome", "north/Oslo"] {
                parcels::post(&older, place).await?;
            }
        }
        // A run before this one has declared the tag.
        Err(Error::OlderProgram { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let newer = subject.store_of(parcels::newer()?).await?;
    let done = cut.short(newer.backfill_tags().batch_size(1).run()).await.transpose()?;
    let read = newer.with_context(async |ctx| ctx.read(Region::of("north")).await).await;
    match read {
        Ok(north) if north.sent == 2 => Ok(()),
        Err(Error::TagIncomplete { .. }) if done.is_none() => Ok(()),
        other => Err(format!("after {done:?}, the boundary is {other:?}").into()),
    }
}
