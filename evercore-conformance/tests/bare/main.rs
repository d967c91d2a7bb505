//! An engine that declares no capabilities passes the base of the suite, and says what else to use.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use evercore::engine::{
    Capabilities, Capability, Commit, Forward, Inspection, Reader, StorageEngine,
};
use evercore::{Committed, Error, EventStore, Result};
use evercore_conformance::{Durability, Harness, Outcome, cases};
use evercore_memory::MemoryEngine;
use evercore_sqlite::SqliteContext;

/// Keeps to the base of the contract.
#[derive(Debug)]
struct Bare(MemoryEngine);

#[async_trait]
impl Forward for Bare {
    fn engine(&self) -> &dyn StorageEngine {
        &self.0
    }

    fn name(&self) -> &'static str {
        "bare"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    async fn begin_read(&self) -> Result<Box<dyn Reader>> {
        Err(unsupported(Capability::ReadViews))
    }

    fn inspection(&self) -> &dyn Inspection {
        panic!("the engine does not declare an inspection")
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        assert!(commit.completes.is_empty(), "the engine does not declare completions");
        self.0.commit(commit).await
    }
}

#[derive(Debug)]
struct OneLog(MemoryEngine);

#[async_trait]
impl Harness for OneLog {
    async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
        Ok(Arc::new(Bare(self.0.clone())))
    }

    fn durability(&self) -> Durability {
        Durability::Process
    }

    async fn clean_up(&self) -> Result<()> {
        Ok(())
    }
}

fn unsupported(operation: Capability) -> Error {
    Error::Unsupported { operation, engine: "bare" }
}

/// The number of threads that run cases. Most cases wait more than they compute.
const THREADS: usize = 8;

#[test]
fn an_engine_without_capabilities_passes_the_base_of_the_suite() {
    let cases: Vec<_> = cases().iter().filter(|case| !case.is_cached()).collect();
    let (next, left_out) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match case.run(OneLog(MemoryEngine::new())) {
                        Ok(Outcome::Passed) => {}
                        Ok(Outcome::LeftOut(_)) => {
                            left_out.lock().expect("no panic").insert(case.to_string());
                        }
                        Err(failure) => {
                            failures.lock().expect("no panic").push(failure.to_string())
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{failures:#?}");
    let left_out = left_out.into_inner().expect("no panic");
    println!("left out {} of {} cases: {left_out:#?}", left_out.len(), cases.len());
    // Some cases compare with a view at their end, though they are about something else.
    assert!(left_out.len() * 2 < cases.len(), "most of the cases are run");
    assert!(left_out.contains("p1::concurrent_transfers_keep_the_sum_in_every_view"));
}

#[tokio::test]
async fn an_undeclared_operation_is_refused_with_an_alternative() {
    let store = EventStore::builder().open(Bare(MemoryEngine::new())).await.expect("it opens");
    let view = store.with_readonly_context(async |_| Ok::<_, Error>(())).await;
    assert_eq!(
        view.expect_err("it has no views").to_string(),
        "the bare engine does not support several reads as of one moment; load aggregates in \
         `with_context`, and read pages with `EventStore::history` and `EventStore::read_log`"
    );
    assert_eq!(
        store.verify().run().await.expect_err("it has no inspection").to_string(),
        "the bare engine does not support the verification of stored data; read the log with \
         `EventStore::read_log`, and decode its events with `EventStore::registry`"
    );
    let transaction: Result<()> =
        store.with_transaction(async |_: &mut SqliteContext| Ok(())).await;
    assert_eq!(
        transaction.expect_err("it has no transactions").to_string(),
        "the bare engine does not support transactions that write rows of your own; use \
         `with_context`, and keep the rows with a subscription that stores its position beside them"
    );
    for capability in Capability::ALL {
        let message = unsupported(capability).to_string();
        assert!(message.contains("; "), "{message}");
    }
}
