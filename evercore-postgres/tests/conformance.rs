//! The suite that every engine runs.

#[path = "harness/schema.rs"]
mod harness;

use harness::Schema;

fn schema() -> Schema {
    Schema::new("case", "readers=6")
}

evercore_testing::conformance!(schema());

mod transactional {
    use super::schema;

    evercore_testing::transactional_conformance!(schema());
}

mod random {
    use super::schema;

    evercore_testing::state_machine!(schema());
    evercore_testing::concurrent_histories!(schema());
}
