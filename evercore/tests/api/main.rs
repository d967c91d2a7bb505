//! The behavior that users rely on, through the public API.

mod caching;
mod catching_up;
mod closures;
mod commands;
mod counting;
mod decisions;
mod limits;
mod loading;
#[cfg(not(any(
    feature = "cbor",
    feature = "messagepack",
    feature = "protobuf",
    feature = "zstd"
)))]
mod missing_codecs;
mod progress;
mod root;
mod runtimes;
mod sharing;
mod subscriptions;
mod tasks;
mod urls;
mod warnings;
