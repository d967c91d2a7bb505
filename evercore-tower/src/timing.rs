//! Reports the outcome and duration of commands, for metrics.

use std::fmt;
use std::task::{Context, Poll};

use evercore::command::Executed;
use evercore::{Aggregate, CommandError};
use tower_layer::Layer;
use tower_service::Service;

use crate::ended::Watch;
use crate::{CommandFuture, CommandRequest, Ended};

/// Calls a closure for each command that has ended, with its outcome and duration.
///
/// The closure runs in the command's task; keep it short. It is also called for commands whose future is dropped.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, Decide, Decision, EventStore, state_event};
/// # #[derive(Aggregate, Default)]
/// # struct Lamp { lit: bool }
/// # #[state_event(aggregate = Lamp)]
/// # struct LampSwitched { lit: bool }
/// # struct Switch { lit: bool }
/// # impl Decide<Switch> for Lamp {
/// #     type Error = String;
/// #     fn decide(lamp: &mut Decision<'_, Self>, command: &Switch) -> Result<(), String> {
/// #         lamp.emit(LampSwitched { lit: command.lit });
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), evercore::CommandError<String>> {
/// # let store = EventStore::builder().open(evercore_memory::MemoryEngine::new()).await?;
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex};
/// use std::time::Duration;
///
/// use evercore::Target;
/// use evercore_tower::{CommandRequest, CommandService, Ended, TimingLayer};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// // In your program: a histogram of your metrics library.
/// let histogram = Arc::new(Mutex::new(HashMap::<_, Vec<Duration>>::new()));
/// let record = {
///     let histogram = Arc::clone(&histogram);
///     move |ended: &Ended<'_>| {
///         let labels = (ended.aggregate(), ended.command(), ended.outcome().as_str());
///         histogram.lock().unwrap().entry(labels).or_default().push(ended.took());
///     }
/// };
///
/// let lamps = ServiceBuilder::new()
///     .layer(TimingLayer::new(record))
///     .service(CommandService::<Lamp>::new(store));
/// lamps.oneshot(CommandRequest::new(Target::New, Switch { lit: true })?).await?;
/// assert_eq!(histogram.lock().unwrap()[&("Lamp", "Switch", "happened")].len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TimingLayer<F> {
    tell: F,
}

/// A service whose commands are timed. Made by [`TimingLayer`].
#[derive(Clone)]
pub struct Timed<S, F> {
    inner: S,
    tell: F,
}

impl<F> TimingLayer<F>
where
    F: Fn(&Ended<'_>) + Clone,
{
    /// Calls `tell` for each command that has ended.
    pub const fn new(tell: F) -> Self {
        Self { tell }
    }
}

impl<S, F: Clone> Layer<S> for TimingLayer<F> {
    type Service = Timed<S, F>;

    fn layer(&self, inner: S) -> Timed<S, F> {
        Timed { inner, tell: self.tell.clone() }
    }
}

impl<S, F, C, T, E> Service<CommandRequest<C>> for Timed<S, F>
where
    S: Service<CommandRequest<C>, Response = Executed<T>, Error = CommandError<E>>,
    S::Future: Send + 'static,
    F: Fn(&Ended<'_>) + Clone + Send + 'static,
    T: Aggregate,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = CommandFuture<T, E>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: CommandRequest<C>) -> Self::Future {
        let watch = Watch::start::<T, C>(&request, self.tell.clone());
        let answer = self.inner.call(request);
        Box::pin(async move { watch.end(answer.await) })
    }
}

impl<F> fmt::Debug for TimingLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimingLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Timed<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed").field("inner", &self.inner).finish_non_exhaustive()
    }
}
