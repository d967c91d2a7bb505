//! Random commands, given to a store and to the [model](crate::model), which have to do the same.

mod commands;
mod compare;
mod explorer;
mod generate;
mod reference;
mod shorten;
mod subject;
mod writing;

pub use explorer::{Counterexample, Explored, Explorer};

/// Makes tests that give random commands to an engine and to the model.
///
/// As [`conformance!`](crate::conformance), it takes an expression that makes a [`Harness`](crate::Harness), evaluated
/// once for each sequence of commands. `PROPTEST_CASES` sets how many sequences are tried, `EVERCORE_SEED` has the same
/// ones again.
///
/// # Example: `tests/machine.rs` of an engine
/// ```
/// # use std::sync::Arc;
/// # use async_trait::async_trait;
/// # use evercore::{Result, engine::StorageEngine};
/// # use evercore_memory::MemoryEngine;
/// # use evercore_testing::{Durability, Harness};
/// # #[derive(Debug)]
/// # struct Memory(MemoryEngine);
/// # #[async_trait]
/// # impl Harness for Memory {
/// #     async fn open(&self) -> Result<Arc<dyn StorageEngine>> { Ok(Arc::new(self.0.clone())) }
/// #     fn durability(&self) -> Durability { Durability::Process }
/// #     async fn clean_up(&self) -> Result<()> { Ok(()) }
/// # }
/// evercore_testing::state_machine!(Memory(MemoryEngine::new()));
/// ```
#[macro_export]
macro_rules! state_machine {
    ($harness:expr) => {
        #[test]
        fn random_commands_do_what_the_model_does() {
            $crate::Explorer::new().explore(|| $harness).unwrap_or_else(|found| panic!("{found}"));
        }

        #[test]
        fn random_commands_do_what_the_model_does_where_aggregates_are_cached() {
            let explored = $crate::Explorer::new().cached().explore(|| $harness);
            explored.unwrap_or_else(|found| panic!("{found}"));
        }
    };
}
