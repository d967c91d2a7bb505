//! What users rely on, through the public interface.

mod closures;
mod limits;
mod progress;
