//! Transactions of the simulated database, whose effects count when their batch is settled.

use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{Commit, Completion, Positions, Settled, Transactor};
use evercore::{AggregateId, Committed, Error, Position, Result};

use crate::network::Network;

/// The effects that a handler has written.
#[derive(Debug, Default)]
pub(crate) struct Effects(pub(crate) Vec<Position>);

#[async_trait]
impl Transactor for Network {
    type Transaction = Effects;

    async fn begin(&self, _most_idle: Option<Duration>) -> Result<Effects> {
        self.call("begin", |_| async { Ok(Effects::default()) }).await
    }

    fn first_id(&self, _transaction: &Effects) -> Option<AggregateId> {
        None
    }

    // A transaction sends no statement over the network.
    async fn has_failed(
        &self,
        _transaction: &mut Effects,
        _error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> bool {
        false
    }

    async fn finish(&self, transaction: Effects, commit: Commit) -> Result<Committed> {
        let [Completion::Settlement(settlement)] = &*commit.completes else {
            panic!("only subscriptions have transactions here")
        };
        let settlement = settlement.clone();
        let id = commit.id;
        let finished = self
            .call("finish", move |at| async move {
                match at.settle(&settlement, &transaction.0)? {
                    Settled::Now | Settled::Before => Ok(Committed::new(id, Positions::NONE)),
                }
            })
            .await;
        match finished {
            // It is unknown whether the call was lost on the way there or back.
            Err(Error::Unavailable { source }) => Err(Error::OutcomeUnknown { commit: id, source }),
            finished => finished,
        }
    }
}
