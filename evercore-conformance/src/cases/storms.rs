//! P15 under load: each task takes effect once in the database, however its workers end.

use evercore::Result;
use evercore::engine::Capability;

use crate::fixture::Fixture;
use crate::storm;

/// 24 writers enqueue beside 8 workers that are killed and lose their leases.
pub(crate) async fn every_task_of_a_storm_takes_effect_once(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tasks)?;
    let judged = storm::run(fixture).await?;
    println!("{judged}");
    judged.assert_sound();
    assert!(judged.lost_leases > 0 && judged.kills > 0, "nothing went wrong: {judged}");
    assert!(judged.attempts > judged.tasks, "no attempt was in vain: {judged}");
    Ok(())
}
