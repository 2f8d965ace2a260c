//! What is asked of the API server while PostgreSQL gets another major release: a watch may be behind, and data can't be rewritten back.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::Context;
use super::gate;
use super::majors::Looked;
use super::stores::image_of;
use super::validate::Valid;
use crate::operator::error::Error;
use crate::operator::seen::{Key, Seen};
use crate::operator::stores::Store;
use crate::resource::DatabasePhase;

/// What CloudNativePG calls its Job (`pkg/reconciler/majorupgrade/job.go`). It does not try twice.
const ITS_JOB: &str = "cnpg.io/jobRole=major-upgrade";

/// What the present phase has to know.
pub async fn look(context: &Context, valid: &Valid<'_>) -> Result<Looked, Error> {
    let Some(upgrade) = valid.database.kept() else { return Ok(Looked::default()) };
    match upgrade.phase {
        // Pods that are not there may come back as long as they should be there.
        DatabasePhase::Stop if valid.runs => Ok(Looked { left: Some(vec!["the server's own way in".to_owned()]), failed: None }),
        DatabasePhase::Stop => Ok(Looked { left: Some(gate::pods_left(context, valid).await?), failed: None }),
        DatabasePhase::Rewrite => Ok(Looked { left: None, failed: failed(context, valid).await? }),
        DatabasePhase::Backup
        | DatabasePhase::Return
        | DatabasePhase::Failed
        | DatabasePhase::Analyze
        | DatabasePhase::Secure => Ok(Looked::default()),
    }
}

/// Whether the Cluster has to stay as it is for now: it is about to get the image that has its data rewritten, and that may not be so.
pub async fn holds_back(context: &Context, valid: &Valid<'_>, seen: &BTreeMap<Key, Seen>) -> Result<bool, Error> {
    let Some(upgrade) = valid.database.kept().filter(|upgrade| upgrade.phase == DatabasePhase::Rewrite) else { return Ok(false) };
    if image_of(seen, Store::Postgres) == Some(&upgrade.to) {
        return Ok(false);
    }
    // Another operator may be further: it may even have gone back.
    let live = context.instances.get(&valid.name).await.map_err(Error::kube("read the MastodonInstance"))?;
    if live.status.and_then(|status| status.database_upgrade).as_ref() != Some(upgrade) {
        return Ok(true);
    }
    Ok(!gate::pods_left(context, valid).await?.is_empty())
}

/// Why CloudNativePG has given up.
async fn failed(context: &Context, valid: &Valid<'_>) -> Result<Option<String>, Error> {
    let jobs: Api<Job> = Api::namespaced(context.client.clone(), &valid.namespace);
    let its = jobs.list(&ListParams::default().labels(ITS_JOB)).await.map_err(Error::kube("look at CloudNativePG's Job"))?;
    Ok(its.iter().find_map(|job| {
        let conditions = job.status.as_ref()?.conditions.as_ref()?;
        let failed = conditions.iter().find(|condition| condition.type_ == "Failed" && condition.status == "True")?;
        let why = failed.message.as_deref().unwrap_or("it says no more");
        Some(format!("the Job {} failed ({why}); its log says more as long as its pod is there", job.name_any()))
    }))
}
