//! Defines processes, and the keys by which events find them.

use evercore::{Aggregate, NaturalKey, Result};

#[expect(unused_imports, reason = "the docs link to it")]
use evercore::Error;

use crate::reactions::Reactions;

/// An aggregate that reacts: to events of other aggregates, to its deadlines, and to rejections and failures of its
/// commands. It does so in steps, each of which emits events of the process, and sends commands, enqueues tasks and sets
/// deadlines.
///
/// A process is found by the natural key that a reaction computes from an event. It begins with the first event for which
/// a reaction does anything, whichever event that is; a reaction that is to begin nothing returns without doing anything
/// as long as the [state](crate::Step::state) is the default. Its state is built from the events that it has emitted, as
/// that of any aggregate.
///
/// # Example
/// See the [crate](crate).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a process",
    label = "`impl Process for {Self}` is missing",
    note = "a process is an aggregate with reactions: write `impl Process for {Self} {{ fn register(on: &mut Reactions<Self>) {{ … }} }}`"
)]
pub trait Process: Aggregate {
    /// Registers the reactions.
    fn register(on: &mut Reactions<Self>);
}

/// The key of a process, as a reaction returns it: a `String`, a [`NaturalKey`], or an `Option` of these, where `None`
/// means that the event concerns no process. The key is not borrowed from the event, whose field is cloned:
/// `|e: &OrderPlaced| e.order.clone()`. A `&'static str` is the key of a process of which there is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the key of a process",
    label = "not a key",
    note = "return a `String`, a `NaturalKey`, or an `Option` of these: of a borrowed text, its `to_owned()`; of a number, its `to_string()`"
)]
pub trait ProcessKey {
    /// Returns the key; `None` if the event concerns no process.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] if the text is not a valid key.
    fn into_key(self) -> Result<Option<NaturalKey>>;
}

impl ProcessKey for NaturalKey {
    fn into_key(self) -> Result<Option<NaturalKey>> {
        Ok(Some(self))
    }
}

impl ProcessKey for String {
    fn into_key(self) -> Result<Option<NaturalKey>> {
        NaturalKey::new(self).map(Some)
    }
}

impl ProcessKey for &'static str {
    fn into_key(self) -> Result<Option<NaturalKey>> {
        NaturalKey::new(self).map(Some)
    }
}

impl<K: ProcessKey> ProcessKey for Option<K> {
    fn into_key(self) -> Result<Option<NaturalKey>> {
        self.map_or(Ok(None), K::into_key)
    }
}
