//! Says why a closure cannot run again after a conflict.

/// A closure that runs again after a conflict. Implemented for each closure that is [`Clone`].
#[diagnostic::on_unimplemented(
    message = "this closure cannot run again after a conflict, because it is not `Clone`",
    label = "it captures a `&mut` reference, or moves a value that is not `Clone`",
    note = "return what the closure computes instead of assigning it, and clone inside of it what it uses up; or call `with_context_once`, which runs the closure once"
)]
pub trait Rerun: Clone {}

#[diagnostic::do_not_recommend]
impl<F: Clone> Rerun for F {}
