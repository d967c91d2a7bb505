//! Sends random commands to a store and to the [model](evercore_testing::model), which must behave the same.

mod boundaries;
mod commands;
mod compare;
mod errands;
mod explorer;
mod generate;
mod queue;
mod reason;
mod reference;
mod shorten;
mod subject;
mod writing;

pub use explorer::{Counterexample, Explored, Explorer};

/// Generates tests that send random commands to an engine and to the model.
///
/// Like [`conformance!`](crate::conformance), it takes an expression that evaluates to a [`Harness`](crate::Harness);
/// it is evaluated once for each sequence of commands. `PROPTEST_CASES` sets the number of sequences, and
/// `EVERCORE_SEED` repeats the sequences of a seed.
///
/// # Example: `tests/machine.rs` of an engine
/// ```
/// # use std::sync::Arc;
/// # use async_trait::async_trait;
/// # use evercore::{Result, engine::StorageEngine};
/// # use evercore_memory::MemoryEngine;
/// # use evercore_conformance::{Durability, Harness};
/// # #[derive(Debug)]
/// # struct Memory(MemoryEngine);
/// # #[async_trait]
/// # impl Harness for Memory {
/// #     async fn open(&self) -> Result<Arc<dyn StorageEngine>> { Ok(Arc::new(self.0.clone())) }
/// #     fn durability(&self) -> Durability { Durability::Process }
/// #     async fn clean_up(&self) -> Result<()> { Ok(()) }
/// # }
/// evercore_conformance::state_machine!(Memory(MemoryEngine::new()));
/// ```
#[macro_export]
macro_rules! state_machine {
    ($harness:expr) => {
        #[test]
        fn random_commands_do_what_the_model_does() {
            let explored = $crate::Explorer::new().explore(|| $harness);
            println!("{}", explored.unwrap_or_else(|found| panic!("{found}")));
        }

        #[test]
        fn random_commands_do_what_the_model_does_where_aggregates_are_cached() {
            let explored = $crate::Explorer::new().cached().explore(|| $harness);
            println!("{}", explored.unwrap_or_else(|found| panic!("{found}")));
        }
    };
}
