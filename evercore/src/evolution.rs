//! Reads events that were written in an older shape, under another name, or by another program.
//!
//! - [`Upcast`] turns an older shape of an event into the next one; [`Upcaster`] is such a step, and [`Shape`] notes
//!   the fields of a present shape.
//! - [`RetiredEvent`] is a type that is no longer written. [`Split`] says which events it stands for, as [`Parts`].
//! - [`UnknownEvents`] says what becomes of an event that no type reads.

pub(crate) mod retired;
pub(crate) mod shape;
pub(crate) mod unknown;
pub(crate) mod unreadable;
pub(crate) mod upcast;

pub use retired::{Parts, RetiredEvent, Split, SplitInto};
pub use shape::Shape;
pub use unknown::UnknownEvents;
pub use upcast::{Upcast, Upcaster};
