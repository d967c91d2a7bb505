//! Whole stacks, including tower's own layers.

use std::future::{Ready, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::routing::post;
use evercore::command::Executed;
use evercore::{CommandError, Error, EventStore, Target};
use evercore_memory::{CommitFault, MemoryEngine};
use evercore_tower::{
    CheckLayer, CommandRequest, CommandService, Ended, QueueLayer, TimingLayer, TraceLayer,
};
use tokio::task::JoinSet;
use tower::retry::Policy;
use tower::timeout::error::Elapsed;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

use crate::bank::{Account, Answer, BankError, Deposit, Gate, Outcome, accounts, deposit};

type Deposits =
    BoxCloneSyncService<CommandRequest<Deposit>, Executed<Account>, CommandError<BankError>>;

fn is_an_amount(request: &CommandRequest<Deposit>) -> Result<(), BankError> {
    if request.command().amount > 0 { Ok(()) } else { Err(BankError::NotAnAmount) }
}

async fn deposits() -> Deposits {
    let stack = ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(TimingLayer::new(|_: &Ended<'_>| ()))
        .layer(CheckLayer::new(is_an_amount))
        .layer(QueueLayer::new())
        .concurrency_limit(8)
        .service(accounts().await);
    BoxCloneSyncService::new(stack)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_stack_runs_in_spawned_tasks() -> Outcome {
    let within = ServiceBuilder::new().timeout(Duration::from_secs(60)).service(deposits().await);
    let mut tasks = JoinSet::new();
    for nth in 0..100 {
        let key = if nth % 2 == 0 { "till" } else { "safe" };
        tasks.spawn(within.clone().oneshot(deposit(key, 1)));
    }
    for answer in tasks.join_all().await {
        answer.expect("they wait for each other");
    }
    let last = within.oneshot(deposit("till", 1)).await.expect("the queue is empty");
    assert_eq!(last.state().balance, 51);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_command_that_times_out_leaves_the_queue() {
    let gate = Gate::closed();
    let queued = ServiceBuilder::new()
        .layer(QueueLayer::new())
        .layer(CheckLayer::new(gate.clone()))
        .service(accounts().await);
    let within = ServiceBuilder::new().timeout(Duration::from_secs(5)).service(queued.clone());

    let stuck = within.oneshot(deposit("till", 1)).await.expect_err("the gate stays closed");
    assert!(stuck.is::<Elapsed>(), "{stuck}");
    gate.let_through(1);
    let next = queued.oneshot(deposit("till", 2)).await.expect("it is the first now");
    assert_eq!(next.state().balance, 2);
}

/// Retries a command while the error is retryable, up to this many times.
#[derive(Clone)]
struct WhileRetryable {
    times: u32,
}

impl<C: Clone> Policy<CommandRequest<C>, Executed<Account>, CommandError<BankError>>
    for WhileRetryable
{
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut CommandRequest<C>, answer: &mut Answer) -> Option<Ready<()>> {
        let Err(CommandError::Store(error)) = answer else { return None };
        self.times = self.times.checked_sub(1)?;
        error.is_retryable().then(|| ready(()))
    }

    fn clone_request(&mut self, request: &CommandRequest<C>) -> Option<CommandRequest<C>> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn a_retry_layer_works_between_the_layers() -> Outcome {
    let engine = MemoryEngine::new();
    let store = EventStore::builder().open(engine.clone()).await?;
    let trying = |times| {
        ServiceBuilder::new()
            .layer(TraceLayer::new())
            .layer(QueueLayer::new())
            .retry(WhileRetryable { times })
            .service(CommandService::<Account>::new(store.clone()))
    };
    engine.faults().next_commits(2, CommitFault::Unavailable);
    assert_eq!(trying(2).oneshot(deposit("till", 1)).await?.state().balance, 1);

    engine.faults().next_commits(2, CommitFault::Unavailable);
    let failed = trying(1).oneshot(deposit("till", 1)).await;
    assert!(matches!(failed, Err(CommandError::Store(Error::Unavailable { .. }))));
    Ok(())
}

async fn handle(
    State(deposits): State<Deposits>,
    Path((key, amount)): Path<(String, i64)>,
) -> Result<String, (StatusCode, String)> {
    let failed = |code| move |error: Error| (code, error.to_string());
    let account = Target::key_or_new(key).map_err(failed(StatusCode::BAD_REQUEST))?;
    let request = CommandRequest::new(account, Deposit { amount })
        .map_err(failed(StatusCode::BAD_REQUEST))?;
    match deposits.oneshot(request).await {
        Ok(deposited) => Ok(deposited.state().balance.to_string()),
        Err(CommandError::Rejected(why)) => {
            Err((StatusCode::UNPROCESSABLE_ENTITY, why.to_string()))
        }
        Err(CommandError::Store(error)) => Err(failed(StatusCode::SERVICE_UNAVAILABLE)(error)),
    }
}

#[tokio::test]
async fn a_stack_serves_an_axum_handler() {
    let routes = Router::new()
        .route("/accounts/{key}/deposits/{amount}", post(handle))
        .with_state(deposits().await);
    let send = async |path: &str| {
        let request = Request::post(path).body(Body::empty()).expect("it is a path");
        let response = routes.clone().oneshot(request).await.expect("routes do not fail");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1_000).await.expect("it is short");
        (status, String::from_utf8(body.to_vec()).expect("it is text"))
    };
    assert_eq!(send("/accounts/till/deposits/30").await, (StatusCode::OK, "30".to_owned()));
    assert_eq!(send("/accounts/till/deposits/12").await, (StatusCode::OK, "42".to_owned()));
    let (status, why) = send("/accounts/till/deposits/0").await;
    assert_eq!(
        (status, why.as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, "an amount is more than nothing")
    );
}
