//! Checks the declaration of a task.

use darling::error::Accumulator;
use proc_macro2::TokenStream;
use syn::{DeriveInput, LitStr};

use super::input::Input;
use crate::event::model::{self, Event, Kind};

/// The longest name of a queue, in bytes. As in `evercore::limits`, which this crate cannot depend on.
const MAX_QUEUE_NAME_BYTES: usize = 128;

/// A task as declared.
pub(crate) struct Task {
    /// Its body, which is encoded and registered as an event is.
    pub(crate) body: Event,
    /// `None` only if a mistake was reported.
    pub(crate) queue: Option<LitStr>,
}

/// Reads a declaration, and collects the mistakes in it.
pub(crate) fn read(args: TokenStream, item: DeriveInput) -> (Task, Accumulator) {
    let (body, queue, mut mistakes) = model::read_with(Kind::Task, args, item, Input::into_common);
    let queue = queue.and_then(|queue| queue_or_mistake(queue, &mut mistakes));
    (Task { body, queue }, mistakes)
}

/// Returns the name of a queue, if a queue can have it.
pub(crate) fn queue_or_mistake(queue: LitStr, mistakes: &mut Accumulator) -> Option<LitStr> {
    match problem_of(&queue.value()) {
        Some(problem) => {
            mistakes.push(darling::Error::custom(problem).with_span(&queue));
            None
        }
        None => Some(queue),
    }
}

/// Returns why no queue can have this name; `None` if one can.
fn problem_of(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("the name of a queue cannot be empty".to_owned())
    } else if name.len() > MAX_QUEUE_NAME_BYTES {
        let length = name.len();
        Some(format!("the name is {length} bytes long, but the limit is {MAX_QUEUE_NAME_BYTES}"))
    } else if name.contains(char::is_control) {
        Some("the name of a queue cannot hold a control character".to_owned())
    } else {
        None
    }
}
