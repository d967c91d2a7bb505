//! A bank. It is an example of its own package, so that `cargo run --example bank` compiles only what it needs.
