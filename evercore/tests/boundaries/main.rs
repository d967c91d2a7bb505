//! Decisions that rest on events found by their tags, as user code sees them.

mod courses;
mod decisions;
mod lanes;
mod retired_tags;
mod tagging;
