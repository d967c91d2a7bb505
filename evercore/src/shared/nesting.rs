//! Recognises a commit that is made inside the closure of a context of the same store.
//!
//! It would land on its own, whatever becomes of the context around it, and where both change one aggregate, each attempt
//! of the outer one would meet the inner one as a conflict. The code is known by its task: a task that the closure has
//! spawned is another one, and commits as it likes.

use std::sync::Arc;

use super::Shared;

tokio::task_local! {
    static OPEN: Open;
}

/// The store whose context's closure runs, and those of the closures around it.
#[derive(Clone, Debug)]
struct Open {
    /// Its address: nobody else's while the closure runs, since the call that runs it borrows the store.
    store: usize,
    outer: Option<Arc<Self>>,
}

/// Runs the closure of a context.
pub(crate) async fn within<F: Future>(store: &Arc<Shared>, work: F) -> F::Output {
    let outer = OPEN.try_with(|outer| Arc::new(outer.clone())).ok();
    OPEN.scope(Open { store: address(store), outer }, work).await
}

/// Whether this code runs inside the closure of a context of this store.
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
