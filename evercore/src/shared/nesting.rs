//! Detects a commit that is made inside the closure of a context of the same store.
//!
//! Such a commit would succeed or fail independently of the enclosing context. If both change the same aggregate, each
//! attempt of the outer context would conflict with the inner commit. The closure is identified by its task: a task
//! that the closure spawns is a different one, and may commit.

use std::sync::Arc;

use super::Shared;

tokio::task_local! {
    static OPEN: Open;
}

/// The store whose context's closure runs in this task, and the stores of the closures around it.
#[derive(Clone, Debug)]
struct Open {
    /// The store's address. It is unique while the closure runs, since the call that runs it borrows the store.
    store: usize,
    outer: Option<Arc<Self>>,
}

/// Runs the closure of a context, and records that it does.
pub(crate) async fn within<F: Future>(store: &Arc<Shared>, work: F) -> F::Output {
    let outer = OPEN.try_with(|outer| Arc::new(outer.clone())).ok();
    OPEN.scope(Open { store: address(store), outer }, work).await
}

/// Returns whether this code runs inside the closure of a context of this store.
pub(crate) fn is_within(store: &Arc<Shared>) -> bool {
    let store = address(store);
    let includes = |open: &Open| {
        let outer = std::iter::successors(Some(open), |open| open.outer.as_deref());
        outer.into_iter().any(|open| open.store == store)
    };
    OPEN.try_with(includes).unwrap_or(false)
}

fn address(store: &Arc<Shared>) -> usize {
    Arc::as_ptr(store).addr()
}
