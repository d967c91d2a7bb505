use std::path::Path;

use super::*;

fn args(db: &Path, deposits: u32) -> Args {
    Args { db: db.display().to_string(), deposits }
}

#[tokio::test]
async fn the_cache_answers_until_the_account_changes_elsewhere() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let cache = run(args(&folder.path().join("cache.db"), 10)).await?;
    // In each round, one answer comes from the store, and one from the cache.
    assert_eq!((cache.hits(), cache.misses()), (10, 11));
    Ok(())
}

#[tokio::test]
async fn a_balance_is_never_older_than_what_was_forgotten() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}", folder.path().join("cache.db").display());
    let (bank, shop) = (EventStore::connect(&url).await?, EventStore::connect(&url).await?);
    let cache = Cache::new(&shop);
    let account = deposit(&bank, None).await?;
    let asked = async {
        cache.followed().await;
        for round in 1..=20 {
            let forgotten = cache.forgotten();
            // A query during the change may get the old or the new balance.
            let (changed, asked) =
                tokio::join!(deposit(&bank, Some(account)), cache.balance(account));
            changed?;
            let told = asked?;
            assert!(told == round * 10 || told == (round + 1) * 10, "{told} in round {round}");
            cache.forgets_more_than(forgotten).await;
            assert_eq!(cache.balance(account).await?, (round + 1) * 10);
        }
        Ok::<_, Error>(())
    };
    tokio::select! {
        ended = cache.follow() => ended?,
        asked = asked => asked?,
    }
    Ok(())
}

#[tokio::test]
async fn accounts_without_a_running_subscription_are_not_cached() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}", folder.path().join("cache.db").display());
    let store = EventStore::connect(&url).await?;
    let cache = Cache::new(&store);
    let account = deposit(&store, None).await?;
    for balance in [10, 20] {
        assert_eq!(cache.balance(account).await?, balance);
        deposit(&store, Some(account)).await?;
    }
    assert_eq!((cache.hits(), cache.misses()), (0, 2));
    Ok(())
}
