//! A help desk. It is an example of its own package, so that `cargo run --example helpdesk` compiles only what it needs.
