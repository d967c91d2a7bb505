//! The macros in code that could conflict with their output.

mod conditions;
mod deprecations;
mod fragments;
mod lints;
mod shadows;
