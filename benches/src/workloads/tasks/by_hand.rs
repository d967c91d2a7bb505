//! The same tasks in a table of a program without a framework, in the manner of `graphile-worker` and `apalis-postgres`:
//! one statement claims a row, and another one deletes it together with the effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;

use super::{FULL, MakeDeposit};
use crate::contest::Side;
use crate::crew::{Crew, Step, Worker};
use crate::engines::Ground;
use crate::raw::{Job, Jobs};
use crate::sample::Worked;

/// The workers of a queue by hand.
pub(super) struct Hands {
    jobs: Arc<Jobs>,
    crew: Crew<Hand>,
}

struct Hand {
    jobs: Arc<Jobs>,
    accounts: Arc<AtomicI64>,
}

pub(super) async fn hands(ground: &Ground, workers: u32) -> anyhow::Result<Hands> {
    let jobs = Arc::new(Jobs::create(&ground.url()).await?);
    let accounts = Arc::new(AtomicI64::new(0));
    let hand = |_| Hand { jobs: Arc::clone(&jobs), accounts: Arc::clone(&accounts) };
    let crew = Crew::of((0..workers).map(hand));
    Ok(Hands { jobs, crew })
}

impl Worker for Hand {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let Job { id, payload } =
            self.jobs.claim().await?.context("the queue ran empty: measure shorter rounds")?;
        let task: MakeDeposit = serde_json::from_slice(&payload)?;
        let event = serde_json::to_vec(&task.event())?;
        let account = self.accounts.fetch_add(1, Ordering::Relaxed);
        self.jobs.complete(id, account, &event).await?;
        Ok(Step::ONE)
    }
}

#[async_trait]
impl Side for Hands {
    async fn prepare(&mut self) -> anyhow::Result<()> {
        let payload = serde_json::to_vec(&MakeDeposit::of(2))?;
        self.jobs.fill(&payload, i64::try_from(FULL)?).await
    }

    async fn work(&mut self, time: Duration) -> anyhow::Result<Worked> {
        self.crew.work(time).await
    }
}
