//! Says what an error type lacks to be that of a closure.

use crate::Error;

/// An error that a closure of a context may return. Implemented for each type that implements `From<evercore::Error>`:
/// so `?` works on the calls of the context, and the store can return its own errors.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry an error of the store: it does not implement `From<evercore::Error>`",
    label = "`From<evercore::Error>` is missing for `{Self}`",
    note = "with thiserror, add the variant `#[error(transparent)] Store(#[from] evercore::Error)` to `{Self}`; by hand, write `impl From<evercore::Error> for {Self}`"
)]
pub trait FromError: From<Error> {}

#[diagnostic::do_not_recommend]
impl<E: From<Error>> FromError for E {}
