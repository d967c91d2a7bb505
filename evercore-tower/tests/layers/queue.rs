//! The queue of each aggregate.

use evercore::{CommandError, Error, Target};
use evercore_tower::{CheckLayer, Checked, CommandRequest, CommandService, QueueLayer, Queued};
use futures_util::{FutureExt, poll};
use tower::{Service, ServiceBuilder};

use crate::bank::{Account, Deposit, Gate, Outcome, Withdraw, accounts, deposit, request};

type Gated = Queued<Checked<CommandService<Account>, Gate>>;

/// Returns a service with a queue in front of the gate.
async fn gated(queue: QueueLayer, gate: &Gate) -> Gated {
    ServiceBuilder::new()
        .layer(queue)
        .layer(CheckLayer::new(gate.clone()))
        .service(accounts().await)
}

/// Sends a command up to the gate.
async fn begin<S>(accounts: &mut S, request: CommandRequest<Deposit>) -> S::Future
where
    S: Service<CommandRequest<Deposit>, Future: Unpin>,
{
    let mut answer = accounts.call(request);
    assert!(poll!(&mut answer).is_pending(), "the gate is closed");
    answer
}

/// Returns the error of a full queue, which comes at once.
fn refusal(accounts: &mut Gated, request: CommandRequest<Deposit>) -> Error {
    match accounts.call(request).now_or_never() {
        Some(Err(CommandError::Store(error @ Error::QueueFull { .. }))) => error,
        other => panic!("it found room: {other:?}"),
    }
}

#[tokio::test]
async fn commands_have_their_turn_in_the_order_in_which_they_came() -> Outcome {
    let gate = Gate::closed();
    let mut accounts = gated(QueueLayer::new(), &gate).await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(begin(&mut accounts, deposit("till", 1)).await);
    }
    gate.let_through(5);
    for turn in 0..5 {
        // Polling does not help a command that is not the next.
        for later in answers[turn + 1..].iter_mut().rev() {
            assert!(poll!(later).is_pending());
        }
        let next = (&mut answers[turn]).now_or_never().expect("it has its turn")?;
        assert_eq!(usize::try_from(next.state().balance), Ok(turn + 1));
    }
    Ok(())
}

#[tokio::test]
async fn a_command_that_is_dropped_leaves_the_queue() -> Outcome {
    let gate = Gate::closed();
    let mut accounts = gated(QueueLayer::new(), &gate).await;
    let at_work = begin(&mut accounts, deposit("till", 1)).await;
    let waiting = begin(&mut accounts, deposit("till", 2)).await;
    let patient = begin(&mut accounts, deposit("till", 4)).await;
    drop(waiting);
    drop(at_work);
    gate.let_through(1);
    assert_eq!(patient.await?.state().balance, 4);
    Ok(())
}

#[tokio::test]
async fn commands_beyond_the_queue_limit_are_refused_until_there_is_room() -> Outcome {
    let gate = Gate::closed();
    let mut accounts = gated(QueueLayer::new().max_waiting(1), &gate).await;
    let first = begin(&mut accounts, deposit("till", 1)).await;
    let second = begin(&mut accounts, deposit("till", 2)).await;

    let refused = refusal(&mut accounts, deposit("till", 4));
    assert!(refused.is_retryable());
    assert_eq!(
        refused.to_string(),
        "the queue for the aggregate with the key `till` is full (waiting: 1); retry when fewer commands wait, or raise its limit"
    );

    gate.let_through(2);
    first.await?;
    let third = begin(&mut accounts, deposit("till", 4)).await;
    second.await?;
    gate.let_through(1);
    assert_eq!(third.await?.state().balance, 7);
    Ok(())
}

#[tokio::test]
async fn aggregates_do_not_wait_for_each_other() -> Outcome {
    let gate = Gate::closed();
    let mut accounts = gated(QueueLayer::new().max_waiting(0), &gate).await;
    let till = begin(&mut accounts, deposit("till", 1)).await;
    let safe = begin(&mut accounts, deposit("safe", 1)).await;
    // A new aggregate has no queue.
    let new = || request(Target::New, Deposit { amount: 1 });
    let (new, newer) = (begin(&mut accounts, new()).await, begin(&mut accounts, new()).await);
    gate.let_through(4);
    for answer in [newer, new, safe, till] {
        assert_eq!(answer.await?.state().balance, 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_key_is_one_queue_whether_it_is_taken_or_not() -> Outcome {
    let gate = Gate::closed();
    let mut accounts = gated(QueueLayer::new().max_waiting(0), &gate).await;
    let till = begin(&mut accounts, deposit("till", 1)).await;
    for target in [Target::try_from("till")?, Target::new_with_key("till")?] {
        refusal(&mut accounts, request(target, Deposit { amount: 1 }));
    }
    gate.let_through(1);
    till.await?;
    Ok(())
}

#[tokio::test]
async fn an_id_and_a_key_are_two_queues() -> Outcome {
    let gate = Gate::closed();
    let mut accounts = gated(QueueLayer::new().max_waiting(0), &gate).await;
    gate.let_through(1);
    let id = accounts.call(deposit("till", 1)).await?.id();

    let by_key = begin(&mut accounts, deposit("till", 2)).await;
    let by_id = begin(&mut accounts, request(Target::Id(id), Deposit { amount: 4 })).await;
    gate.let_through(2);
    assert_eq!(by_id.await?.state().balance, 5);
    assert_eq!(by_key.await?.state().balance, 7);
    Ok(())
}

#[tokio::test]
async fn all_that_a_layer_is_put_around_shares_its_queues() -> Outcome {
    let (queue, gate) = (QueueLayer::new().max_waiting(0), Gate::closed());
    let mut one = gated(queue.clone(), &gate).await;
    let mut other = gated(queue, &gate).await;
    let first = begin(&mut one, deposit("till", 1)).await;
    refusal(&mut other, deposit("till", 1));
    gate.let_through(1);
    first.await?;
    Ok(())
}

#[tokio::test]
async fn a_command_that_waits_takes_no_room_below() -> Outcome {
    let gate = Gate::closed();
    let mut accounts = ServiceBuilder::new()
        .layer(QueueLayer::new())
        .concurrency_limit(2)
        .layer(CheckLayer::new(gate.clone()))
        .service(accounts().await);
    let till = begin(&mut accounts, deposit("till", 1)).await;
    let waits = begin(&mut accounts, deposit("till", 1)).await;
    let safe = begin(&mut accounts, deposit("safe", 1)).await;
    // The second permit goes to the safe, although the till has two commands.
    gate.let_through(2);
    safe.await?;
    till.await?;
    gate.let_through(1);
    assert_eq!(waits.await?.state().balance, 2);
    Ok(())
}

#[tokio::test]
async fn commands_of_all_types_share_a_queue() -> Outcome {
    let gate = Gate::closed();
    let mut accounts = gated(QueueLayer::new(), &gate).await;
    let deposited = begin(&mut accounts, deposit("till", 1)).await;
    let withdraw = request(Target::try_from("till")?, Withdraw { amount: 1 });
    let mut withdrawn = accounts.call(withdraw);
    assert!(poll!(&mut withdrawn).is_pending());
    gate.let_through(2);
    assert!(poll!(&mut withdrawn).is_pending(), "the deposit has its turn");
    deposited.await?;
    assert_eq!(withdrawn.await?.state().balance, 0);
    Ok(())
}
