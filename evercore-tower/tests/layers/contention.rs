//! Many writers of one aggregate, with and without the queue.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use evercore::{CommandError, Decide, Decision, Error, EventStore};
use evercore_tower::{CommandRequest, CommandService, QueueLayer};
use tokio::task::JoinSet;
use tower::{Layer, Service, ServiceExt};

use crate::bank::{Account, BankError, MoneyMoved, Outcome, deposit, store};

/// Two decisions that are made at the same time, and therefore on the same state.
#[derive(Debug)]
struct Meeting {
    patience: Duration,
    deciding: Mutex<u32>,
    met: Condvar,
}

/// A deposit that gives another one the time to decide as well.
#[derive(Clone)]
struct DepositMeeting(Arc<Meeting>);

impl Meeting {
    fn new(patience: Duration) -> Arc<Self> {
        Arc::new(Self { patience, deciding: Mutex::new(0), met: Condvar::new() })
    }

    /// Waits for another command to decide, until that has happened once.
    fn wait(&self) {
        let mut deciding = self.deciding.lock().expect("no test panics with it");
        *deciding += 1;
        self.met.notify_all();
        let alone = |deciding: &mut u32| *deciding < 2;
        let waited = self.met.wait_timeout_while(deciding, self.patience, alone);
        let (mut deciding, _) = waited.expect("no test panics with it");
        if *deciding < 2 {
            *deciding -= 1;
        }
    }

    fn has_happened(&self) -> bool {
        *self.deciding.lock().expect("no test panics with it") >= 2
    }
}

impl Decide<DepositMeeting> for Account {
    type Error = BankError;

    fn decide(account: &mut Decision<'_, Self>, command: &DepositMeeting) -> Result<(), BankError> {
        command.0.wait();
        account.emit(MoneyMoved { amount: 1 });
        Ok(())
    }
}

/// Makes twenty deposits into one account, from as many tasks. Returns the number that failed with a conflict.
async fn conflicts<S>(accounts: S, meeting: &Arc<Meeting>) -> usize
where
    S: Service<CommandRequest<DepositMeeting>, Error = CommandError<BankError>>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Response: Send,
{
    let mut deposits = JoinSet::new();
    for _ in 0..20 {
        let request = CommandRequest::new("till", DepositMeeting(Arc::clone(meeting)));
        deposits.spawn(accounts.clone().oneshot(request.expect("it is a key")));
    }
    let answers = deposits.join_all().await;
    let failed = answers.into_iter().filter_map(Result::err).inspect(|error| {
        assert!(matches!(error, CommandError::Store(Error::Conflict { .. })), "{error}");
    });
    failed.count()
}

async fn balance(store: &EventStore) -> i64 {
    let till =
        store.with_readonly_context(async |ctx| ctx.load_by_key::<Account>("till").await).await;
    till.expect("it is there").state().balance
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_of_one_aggregate_that_queue_have_no_conflict() -> Outcome {
    let store = store().await;
    let accounts = QueueLayer::new().layer(CommandService::<Account>::new(store.clone()));
    accounts.clone().oneshot(deposit("till", 100)).await?;

    let meeting = Meeting::new(Duration::from_millis(10));
    assert_eq!(conflicts(accounts, &meeting).await, 0);
    assert!(!meeting.has_happened());
    assert_eq!(balance(&store).await, 120);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_of_one_aggregate_that_do_not_queue_have_conflicts() -> Outcome {
    let store = store().await;
    let accounts = CommandService::<Account>::new(store.clone());
    accounts.clone().oneshot(deposit("till", 100)).await?;

    let meeting = Meeting::new(Duration::from_secs(60));
    let conflicts = conflicts(accounts, &meeting).await;
    assert!(meeting.has_happened());
    assert!(conflicts > 0);
    let landed = 20 - i64::try_from(conflicts).expect("it is at most 20");
    assert_eq!(balance(&store).await, 100 + landed);
    Ok(())
}
