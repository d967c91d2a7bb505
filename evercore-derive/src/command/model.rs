//! Checks the declaration of a command.

use darling::error::Accumulator;
use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, LitStr, Member, TypePath};

use super::input::{Input, Own, Target};
use crate::event::model::{self, Event, Kind};
use crate::task::model::queue_or_mistake;
use crate::value::AggregateType;

/// The queue of commands that name none.
const QUEUE: &str = "commands";

/// A command as declared.
pub(crate) struct Command {
    /// Its body, which is encoded and registered as an event is.
    pub(crate) body: Event,
    /// `None` only if a mistake was reported.
    pub(crate) aggregate: Option<TypePath>,
    /// `None` only if a mistake was reported.
    pub(crate) target: Option<Target>,
    pub(crate) queue: LitStr,
}

/// Reads a declaration, and collects the mistakes in it.
pub(crate) fn read(args: TokenStream, item: DeriveInput) -> (Command, Accumulator) {
    let (body, own, mut mistakes) = model::read_with(Kind::Command, args, item, Input::into_common);
    let Own { aggregate, target, queue } = own;
    let queue = queue.and_then(|queue| queue_or_mistake(queue, &mut mistakes));
    let queue = queue.unwrap_or_else(|| LitStr::new(QUEUE, body.item.ident.span()));
    let aggregate = aggregate.map(|AggregateType(path)| path);
    let target = target.filter(|target| is_of_the_item(target, &body.item, &mut mistakes));
    (Command { body, aggregate, target, queue }, mistakes)
}

/// Checks that the command has the field that names its aggregate.
fn is_of_the_item(target: &Target, item: &DeriveInput, mistakes: &mut Accumulator) -> bool {
    // What else it may be was reported.
    let Data::Struct(data) = &item.data else { return false };
    let Some(field) = target.field() else { return true };
    let mut members = data.fields.members();
    if members.any(|member| member == *field) {
        return true;
    }
    let name = match field {
        Member::Named(name) => name.to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    };
    let problem = format!("`{}` has no field `{name}`", item.ident);
    mistakes.push(darling::Error::custom(problem).with_span(field));
    false
}
