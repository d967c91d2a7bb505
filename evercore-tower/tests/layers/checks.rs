//! Checks that run before the decision.

use std::collections::HashSet;
use std::sync::Arc;

use evercore::{CommandError, Metadata, Target};
use evercore_tower::{Check, CheckLayer, CommandRequest};
use futures_util::{FutureExt, poll};
use tokio::sync::RwLock;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

use crate::bank::{BankError, Deposit, Gate, Outcome, Withdraw, accounts, deposit, request};

fn is_an_amount(request: &CommandRequest<Deposit>) -> Result<(), BankError> {
    if request.command().amount > 0 { Ok(()) } else { Err(BankError::NotAnAmount) }
}

/// Admits only clerks, for any command.
struct ClerksOnly {
    clerks: Arc<RwLock<HashSet<&'static str>>>,
}

impl<C: Sync> Check<C> for ClerksOnly {
    type Error = BankError;

    async fn check(&self, request: &CommandRequest<C>) -> Result<(), BankError> {
        let principal = request.principal().ok_or(BankError::NotAllowed)?;
        let clerks = self.clerks.read().await;
        if clerks.contains(principal) { Ok(()) } else { Err(BankError::NotAllowed) }
    }
}

#[tokio::test]
async fn refused_commands_do_not_reach_the_store() -> Outcome {
    let accounts = CheckLayer::new(is_an_amount).layer(accounts().await);
    // The store would report that the account does not exist.
    let refused = accounts.clone().oneshot(CommandRequest::new("none", Deposit { amount: 0 })?);
    assert!(matches!(refused.await, Err(CommandError::Rejected(BankError::NotAnAmount))));
    let passed = accounts.oneshot(CommandRequest::new("none", Deposit { amount: 1 })?);
    assert!(matches!(passed.await, Err(CommandError::Store(_))));
    Ok(())
}

#[tokio::test]
async fn one_check_asks_others_about_all_commands() -> Outcome {
    let clerks = Arc::new(RwLock::new(HashSet::from(["ada"])));
    let only = CheckLayer::new(ClerksOnly { clerks: Arc::clone(&clerks) });
    let mut accounts = only.layer(accounts().await);
    let by = |principal| Metadata::new().principal(principal);

    accounts.call(deposit("till", 30).with_metadata(by("ada"))).await?;
    let anonymous = accounts.call(deposit("till", 30)).await;
    assert_eq!(
        anonymous.expect_err("it has no principal").rejection(),
        Some(&BankError::NotAllowed)
    );

    let withdraw = || request(Target::try_from("till").expect("a key"), Withdraw { amount: 10 });
    let bobs = accounts.call(withdraw().with_metadata(by("bob"))).await;
    assert_eq!(bobs.expect_err("not by bob").rejection(), Some(&BankError::NotAllowed));

    clerks.write().await.insert("bob");
    let bobs = accounts.call(withdraw().with_metadata(by("bob"))).await?;
    assert_eq!(bobs.state().balance, 20);
    Ok(())
}

#[tokio::test]
async fn a_refused_command_needs_no_capacity_below() -> Outcome {
    let gate = Gate::closed();
    let mut accounts = ServiceBuilder::new()
        .layer(CheckLayer::new(is_an_amount))
        .concurrency_limit(1)
        .layer(CheckLayer::new(gate.clone()))
        .service(accounts().await);
    let mut first = accounts.call(deposit("till", 1));
    assert!(poll!(&mut first).is_pending(), "it takes the room that there is");

    let refused = accounts.call(deposit("till", 0)).now_or_never().expect("it does not wait");
    assert_eq!(refused.expect_err("it is nothing").rejection(), Some(&BankError::NotAnAmount));
    gate.let_through(1);
    first.await?;
    Ok(())
}
