//! Defines decisions as functions: one state, one command type, one event type.

/// An aggregate as three functions, for teams that prefer functions to traits: the decider pattern (J. Chassaing,
/// "Functional Event Sourcing Decider", 2021).
///
/// It is pure and needs no store. [`decider!`](crate::decider) connects it to stores.
#[derive(Clone, Copy, Debug)]
pub struct Decider<S, C, E, X> {
    /// The state before the first event.
    pub initial: fn() -> S,
    /// Decides which events a command leads to, or why it is rejected. It sees the state before all of these events.
    pub decide: fn(&C, &S) -> Result<Vec<E>, X>,
    /// Applies an event to the state.
    pub evolve: fn(S, &E) -> S,
}

impl<S, C, E, X> Decider<S, C, E, X> {
    /// Returns the state after events.
    pub fn replay<'a>(&self, events: impl IntoIterator<Item = &'a E>) -> S
    where
        E: 'a,
    {
        events.into_iter().fold((self.initial)(), self.evolve)
    }

    /// Returns the events that a command leads to after earlier events.
    ///
    /// # Errors
    /// The reason why the command is rejected.
    pub fn decide_after<'a>(
        &self,
        events: impl IntoIterator<Item = &'a E>,
        command: &C,
    ) -> Result<Vec<E>, X>
    where
        E: 'a,
    {
        (self.decide)(command, &self.replay(events))
    }
}

/// Connects a [`Decider`] to stores: its state becomes an [`Aggregate`](trait@crate::Aggregate) with the given name,
/// its event type becomes an [`Event`](crate::Event), and [`EventStore::execute`](crate::EventStore::execute) takes its
/// commands.
///
/// The event type is stored under the name of the aggregate followed by `-event`; subscriptions follow it as one type,
/// whichever variant it holds. The state's `Default` is the decider's `initial`: do not derive it.
///
/// # Example
/// ```standalone_crate
/// use evercore::{Decider, EventStore, Target, decider};
/// use evercore_memory::MemoryEngine;
/// use serde::{Deserialize, Serialize};
///
/// enum Light { Off, On }
/// enum Switch { On, Off }
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// enum LightEvent { SwitchedOn, SwitchedOff }
///
/// #[derive(Debug, PartialEq)]
/// struct IsSo;
///
/// fn decide(command: &Switch, light: &Light) -> Result<Vec<LightEvent>, IsSo> {
///     match (command, light) {
///         (Switch::On, Light::Off) => Ok(vec![LightEvent::SwitchedOn]),
///         (Switch::Off, Light::On) => Ok(vec![LightEvent::SwitchedOff]),
///         _ => Err(IsSo),
///     }
/// }
///
/// fn evolve(_: Light, event: &LightEvent) -> Light {
///     match event {
///         LightEvent::SwitchedOn => Light::On,
///         LightEvent::SwitchedOff => Light::Off,
///     }
/// }
///
/// decider! {
///     /// The light in the hall.
///     static LIGHT: Decider<Light, Switch, LightEvent, IsSo> = {
///         name: "light",
///         initial: || Light::Off,
///         decide: decide,
///         evolve: evolve,
///     };
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> evercore::Result<()> {
/// // Pure, in a unit test:
/// assert_eq!(LIGHT.decide_after(&[LightEvent::SwitchedOn], &Switch::On), Err(IsSo));
///
/// // And on a store:
/// let store = EventStore::builder().open(MemoryEngine::new()).await?;
/// let hall = Target::key_or_new("hall")?;
/// assert!(store.execute::<Light, _>(hall.clone(), Switch::On).await.is_ok());
/// assert!(store.execute::<Light, _>(hall, Switch::On).await.is_err());
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! decider {
    (
        $(#[$attribute:meta])*
        $visibility:vis static $decider:ident:
            Decider<$state:ty, $command:ty, $event:ty, $error:ty $(,)?> = {
                name: $name:literal,
                initial: $initial:expr,
                decide: $decide:expr,
                evolve: $evolve:expr $(,)?
            };
    ) => {
        $(#[$attribute])*
        $visibility static $decider: $crate::Decider<$state, $command, $event, $error> =
            $crate::Decider { initial: $initial, decide: $decide, evolve: $evolve };

        #[automatically_derived]
        impl ::core::default::Default for $state {
            fn default() -> Self {
                ($decider.initial)()
            }
        }

        #[automatically_derived]
        impl $crate::Aggregate for $state {
            const NAME: &'static str = $name;
        }

        #[automatically_derived]
        impl $crate::Event for $event {
            type Aggregate = $state;
            const NAME: &'static str = ::core::concat!($name, "-event");
            const ENCODING: $crate::format::Encoding<Self> = $crate::format::Encoding::serde();
        }

        #[automatically_derived]
        impl $crate::Apply<$event> for $state {
            fn apply(&mut self, event: &$event, _meta: &$crate::EventMeta) {
                let before = ::core::mem::take(self);
                *self = ($decider.evolve)(before, event);
            }
        }

        #[automatically_derived]
        impl $crate::Decide<$command> for $state {
            type Error = $error;

            fn decide(
                decision: &mut $crate::Decision<'_, Self>,
                command: &$command,
            ) -> ::core::result::Result<(), $error> {
                for event in ($decider.decide)(command, decision.state())? {
                    decision.emit(event);
                }
                ::core::result::Result::Ok(())
            }
        }

        $crate::register_event!($event);
    };
}
