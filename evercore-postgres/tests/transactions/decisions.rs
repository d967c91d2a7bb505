//! Decisions on boundaries are committed together with what their transactions wrote.

use std::sync::atomic::{AtomicU32, Ordering};

use evercore::{Apply, Boundary, Error, EventMeta, EventStore, event};
use evercore_postgres::{PostgresContext, PostgresEngine};

use crate::{Account, Bank, Deposited, options};

#[event(name = "taken", tags(seat))]
pub(crate) struct Taken {
    pub(crate) seat: u32,
}

#[derive(Boundary, Default)]
#[boundary(key(seat: u32), events(Taken))]
pub(crate) struct Seat {
    pub(crate) times: usize,
}

impl Apply<Taken> for Seat {
    fn apply(&mut self, _event: &Taken, _meta: &EventMeta) {
        self.times += 1;
    }
}

/// Takes the seat and the key.
async fn take_both(store: &EventStore) -> Result<(), Error> {
    store
        .with_context(async |ctx| {
            let mut account = ctx.create_with_key::<Account>("ada").await?;
            ctx.apply(&mut account, Deposited { amount: 1 })?;
            ctx.emit(Taken { seat: 1 })
        })
        .await
}

#[tokio::test]
async fn a_stale_decision_that_takes_a_key_is_made_again() {
    let bank = Bank::new("tx_stale").await;
    let engine = PostgresEngine::open(options("tx_stale")).await.expect("the server answers");
    let rival = EventStore::builder().open(engine).await.expect("it opens");
    let runs = AtomicU32::new(0);
    let times: Result<usize, Error> = bank
        .store
        .with_transaction(async |ctx: &mut PostgresContext| {
            let seat = ctx.read(Seat::of(1)).await?;
            if runs.fetch_add(1, Ordering::Relaxed) == 0 {
                Box::pin(take_both(&rival)).await?;
            }
            if seat.times == 0 {
                ctx.emit(Taken { seat: 1 })?;
                let mut account = ctx.create_with_key::<Account>("ada").await?;
                ctx.apply(&mut account, Deposited { amount: 1 })?;
            }
            Ok(seat.times)
        })
        .await;
    assert_eq!((times.expect("the seat is taken by now"), runs.into_inner()), (1, 2));
}
