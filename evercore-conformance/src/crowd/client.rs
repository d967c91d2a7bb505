//! A single client of the crowd.

use std::sync::Arc;

use evercore::{EventStore, Result};
use fastrand::Rng;

use super::operations::{Operation, Shared, is_expected};
use crate::cut::drop_after_polls;

/// One in this many operations is dropped before it is done.
const DROPPED: u32 = 10;

/// The maximum number of polls before the drop.
const MOST_POLLS: u32 = 8;

#[derive(Debug)]
pub(super) struct Client {
    store: EventStore,
    shared: Arc<Shared>,
    random: Rng,
}

impl Client {
    pub(super) const fn new(store: EventStore, shared: Arc<Shared>, random: Rng) -> Self {
        Self { store, shared, random }
    }

    /// Runs this many operations. Returns the first error that is not an expected refusal.
    pub(super) async fn run(mut self, operations: u32) -> Result<()> {
        for _ in 0..operations {
            let operation = Operation::draw(&mut self.random);
            let done = operation.run(&self.store, &self.shared);
            let done = if self.random.u32(..DROPPED) == 0 {
                let polls = self.random.u32(1..=MOST_POLLS);
                drop_after_polls(polls, done).await.unwrap_or(Ok(()))
            } else {
                done.await
            };
            match done {
                Err(error) if !is_expected(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
