//! The service itself, and its requests.

use evercore::{Error, Metadata, Target};
use evercore_tower::{CommandRequest, CommandService};
use tower::ServiceExt;

use crate::bank::{Account, BankError, Deposit, Outcome, Withdraw, accounts, deposit, store};

#[tokio::test]
async fn one_service_executes_every_command_of_its_aggregate() -> Outcome {
    let accounts = accounts().await;
    accounts.clone().oneshot(deposit("till", 30)).await?;
    let withdraw = |amount| CommandRequest::new("till", Withdraw { amount });
    let withdrawn = accounts.clone().oneshot(withdraw(20)?).await?;
    assert_eq!(withdrawn.state().balance, 10);
    let refused = accounts.oneshot(withdraw(20)?).await;
    assert_eq!(refused.expect_err("it holds 10").rejection(), Some(&BankError::InsufficientFunds));
    Ok(())
}

#[tokio::test]
async fn idempotency_key_and_metadata_reach_the_store() -> Outcome {
    let store = store().await;
    let accounts = CommandService::<Account>::new(store.clone());
    let request = deposit("till", 30)
        .with_idempotency_key("request-17")?
        .with_metadata(Metadata::new().principal("ada"));
    let first = accounts.clone().oneshot(request.clone()).await?;
    let again = accounts.oneshot(request).await?;
    assert!(again.is_repetition());
    assert_eq!(again.state().balance, 30);
    let history = store.history(first.id(), ..).await?.events;
    let principals: Vec<_> = history.iter().map(|event| event.metadata().principal_id()).collect();
    assert_eq!(principals, [Some("ada")]);
    Ok(())
}

#[test]
fn invalid_keys_make_no_request() {
    let request = CommandRequest::new("", Deposit { amount: 1 });
    assert!(matches!(request, Err(Error::InvalidKey { .. })));
    let request = deposit("till", 1).with_idempotency_key("a\0b");
    assert!(matches!(request, Err(Error::InvalidIdempotencyKey { .. })));
}

#[test]
fn a_request_does_not_print_its_command() {
    let request = CommandRequest::new(Target::New, Deposit { amount: 987_654 });
    let printed = format!("{:?}", request.expect("the target is one"));
    assert!(printed.contains("Deposit"), "{printed}");
    assert!(!printed.contains("987"), "{printed}");
}
