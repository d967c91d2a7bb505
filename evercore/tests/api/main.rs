//! What users rely on, through the public interface.

mod closures;
mod counting;
mod decisions;
mod limits;
mod progress;
mod subscriptions;
