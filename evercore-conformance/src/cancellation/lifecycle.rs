//! Opening and closing a store.

use evercore::{EventStore, Result};

use super::{Cut, Outcome, Subject};
use crate::Durability;
use crate::domain::{counter, registry};

/// Opens an engine and a store on it.
pub async fn open(subject: &Subject, cut: &mut Cut) -> Outcome {
    let open = async {
        let engine = subject.open_another().await?;
        EventStore::builder().registry(registry()).open_shared(engine).await
    };
    end(cut.short(open).await).await
}

pub async fn connect(subject: &Subject, cut: &mut Cut) -> Outcome {
    let builder = EventStore::builder().registry(registry());
    end(cut.short(builder.connect(subject.harness().url())).await).await
}

pub async fn migrate(subject: &Subject, cut: &mut Cut) -> Outcome {
    cut.short(subject.store.migrate()).await.transpose()?;
    Ok(())
}

/// Warms up a store that has not resolved any type name yet.
pub async fn warmup(subject: &Subject, cut: &mut Cut) -> Outcome {
    let engine = subject.open_another().await?;
    let store = EventStore::builder().registry(registry()).open_shared(engine).await?;
    cut.short(store.warmup()).await.transpose()?;
    Ok(store.close().await?)
}

/// A second close completes the first one. Everything acknowledged before is still stored, if data outlive the engine.
pub async fn close(subject: &Subject, cut: &mut Cut) -> Outcome {
    let store = EventStore::builder().registry(registry());
    let store = store.open_shared(subject.open_another().await?).await?;
    let key = Subject::mark();
    counter::create_with_key(&store, &key, 1).await?;
    cut.short(store.close()).await.transpose()?;
    store.close().await?;
    if counter::create(&store, 1).await.is_ok() {
        return Err("a closed store has committed".into());
    }
    match subject.harness().durability() {
        Durability::Process => Ok(()),
        Durability::Disk if counter::find_by_key(&subject.witness, &key).await?.is_some() => Ok(()),
        Durability::Disk => Err("an acknowledged commit is gone after the close".into()),
    }
}

async fn end(opened: Option<Result<EventStore>>) -> Outcome {
    if let Some(store) = opened.transpose()? {
        store.close().await?;
    }
    Ok(())
}
