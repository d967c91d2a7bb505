//! Closures that borrow, in futures that must be `Send`.

use std::cell::Cell;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use evercore::{Aggregate, Batch, Context, Error, EventStore, state_event};
use evercore_memory::MemoryEngine;
use futures_util::future::BoxFuture;

#[derive(Aggregate, Default)]
struct Account {
    owner: String,
}

#[state_event(aggregate = Account)]
struct AccountOpened {
    owner: String,
}

async fn memory() -> EventStore {
    EventStore::builder().open(MemoryEngine::new()).await.expect("memory opens")
}

async fn open(store: &EventStore, key: &str, owner: &str) -> Result<i64, Error> {
    store
        .with_context(async |ctx| {
            let mut account = ctx.create_with_key::<Account>(key).await?;
            ctx.apply(&mut account, AccountOpened { owner: owner.to_owned() })?;
            Ok(account.id().get())
        })
        .await
}

#[tokio::test]
async fn a_spawned_task_borrows_its_captures() {
    let store = memory().await;
    let task = tokio::spawn({
        let store = store.clone();
        async move {
            let (key, owner) = (String::from("1"), String::from("Ada"));
            let id = open(&store, &key, &owner).await?;
            store
                .with_context(async |ctx| {
                    let account = ctx.load_by_key::<Account>(&key).await?;
                    assert_eq!(account.state().owner, owner);
                    Ok::<_, Error>(account.id().get() == id)
                })
                .await
        }
    });
    assert!(task.await.expect("no panic").expect("no error"));
}

#[tokio::test]
async fn a_spawned_closure_that_runs_once_needs_no_clone() {
    struct NotClone(String);

    let store = memory().await;
    let task = tokio::spawn(async move {
        let (owner, suffix) = (NotClone("Ada".to_owned()), String::from("!"));
        store
            .with_context_once(async |ctx| {
                let mut account = ctx.create::<Account>().await?;
                let NotClone(owner) = owner;
                ctx.apply(&mut account, AccountOpened { owner: owner + &suffix })?;
                Ok::<_, Error>(account.into_state().owner)
            })
            .await
    });
    assert_eq!(task.await.expect("no panic").expect("no error"), "Ada!");
}

#[tokio::test]
async fn a_spawned_read_borrows_its_captures() {
    let store = memory().await;
    open(&store, "1", "Ada").await.expect("it is free");
    let task = tokio::spawn(async move {
        let key = String::from("1");
        store
            .with_readonly_context(async |ctx| {
                let account = ctx.load_by_key::<Account>(&key).await?;
                Ok::<_, Error>(account.into_state().owner)
            })
            .await
    });
    assert_eq!(task.await.expect("no panic").expect("no error"), "Ada");
}

#[tokio::test]
async fn a_spawned_closure_may_own_what_threads_cannot_share() {
    let store = memory().await;
    let task = tokio::spawn(async move {
        let count = Cell::new(1);
        store
            .with_context(async move |ctx| {
                ctx.create::<Account>().await?;
                count.set(count.get() + 1);
                Ok::<_, Error>(count.get())
            })
            .await
    });
    assert_eq!(task.await.expect("no panic").expect("no error"), 2);
}

#[tokio::test]
async fn an_axum_handler_borrows_its_arguments() {
    async fn handler(
        State(store): State<Arc<EventStore>>,
        Path(key): Path<String>,
        Json(owner): Json<String>,
    ) -> String {
        let opened = store
            .with_context(async |ctx| {
                let mut account = ctx.create_with_key::<Account>(&key).await?;
                ctx.apply(&mut account, AccountOpened { owner: owner.clone() })?;
                Ok::<_, Error>(format!("{} opened {key}", account.state().owner))
            })
            .await;
        opened.unwrap_or_else(|error| error.to_string())
    }

    let store = Arc::new(memory().await);
    // Compiling this is the test: axum's `Handler` requires a `Send` future.
    let _: Router =
        Router::new().route("/accounts/{key}", post(handler)).with_state(Arc::clone(&store));

    let path = Path("1".to_owned());
    let said = handler(State(store), path, Json("Ada".to_owned())).await;
    assert_eq!(said, "Ada opened 1");
}

#[tokio::test]
async fn an_axum_handler_waits_for_its_own_write() {
    async fn handler(State(store): State<EventStore>, Path(key): Path<String>) -> String {
        let opened = store.with_context_committed(async |ctx| {
            let mut account = ctx.create_with_key::<Account>(&key).await?;
            ctx.apply(&mut account, AccountOpened { owner: key.clone() })
        });
        let ((), landed) = opened.await.expect("the key is free");
        let position = landed.and_then(|commit| commit.position()).expect("an event was applied");
        match store.wait_for("owners", position).await {
            Ok(()) => format!("{key} is in the read model"),
            Err(error) => error.to_string(),
        }
    }

    let store = memory().await;
    // A service runs its worker in a task.
    let worker = tokio::spawn({
        let store = store.clone();
        async move { store.subscription("owners").run(async |_: Batch| Ok::<_, Error>(())).await }
    });
    while store.subscriptions().find("owners").await.expect("memory answers").is_none() {
        tokio::task::yield_now().await;
    }
    let _: Router = Router::new().route("/{key}", post(handler)).with_state(store.clone());
    let said = tokio::spawn(handler(State(store.clone()), Path("Ada".to_owned()))).await;
    assert_eq!(said.expect("no panic"), "Ada is in the read model");
    store.close().await.expect("it closes");
    assert!(matches!(worker.await.expect("no panic"), Err(Error::Closed)));
}

/// A function that is generic over closures cannot require that their futures are `Send`, except with a boxed future.
#[tokio::test]
async fn a_spawned_function_over_any_closure_takes_a_boxed_future() {
    async fn audited<F>(store: &EventStore, owner: &str, work: F) -> Result<i64, Error>
    where
        F: for<'c> FnOnce(&'c mut Context) -> BoxFuture<'c, Result<i64, Error>> + Clone + Send,
    {
        let id = store.with_context(async move |ctx| work(ctx).await).await?;
        Ok(if owner.is_empty() { 0 } else { id })
    }

    let store = memory().await;
    let task = tokio::spawn(async move {
        let owner = String::from("Ada");
        audited(&store, &owner, {
            let owner = owner.clone();
            move |ctx| {
                Box::pin(async move {
                    let mut account = ctx.create::<Account>().await?;
                    ctx.apply(&mut account, AccountOpened { owner })?;
                    Ok(account.id().get())
                })
            }
        })
        .await
    });
    assert_eq!(task.await.expect("no panic").expect("no error"), 1);
}
