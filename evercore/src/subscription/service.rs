//! Durable subscriptions as services.

use std::future::pending;

use super::builder::SubscriptionBuilder;
use super::deliver::{Deliver, Plain};
use super::handler::Handler;
use super::worker;
use crate::Error;
use crate::service::{Lifecycle, Service, ServiceError};

/// The consequence if the service of a subscription is aborted.
pub(super) const IF_ABORTED: &str =
    "its lease expires by itself, and then the batch that it was handling comes again";

/// The name of a service whose subscription has none: the conversion to a `SubscriptionName` has failed.
const NAMELESS: &str = "a subscription with an invalid name";

/// A durable subscription and its handler, as a [`Service`]. Made by [`SubscriptionBuilder::handler`].
#[derive(Debug)]
#[must_use = "a service does nothing until it is run"]
pub struct SubscriptionService<H> {
    subscription: SubscriptionBuilder,
    handler: H,
}

impl SubscriptionBuilder {
    /// Makes a [`Service`] of the subscription, for a program that supervises its services.
    ///
    /// The service is ready once the subscription is stored. It fails as [`run`](Self::run) does, and can be run again.
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore::{Aggregate, state_event};
    /// # #[derive(Aggregate, Default)]
    /// # struct Account { balance: i64 }
    /// # #[state_event(aggregate = Account)]
    /// # struct BalanceSet { balance: i64 }
    /// use evercore::service::{Lifecycle, Service};
    /// use evercore::{Error, EventStore, Received, Router};
    /// use tokio_util::sync::CancellationToken;
    /// # use evercore_memory as _;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), evercore::service::ServiceError> {
    /// let store = EventStore::connect("memory:").await?;
    /// let print = Router::new().on(async |set: Received<BalanceSet>| -> Result<(), Error> {
    ///     println!("{}", set.balance);
    ///     Ok(())
    /// });
    /// let mut printer = store.subscription("printer").event::<BalanceSet>().handler(print);
    /// assert_eq!(printer.name(), "printer");
    ///
    /// let stop = CancellationToken::new();
    /// let lifecycle = Lifecycle::new(stop.clone());
    /// let until_ready = async {
    ///     lifecycle.until_ready().await;
    ///     stop.cancel();
    /// };
    /// let (ended, ()) = tokio::join!(printer.run(&lifecycle), until_ready);
    /// ended
    /// # }
    /// ```
    pub const fn handler<H: Handler>(self, handler: H) -> SubscriptionService<H> {
        SubscriptionService { subscription: self, handler }
    }
}

impl<H: Handler> Service for SubscriptionService<H> {
    fn name(&self) -> &str {
        name_of(&self.subscription)
    }

    async fn run(&mut self, lifecycle: &Lifecycle) -> Result<(), ServiceError> {
        let deliver = Plain { handler: self.handler.clone() };
        run_as_service(&mut self.subscription, deliver, lifecycle).await
    }

    fn if_aborted(&self) -> &'static str {
        IF_ABORTED
    }
}

/// Returns the name of a subscription's service. An invalid one is returned as its error shows it, so that services with
/// different names stay different.
pub(super) fn name_of(subscription: &SubscriptionBuilder) -> &str {
    subscription.given_name().unwrap_or(NAMELESS)
}

/// Runs a subscription until the service or the subscription is stopped.
pub(super) async fn run_as_service<D: Deliver>(
    subscription: &mut SubscriptionBuilder,
    deliver: D,
    lifecycle: &Lifecycle,
) -> Result<(), ServiceError> {
    let stop = lifecycle.stop_token().child_token();
    let stopped_by_user = subscription.stop_token().clone();
    let (config, worker) = subscription.begin_run(stop.clone(), Some(lifecycle.clone()))?;
    let running = worker::run(config, worker, deliver);
    let pass_on_the_stop = async {
        stopped_by_user.cancelled().await;
        stop.cancel();
        pending::<Error>().await
    };
    tokio::select! {
        biased;
        ended = running => Ok(ended?),
        never = pass_on_the_stop => Err(never.into()),
    }
}
