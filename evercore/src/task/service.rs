//! Workers of queues as services.

use std::future::pending;

use super::handlers::Handlers;
use super::queue::QueueBuilder;
use super::worker;
use crate::Error;
use crate::service::{Lifecycle, Service, ServiceError};

/// A worker of a queue and its handlers, as a [`Service`]. Made by [`QueueBuilder::handlers`].
#[derive(Debug)]
#[must_use = "a service does nothing until it is run"]
pub struct QueueService {
    queue: QueueBuilder,
    handlers: Handlers,
    name: String,
}

impl QueueBuilder {
    /// Makes a [`Service`] of the worker, for a program that supervises its services. Its name is `queue` and that of the
    /// queue, as in `queue mail`.
    pub fn handlers(self, handlers: Handlers) -> QueueService {
        let name = format!("queue {}", self.given_name());
        QueueService { queue: self, handlers, name }
    }
}

impl Service for QueueService {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&mut self, lifecycle: &Lifecycle) -> Result<(), ServiceError> {
        let stop = lifecycle.stop_token().child_token();
        let stopped_by_user = self.queue.stop_token().clone();
        let handlers = self.handlers.clone();
        let config = self.queue.config(handlers, stop.clone(), Some(lifecycle.clone()))?;
        let pass_on_the_stop = async {
            stopped_by_user.cancelled().await;
            stop.cancel();
            pending::<Error>().await
        };
        tokio::select! {
            biased;
            ended = worker::run(&config) => Ok(ended?),
            never = pass_on_the_stop => Err(never.into()),
        }
    }

    fn if_aborted(&self) -> &'static str {
        "the tasks that it was doing are given again after their leases"
    }
}
