//! A subscription that starts at the beginning, reads to the end of the log, and keeps its cursor in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use evento::Executor;
use evento::metadata::Event;
use evento::subscription::{Context, SubscriptionBuilder};

use crate::account::MoneyDeposited;

/// The number of events in a read. Each read skips all events before it, so the default of 300 takes far longer.
const PAGE: u16 = 10_000;

#[derive(Clone, Default)]
struct Seen(Arc<Sums>);

#[derive(Default)]
struct Sums {
    events: AtomicU64,
    total: AtomicI64,
}

/// Returns the number of events and the sum of their amounts.
pub(crate) async fn follow<E: Executor>(executor: &E) -> anyhow::Result<(u64, i64)> {
    let seen = Seen::default();
    SubscriptionBuilder::new("follower")
        .data(seen.clone())
        .handler(on_money_deposited())
        .chunk_size(PAGE)
        .ephemeral()
        .run_once(executor)
        .await?;
    let Sums { events, total } = &*seen.0;
    Ok((events.load(Ordering::Relaxed), total.load(Ordering::Relaxed)))
}

#[evento::subscription]
async fn on_money_deposited<E: Executor>(
    context: &Context<'_, E>,
    event: Event<MoneyDeposited>,
) -> anyhow::Result<()> {
    let Seen(sums) = context.extract();
    sums.events.fetch_add(1, Ordering::Relaxed);
    sums.total.fetch_add(event.data.amount, Ordering::Relaxed);
    Ok(())
}
