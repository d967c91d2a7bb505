//! The read model: a table of the tickets, in the database of the events.

use evercore::subscription::TransactionRouter;
use evercore::{EventStore, Received};
use serde::Serialize;

use crate::database::{DatabaseContext, DatabaseTransaction, Pool};
use crate::domain::{TicketAssigned, TicketClosed, TicketOpened};

/// The name of the subscription that keeps the table.
pub(crate) const TICKETS: &str = "tickets";

#[derive(Debug, Serialize)]
pub(crate) struct TicketRow {
    id: i64,
    customer: String,
    subject: String,
    agent: Option<String>,
}

/// Creates the table, unless it is there.
pub(crate) async fn create(store: &EventStore) -> anyhow::Result<()> {
    let create = async |ctx: &mut DatabaseContext| {
        sqlx::query(include_str!("tickets.sql")).execute(&mut **ctx.transaction()).await?;
        Ok(())
    };
    store.with_transaction(create).await
}

/// Returns the handler that keeps the table. Each event takes effect exactly once.
pub(crate) fn keep() -> TransactionRouter<DatabaseTransaction> {
    TransactionRouter::new().on(opened).on(assigned).on(closed)
}

async fn opened(ctx: &mut DatabaseContext, opened: Received<TicketOpened>) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO tickets (id, customer, subject) VALUES ($1, $2, $3)")
        .bind(opened.recorded().aggregate_id().get())
        .bind(&opened.customer)
        .bind(&opened.subject)
        .execute(&mut **ctx.transaction())
        .await?;
    Ok(())
}

async fn assigned(
    ctx: &mut DatabaseContext,
    assigned: Received<TicketAssigned>,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE tickets SET agent = $2 WHERE id = $1")
        .bind(assigned.recorded().aggregate_id().get())
        .bind(&assigned.agent)
        .execute(&mut **ctx.transaction())
        .await?;
    Ok(())
}

async fn closed(ctx: &mut DatabaseContext, closed: Received<TicketClosed>) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM tickets WHERE id = $1")
        .bind(closed.recorded().aggregate_id().get())
        .execute(&mut **ctx.transaction())
        .await?;
    Ok(())
}

pub(crate) async fn open_tickets(pool: &Pool) -> sqlx::Result<Vec<TicketRow>> {
    let rows = sqlx::query_as("SELECT id, customer, subject, agent FROM tickets ORDER BY id");
    let rows = rows.fetch_all(pool).await?.into_iter();
    Ok(rows
        .map(|(id, customer, subject, agent)| TicketRow { id, customer, subject, agent })
        .collect())
}
