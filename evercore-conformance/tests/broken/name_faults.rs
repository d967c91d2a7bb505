//! Faults in the handling of text.

use async_trait::async_trait;
use evercore::engine::{
    Commit, Control, EventRow, KeyChange, StorageEngine as _, SubscriptionStorage as _,
};
use evercore::{Committed, IdempotencyKey, NaturalKey, Result, SubscriptionName};
use evercore_memory::MemoryEngine;

use crate::engine::Fault;

/// Inserts values into SQL text without escaping or binding them: doubled quotes and escapes are read as one character.
#[derive(Debug)]
pub(crate) struct Splices;

#[async_trait]
impl Fault for Splices {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        for write in &mut commit.writes {
            if let KeyChange::Set(key) = &mut write.key {
                *key = NaturalKey::new(spliced(key.as_str()))?;
            }
        }
        if let Some(idempotency) = &mut commit.idempotency {
            idempotency.key = IdempotencyKey::new(spliced(idempotency.key.as_str()))?;
        }
        engine.commit(commit).await
    }

    async fn control(
        &self,
        engine: &MemoryEngine,
        subscription: &SubscriptionName,
        control: &Control,
    ) -> Result<()> {
        let subscription = SubscriptionName::new(&spliced(subscription.as_str()))?;
        engine.control(&subscription, control).await
    }

    fn show(&self, row: &mut EventRow) {
        row.event_type = spliced(&row.event_type).into();
        row.reference = row.reference.as_deref().map(|reference| spliced(reference).into());
    }
}

fn spliced(text: &str) -> String {
    text.replace("''", "'").replace("\\\\", "\\").replace("\\'", "'")
}
