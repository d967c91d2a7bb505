//! What users rely on, through the public interface.

mod closures;
mod counting;
mod limits;
mod progress;
mod subscriptions;
