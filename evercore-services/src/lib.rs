#![doc = include_str!("../README.md")]

mod entry;
mod error;
mod journal;
mod restart;
mod run;
mod services;
mod signals;
mod status;
mod supervise;

pub use error::{AbortedService, Cut, EndedBadly, FailedService, ServicesError};
pub use restart::RestartPolicy;
pub use services::Services;
pub use status::{ServiceState, ServiceStatus, ServicesStatus};
