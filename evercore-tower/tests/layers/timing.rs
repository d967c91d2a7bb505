//! Reports about commands that have ended.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evercore::{AggregateId, Error, Target};
use evercore_tower::{CheckLayer, CommandService, Ended, Outcome as Ending, TimingLayer};
use futures_util::poll;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

use crate::bank::{Account, Deposit, Gate, Outcome, Withdraw, accounts, deposit, request, store};

/// The reports, as text.
#[derive(Clone, Debug, Default)]
struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    fn layer(&self) -> TimingLayer<impl Fn(&Ended<'_>) + Clone + Send + 'static> {
        let journal = self.clone();
        TimingLayer::new(move |ended: &Ended<'_>| {
            let outcome = match ended.outcome() {
                Ending::Failed(Error::UnknownKey { .. }) => "failed for want of an account",
                outcome => outcome.as_str(),
            };
            let id = ended.id().map(AggregateId::get);
            let line = format!("{} {} {id:?} {outcome}", ended.aggregate(), ended.command());
            journal.0.lock().expect("no test panics with it").push(line);
        })
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no test panics with it"))
    }
}

#[tokio::test]
async fn every_command_is_reported_once_when_it_ends() -> Outcome {
    let journal = Journal::default();
    let mut accounts = journal.layer().layer(accounts().await);

    let id = accounts.call(deposit("till", 30).with_idempotency_key("a")?).await?.id();
    accounts.call(deposit("till", 30).with_idempotency_key("a")?).await?;
    accounts.call(request(Target::Id(id), Deposit { amount: 0 })).await?;
    accounts.call(request(Target::New, Deposit { amount: 0 })).await?;
    let refused = accounts.call(request(Target::Id(id), Withdraw { amount: 31 })).await;
    refused.expect_err("it holds 30");
    let missing = Target::try_from("missing")?;
    accounts.call(request(missing, Withdraw { amount: 1 })).await.expect_err("there is none");

    assert_eq!(
        journal.take(),
        [
            "account Deposit Some(1) happened",
            "account Deposit Some(1) repetition",
            "account Deposit Some(1) nothing",
            "account Deposit None nothing",
            "account Withdraw Some(1) rejected",
            "account Withdraw None failed for want of an account",
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_dropped_command_is_reported_as_well() {
    let (journal, gate) = (Journal::default(), Gate::closed());
    let mut accounts = ServiceBuilder::new()
        .layer(journal.layer())
        .layer(CheckLayer::new(gate))
        .service(accounts().await);

    drop(accounts.call(deposit("till", 1)));
    assert_eq!(journal.take(), ["account Deposit None abandoned"], "before it began");

    let mut begun = accounts.call(deposit("till", 1));
    assert!(poll!(&mut begun).is_pending());
    assert_eq!(journal.take(), [""; 0]);
    drop(begun);
    assert_eq!(journal.take(), ["account Deposit None abandoned"]);
}

#[tokio::test(start_paused = true)]
async fn the_wait_of_a_command_counts_towards_its_duration() -> Outcome {
    let (gate, took) = (Gate::closed(), Arc::new(Mutex::new(Duration::ZERO)));
    let record = {
        let took = Arc::clone(&took);
        move |ended: &Ended<'_>| *took.lock().expect("no test panics with it") = ended.took()
    };
    let accounts = ServiceBuilder::new()
        .layer(TimingLayer::new(record))
        .layer(CheckLayer::new(gate.clone()))
        .service(CommandService::<Account>::new(store().await));

    let mut answer = accounts.oneshot(deposit("till", 1));
    assert!(poll!(&mut answer).is_pending());
    tokio::time::advance(Duration::from_secs(7)).await;
    gate.let_through(1);
    answer.await?;
    assert_eq!(*took.lock().expect("no test panics with it"), Duration::from_secs(7));
    Ok(())
}
