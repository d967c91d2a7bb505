//! Small whole programs on evercore. Run one with `cargo run --example bank`.
