//! Writes a span and an event for each command.

use std::task::{Context, Poll};

use evercore::command::{Executed, command_name};
use evercore::{Aggregate, AggregateId, CommandError, Report};
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Instrument, info, info_span, warn};

use crate::ended::Watch;
use crate::{CommandFuture, CommandRequest, Ended, Outcome};

/// Runs each command in a span, and logs how it ended.
///
/// The span is `command`, with the `aggregate`'s and the `command`'s name. The event at its end has the `outcome` as
/// [`Outcome::as_str`] words it, `took_ms`, and the `id` of the aggregate if it is known: at level `WARN` with the
/// `error` and its causes if the command failed, else at `INFO`. All have the target `evercore_tower`. The content of
/// the command and its events is not logged, nor the reason of a rejection; an `error` may name the key that the
/// command was sent to.
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
/// use evercore::Target;
/// use evercore_tower::{CommandRequest, CommandService, TraceLayer};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// tracing_subscriber::fmt().init();
///
/// let lamps = ServiceBuilder::new()
///     .layer(TraceLayer::new())
///     .service(CommandService::<Lamp>::new(store));
/// // INFO command{aggregate="Lamp" command="Switch"}: evercore_tower: command ended id=1 outcome="happened" took_ms=0.2
/// lamps.oneshot(CommandRequest::new(Target::New, Switch { lit: true })?).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceLayer(());

/// A service whose commands are traced. Made by [`TraceLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Traced<S> {
    inner: S,
}

impl TraceLayer {
    /// Creates a layer that traces commands.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced { inner }
    }
}

impl<S, C, T, E> Service<CommandRequest<C>> for Traced<S>
where
    S: Service<CommandRequest<C>, Response = Executed<T>, Error = CommandError<E>>,
    S::Future: Send + 'static,
    T: Aggregate,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = CommandFuture<T, E>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: CommandRequest<C>) -> Self::Future {
        let (aggregate, command) = (T::NAME, command_name::<C>());
        let span = info_span!(target: "evercore_tower", "command", aggregate, command);
        let watch = Watch::start::<T, C>(&request, log);
        let answer = span.in_scope(|| self.inner.call(request));
        Box::pin(async move { watch.end(answer.await) }.instrument(span))
    }
}

fn log(ended: &Ended<'_>) {
    let id = ended.id().map(AggregateId::get);
    let outcome = ended.outcome().as_str();
    let took_ms = ended.took().as_secs_f64() * 1e3;
    match ended.outcome() {
        Outcome::Failed(error) => {
            warn!(target: "evercore_tower", id, outcome, took_ms, error = %Report::new(error), "command ended");
        }
        _ => info!(target: "evercore_tower", id, outcome, took_ms, "command ended"),
    }
}
