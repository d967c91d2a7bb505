//! The traits that closures of contexts and their errors need, with compiler errors that name the way out.

use crate::Error;

/// A closure that runs again after a conflict. Implemented for each closure that is [`Clone`].
#[diagnostic::on_unimplemented(
    message = "this closure cannot run again after a conflict, because it is not `Clone`",
    label = "it captures a `&mut` reference, or moves a value that is not `Clone`",
    note = "return what the closure computes instead of assigning it, and clone inside of it what it uses up; or call `with_context_once`, which runs the closure once"
)]
pub trait Rerun: Clone {}

#[diagnostic::do_not_recommend]
impl<F: Clone> Rerun for F {}

/// An error that a closure of a context may return: each type that implements `From<evercore::Error>`, so that `?` works
/// on the calls of the context, and the store can return its own errors.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry an error of the store: it does not implement `From<evercore::Error>`",
    label = "`From<evercore::Error>` is missing for `{Self}`",
    note = "with thiserror, add the variant `#[error(transparent)] Store(#[from] evercore::Error)` to `{Self}`; by hand, write `impl From<evercore::Error> for {Self}`"
)]
pub trait FromError: From<Error> {}

#[diagnostic::do_not_recommend]
impl<E: From<Error>> FromError for E {}
