//! The suite of dropped futures detects engines that leave something behind.

use std::sync::Arc;

use async_trait::async_trait;
use evercore::engine::{
    Commit, Control, LoadRequest, LoadedAggregate, Reader, StorageEngine, SubscriptionStorage,
};
use evercore::{BoxError, Committed, Result, Start, SubscriptionName};
use evercore_conformance::CancellationHarness;
use evercore_conformance::cancellation::{self, Cut, Outcome, Subject};
use evercore_memory::MemoryEngine;
use tokio::sync::{Notify, Semaphore};
use tokio::task::yield_now;

use crate::engine::{Fault, Faulty, Sound};
use crate::write_faults::LandsInPartWhenDropped;

#[async_trait]
impl CancellationHarness for Faulty {
    fn url(&self) -> String {
        "memory:".to_owned()
    }

    async fn held(&self) -> Result<Vec<String>, BoxError> {
        Ok(Vec::new())
    }
}

/// Returns the permit of a read only if the load runs to its end.
#[derive(Debug)]
struct LosesAPlace(Semaphore);

#[async_trait]
impl Fault for LosesAPlace {
    async fn load(
        &self,
        reader: &dyn Reader,
        request: LoadRequest,
    ) -> Result<Option<LoadedAggregate>> {
        self.0.acquire().await.expect("it stays open").forget();
        yield_now().await;
        let loaded = reader.load(request).await;
        self.0.add_permits(1);
        loaded
    }
}

/// Leaves a task that waits for the end of a call, which never comes if the call is dropped.
#[derive(Debug)]
struct LeavesATask;

#[async_trait]
impl Fault for LeavesATask {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        let end = Arc::new(Notify::new());
        let waiting = Arc::clone(&end);
        tokio::spawn(async move { waiting.notified().await });
        yield_now().await;
        let committed = engine.commit(commit).await;
        end.notify_one();
        committed
    }
}

/// Resets the cursor to the end of the log first, and to the requested position only in a second step.
#[derive(Debug)]
struct ResetsInTwoSteps;

#[async_trait]
impl Fault for ResetsInTwoSteps {
    async fn control(
        &self,
        engine: &MemoryEngine,
        subscription: &SubscriptionName,
        control: &Control,
    ) -> Result<()> {
        if matches!(control, Control::Reset(_)) {
            engine.control(subscription, &Control::Reset(Start::End)).await?;
            yield_now().await;
        }
        engine.control(subscription, control).await
    }
}

async fn with_context(subject: &Subject, cut: &mut Cut) -> Outcome {
    cancellation::commits::with_context(subject, cut).await
}

async fn reset(subject: &Subject, cut: &mut Cut) -> Outcome {
    cancellation::administration::reset(subject, cut).await
}

fn assert_caught(
    fault: impl Fault,
    operation: impl AsyncFn(&Subject, &mut Cut) -> Outcome,
    words: &str,
) {
    let shown = format!("{fault:?}");
    let failure = cancellation::__run("a future", Faulty::new(fault), operation);
    let failure = failure.expect_err("it is noticed");
    println!("{shown} is caught: {failure}");
    assert!(failure.contains(words), "{shown} is caught by something else: {failure}");
}

#[test]
fn nothing_is_found_where_there_is_no_fault() {
    let checked = cancellation::__run("with_context", Faulty::new(Sound), with_context);
    assert_eq!(checked, Ok(()));
    let checked = cancellation::__run("reset", Faulty::new(Sound), reset);
    assert_eq!(checked, Ok(()));
}

#[test]
fn a_commit_that_is_left_in_part_is_caught() {
    assert_caught(LandsInPartWhenDropped, with_context, "1 of 2 events of a commit are there");
}

#[test]
fn a_place_that_is_not_given_back_is_caught() {
    assert_caught(LosesAPlace(Semaphore::new(1)), with_context, "does not go on");
}

#[test]
fn a_task_that_is_left_behind_is_caught() {
    assert_caught(LeavesATask, with_context, "tasks of");
}

#[test]
fn a_change_of_two_steps_is_caught() {
    assert_caught(ResetsInTwoSteps, reset, "it is (");
}
