//! Runs commands: loads an aggregate, lets it decide, and commits what was emitted.
