//! Executes Evercore's commands as [`tower`](https://docs.rs/tower) services, with layers to put around them.
//!
//! # A first look
//!
//! [`CommandService`] executes [`CommandRequest`]s in a store. [`TraceLayer`] logs them, [`TimingLayer`] measures them,
//! [`CheckLayer`] refuses them before the aggregate sees them, and [`QueueLayer`] makes those for one aggregate wait
//! for each other. The first layer is the outermost:
//!
//! ```standalone_crate
//! use evercore::{
//!     Aggregate, Apply, CommandError, Decide, Decision, EventMeta, EventStore, Target, event,
//! };
//! use evercore_memory::MemoryEngine;
//! use evercore_tower::{
//!     CheckLayer, CommandRequest, CommandService, Ended, QueueLayer, TimingLayer, TraceLayer,
//! };
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! #[derive(Aggregate, Default)]
//! struct Account { balance: i64 }
//!
//! #[event(aggregate = Account)]
//! struct MoneyDeposited { amount: i64 }
//!
//! impl Apply<MoneyDeposited> for Account {
//!     fn apply(&mut self, event: &MoneyDeposited, _: &EventMeta) { self.balance += event.amount }
//! }
//!
//! struct Deposit { amount: i64 }
//!
//! #[derive(Debug, PartialEq)]
//! enum BankError { NotAnAmount }
//!
//! impl Decide<Deposit> for Account {
//!     type Error = BankError;
//!
//!     fn decide(account: &mut Decision<'_, Self>, command: &Deposit) -> Result<(), BankError> {
//!         account.emit(MoneyDeposited { amount: command.amount });
//!         Ok(())
//!     }
//! }
//!
//! fn is_an_amount(request: &CommandRequest<Deposit>) -> Result<(), BankError> {
//!     if request.command().amount > 0 { Ok(()) } else { Err(BankError::NotAnAmount) }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), CommandError<BankError>> {
//! let store = EventStore::builder().open(MemoryEngine::new()).await?;
//! let accounts = ServiceBuilder::new()
//!     .layer(TraceLayer::new())
//!     .layer(TimingLayer::new(|ended: &Ended<'_>| println!("{:?}", ended.took())))
//!     .layer(CheckLayer::new(is_an_amount))
//!     .layer(QueueLayer::new())
//!     .service(CommandService::<Account>::new(store));
//!
//! let account = Target::key_or_new("NL91ABNA0417164300")?;
//! let deposited = accounts.oneshot(CommandRequest::new(account, Deposit { amount: 30 })?).await?;
//! assert_eq!(deposited.state().balance, 30);
//! # Ok(())
//! # }
//! ```
//!
//! # Together with other layers
//!
//! The layers of this crate are put around services that answer with an [`Executed`](evercore::command::Executed) or a
//! [`CommandError`](evercore::CommandError). Other layers, such as tower's concurrency limit and retry, may go anywhere
//! between them, unless they change the error, as tower's timeout does: put such a layer outermost. A command that it
//! drops has left the queue, and is reported as [`Outcome::Abandoned`].

mod check;
mod ended;
mod queue;
mod request;
mod service;
mod timing;
mod trace;

pub use check::{Check, CheckLayer, Checked};
pub use ended::{Ended, Outcome};
pub use queue::{QueueLayer, Queued};
pub use request::CommandRequest;
pub use service::{CommandFuture, CommandService};
pub use timing::{Timed, TimingLayer};
pub use trace::{TraceLayer, Traced};
