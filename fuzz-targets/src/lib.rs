//! The fuzz targets: functions of bytes that panic if a promise is broken.
//!
//! `cargo xtask fuzz` searches for such bytes guided by coverage, and needs a nightly compiler. `tests/short.rs` works
//! with any compiler: it runs the corpus, `fuzz/corpus`, and seeded mutations of it.

mod columns;
mod domain;
mod fields;
mod macros;
mod names;
mod payloads;
mod rows;
mod urls;

use std::fmt;

pub use fields::{Fields, Seed};

/// A target that takes untrusted bytes.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name of its program under `fuzz/fuzz_targets` and of its folder under `fuzz/corpus`.
    pub name: &'static str,
    /// Panics if the bytes break a promise.
    pub run: fn(&[u8]),
    /// Inputs made of real values. Each is a file in the corpus.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: [Target; 8] = [
    Target { name: "filters", run: columns::filter, seeds: columns::filters },
    Target { name: "macro_text", run: macros::text, seeds: macros::texts },
    Target { name: "macro_tokens", run: macros::tokens, seeds: macros::token_numbers },
    Target { name: "metadata", run: columns::metadata, seeds: columns::metadatas },
    Target { name: "names", run: names::run, seeds: names::seeds },
    Target { name: "payloads", run: payloads::run, seeds: payloads::seeds },
    Target { name: "rows", run: rows::run, seeds: rows::seeds },
    Target { name: "urls", run: urls::run, seeds: urls::seeds },
];

/// Runs the target with this name.
///
/// # Panics
/// If the bytes break a promise, or if there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.unwrap_or_else(|| panic!("there is no target `{name}`"));
    (target.run)(bytes);
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Returns everything that an error could write to a log.
pub(crate) fn all_words(error: &dyn std::error::Error) -> String {
    let mut words = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(inner) = source {
        words.push_str(&format!(" {inner} {inner:?}"));
        source = inner.source();
    }
    words
}
