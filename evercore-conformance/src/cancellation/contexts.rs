//! Drops reads of a context while the context continues, as a timeout in user code would.

use evercore::engine::Capability;
use evercore::{Context, Error, EventStore, Result};

use super::subject::LEFT;
use super::{Cut, Outcome, Subject};
use crate::domain::counter::{self, Added, Counter};
use crate::domain::courses::{self, Seats};
use crate::domain::member;

/// Checks that everything staged after the drop is committed as a whole.
async fn go_on_after(
    subject: &Subject,
    store: &EventStore,
    dropped: impl AsyncFnOnce(&mut Context) -> Result<()>,
) -> Outcome {
    let mark = Subject::mark();
    store
        .with_context_once(async |ctx| {
            dropped(ctx).await?;
            subject.add_to_both(ctx, &mark).await
        })
        .await?;
    subject.check_whole(&mark, 2, true).await
}

pub async fn load(subject: &Subject, cut: &mut Cut) -> Outcome {
    let read = async |ctx: &mut Context| {
        cut.short(ctx.load::<Counter>(subject.left)).await.transpose().map(drop)
    };
    go_on_after(subject, &subject.store, read).await
}

pub async fn load_by_key(subject: &Subject, cut: &mut Cut) -> Outcome {
    let read = async |ctx: &mut Context| {
        cut.short(ctx.load_by_key::<Counter>(LEFT)).await.transpose().map(drop)
    };
    go_on_after(subject, &subject.store, read).await
}

pub async fn find(subject: &Subject, cut: &mut Cut) -> Outcome {
    let read = async |ctx: &mut Context| {
        cut.short(ctx.find::<Counter>(subject.right)).await.transpose().map(drop)
    };
    go_on_after(subject, &subject.store, read).await
}

pub async fn find_by_key(subject: &Subject, cut: &mut Cut) -> Outcome {
    let read = async |ctx: &mut Context| {
        cut.short(ctx.find_by_key::<Counter>("unknown")).await.transpose().map(drop)
    };
    go_on_after(subject, &subject.store, read).await
}

pub async fn find_by_unique(subject: &Subject, cut: &mut Cut) -> Outcome {
    if !subject.store.engine().capabilities().has(Capability::UniqueValues) {
        return Ok(());
    }
    let mark = Subject::mark();
    member::create(&subject.witness, member::with_email(&mark)).await?;
    let read = async |ctx: &mut Context| {
        let both = async {
            ctx.find_by_unique(member::by_email("unknown")).await?;
            ctx.load_by_unique(member::by_email(&mark)).await.map(drop)
        };
        cut.short(both).await.transpose().map(drop)
    };
    go_on_after(subject, &subject.store, read).await
}

/// The context has staged the aggregate or does not know it: when asked again, it creates exactly one.
pub async fn load_or_create(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let make = async |ctx: &mut Context| {
        cut.short(ctx.load_or_create::<Counter>(mark.as_str())).await.transpose()?;
        let mut counter = ctx.load_or_create::<Counter>(mark.as_str()).await?;
        ctx.apply(&mut counter, Added { by: 1 })
    };
    go_on_after(subject, &subject.fresh_store().await?, make).await?;
    check_made(subject, &mark).await
}

/// A dropped read is no condition, and one that is made again is.
pub async fn read(subject: &Subject, cut: &mut Cut) -> Outcome {
    if !subject.store.engine().capabilities().has(Capability::Tags) {
        return Ok(());
    }
    let course = Subject::mark();
    let read = async |ctx: &mut Context| {
        cut.short(ctx.read(Seats::of(&course))).await.transpose()?;
        ctx.emit(courses::subscribed(&course, "Ada"))?;
        let seats = ctx.read(Seats::of(&course)).await?;
        assert_eq!(seats.students, ["Ada"], "a read sees what is staged, once");
        Ok(())
    };
    go_on_after(subject, &subject.store, read).await
}

pub async fn create(subject: &Subject, cut: &mut Cut) -> Outcome {
    let make = async |ctx: &mut Context| {
        cut.short(ctx.create::<Counter>()).await.transpose()?;
        let mut counter = ctx.create::<Counter>().await?;
        ctx.apply(&mut counter, Added { by: 1 })
    };
    go_on_after(subject, &subject.fresh_store().await?, make).await
}

/// A dropped creation has not staged the key.
pub async fn create_with_key(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let make = async |ctx: &mut Context| {
        let made = cut.short(ctx.create_with_key::<Counter>(mark.as_str())).await.transpose()?;
        let mut counter = match made {
            Some(counter) => counter,
            None => ctx.create_with_key::<Counter>(mark.as_str()).await?,
        };
        ctx.apply(&mut counter, Added { by: 1 })
    };
    go_on_after(subject, &subject.fresh_store().await?, make).await?;
    check_made(subject, &mark).await
}

async fn check_made(subject: &Subject, key: &str) -> Outcome {
    let id = counter::find_by_key(&subject.witness, key).await?;
    let id = id.ok_or_else(|| Error::UnknownKey {
        aggregate: "counter".to_owned(),
        key: key.to_owned(),
    })?;
    match counter::value(&subject.witness, id).await? {
        1 => Ok(()),
        value => Err(format!("it was made once and has the value {value}").into()),
    }
}
