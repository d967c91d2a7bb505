//! The macros in surroundings that are unkind to what they write.

mod conditions;
mod deprecations;
mod fragments;
mod lints;
mod shadows;
