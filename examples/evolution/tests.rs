use super::*;

#[tokio::test]
async fn three_generations_replay_to_the_same_state() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}", folder.path().join("evolution.db").display());
    let stories = run(&url).await?;
    let wanted = Account { owner: "Ada".to_owned(), cents: 10_500, currency: "EUR".to_owned() };
    for Story { generation, account, .. } in &stories {
        assert_eq!(*account, wanted, "{generation}");
    }
    let stored: Vec<Vec<(&str, u32)>> = stories
        .iter()
        .map(|story| {
            story.stored.iter().map(|event| (event.event_type(), event.version())).collect()
        })
        .collect();
    assert_eq!(stored[0], [("opened", 1), ("statement-printed", 1), ("deposited", 1)]);
    assert_eq!(stored[1], [("opened", 1), ("deposited", 2)]);
    assert_eq!(stored[2], [("account-opened", 1), ("money-deposited", 3), ("money-deposited", 3)]);
    assert_eq!(deposits(&url).await?, [500, 10_000, 500, 10_000, 500, 10_000]);
    Ok(())
}

#[tokio::test]
async fn a_file_keeps_the_name_that_its_accounts_have() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}", folder.path().join("evolution.db").display());
    for story in run(&url).await? {
        assert!(story.stored.iter().all(|event| event.aggregate_type() == "client-account"));
    }
    Ok(())
}
