//! Explains why a stored event cannot be read.

use std::any::type_name;

use crate::report::with_causes;
use crate::{BoxError, DecodeError, Error, EventPlace};

/// The reason why an event cannot be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The payload, or the result of a raw upcaster, does not fit this type.
    Decode { rust_type: &'static str, source: DecodeError },
    /// The upcaster between these versions failed.
    Upcast { from: u32, to: u32, source: BoxError },
    /// The event cannot be split.
    Split { source: BoxError },
}

impl Unreadable {
    /// Describes the problem, for a message that already names the event.
    pub(crate) fn explain(&self) -> String {
        match self {
            Self::Decode { rust_type, source } => {
                let why = with_causes(source);
                format!("it does not fit `{rust_type}` at field `{}`: {why}", source.field())
            }
            Self::Upcast { from, to, source } => {
                let why = with_causes(&**source);
                format!("it cannot be upcast from version {from} to {to}: {why}")
            }
            Self::Split { source } => format!("it cannot be split: {}", with_causes(&**source)),
        }
    }

    pub(crate) fn decode<T>(source: DecodeError) -> Self {
        Self::Decode { rust_type: type_name::<T>(), source }
    }
}

impl EventPlace {
    /// Makes the error for this event, which cannot be read because of `problem`.
    pub(crate) fn unreadable(self, problem: Unreadable) -> Error {
        let event = Box::new(self);
        match problem {
            Unreadable::Decode { rust_type, source } => {
                Error::undecodable(*event, rust_type, source)
            }
            Unreadable::Upcast { from, to, source } => {
                Error::Upcast { event, from, to: Some(to), source }
            }
            Unreadable::Split { source } => {
                let from = event.version;
                Error::Upcast { event, from, to: None, source }
            }
        }
    }
}
