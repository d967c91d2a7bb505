//! Reads events that were written in an older shape, under another name, or by another program.

pub(crate) mod retired;
pub(crate) mod shape;
pub(crate) mod unknown;
pub(crate) mod unreadable;
pub(crate) mod upcast;
