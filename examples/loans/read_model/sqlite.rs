//! Keeps the tables in SQLite.

use evercore::subscription::SubscriptionBuilder;
use evercore::{Batch, Error, EventStore};
use evercore_sqlite::SqliteContext;

use super::{
    Additions, COUNT_ACTIVITY, CREATE_ACTIVITIES, CREATE_CASES, READ_ACTIVITIES, READ_CASES, Rows,
    STRETCH_CASE,
};

pub(super) async fn create(store: &EventStore) -> anyhow::Result<()> {
    let create = async |ctx: &mut SqliteContext| {
        for table in [CREATE_ACTIVITIES, CREATE_CASES] {
            sqlx::query(table).execute(&mut **ctx.transaction()).await?;
        }
        Ok(())
    };
    store.with_transaction(create).await
}

pub(super) async fn keep(subscription: SubscriptionBuilder) -> Result<(), Error> {
    let count = async |ctx: &mut SqliteContext, batch: Batch| {
        let Additions { activities, cases } = Additions::of(&batch)?;
        for ((activity, lifecycle), events) in activities {
            let count =
                sqlx::query(COUNT_ACTIVITY).bind(activity).bind(lifecycle.to_string()).bind(events);
            count.execute(&mut **ctx.transaction()).await?;
        }
        for (id, span) in cases {
            let stretch =
                sqlx::query(STRETCH_CASE).bind(id.get()).bind(span.first_at).bind(span.last_at);
            stretch.execute(&mut **ctx.transaction()).await?;
        }
        anyhow::Ok(())
    };
    subscription.run_in_transaction(count).await
}

pub(super) async fn read(store: &EventStore) -> anyhow::Result<Rows> {
    let read = async |ctx: &mut SqliteContext| {
        let activities =
            sqlx::query_as(READ_ACTIVITIES).fetch_all(&mut **ctx.transaction()).await?;
        let cases = sqlx::query_as(READ_CASES).fetch_all(&mut **ctx.transaction()).await?;
        Ok((activities, cases))
    };
    store.with_transaction(read).await
}
