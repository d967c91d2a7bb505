//! The suite that every engine runs.

#[path = "harness/schema.rs"]
mod harness;

use harness::Schema;

fn schema() -> Schema {
    Schema::new("case", "readers=6")
}

evercore_conformance::conformance!(schema());

mod transactional {
    use super::schema;

    evercore_conformance::transactional_conformance!(schema());
}

mod random {
    use super::schema;

    evercore_conformance::state_machine!(schema());
    evercore_conformance::concurrent_histories!(schema());
}
