//! What staff do with clusters: add one, say what it has, let it take nothing new.

use serde_json::json;
use sqlx::PgConnection;

use super::store::{self, ClusterRow, ClusterState};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::db::violates;
use crate::ids::ClusterId;
use crate::plan::{Amounts, Dimension};

/// A cluster that is to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCluster {
    /// Its name, for good.
    pub name: String,
    /// Where it stands, for people; may be empty.
    pub region: String,
    /// Name of a file in the folder `clusters.kubeconfigs` of the configuration; `None`: the fleet runs in it and has a service account.
    pub kubeconfig: Option<String>,
    /// Where its operator runs.
    pub namespace: String,
    /// What it has.
    pub has: Amounts,
}

/// Why a cluster was not added or changed. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum BadCluster {
    /// Not a name.
    #[error("{field} is \"{value}\"; use 1 to 63 lower-case letters, digits and hyphens{}, and begin and end with a letter or digit",
        if .field == &"kubeconfig" { ", and dots" } else { "" })]
    Name {
        /// `name`, `kubeconfig` or `namespace`.
        field: &'static str,
        /// What it says.
        value: String,
    },
    /// Another cluster has the name.
    #[error("there is a cluster \"{0}\" already; choose another name")]
    Taken(String),
    /// An amount below zero.
    #[error("{} is {amount}; it must be at least 0", dimension.word())]
    Negative {
        /// Of what.
        dimension: Dimension,
        /// How much.
        amount: i64,
    },
    /// The database.
    #[error("the cluster could not be written")]
    Database(#[from] sqlx::Error),
}

fn is_name(text: &str, dots: bool) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inside = |byte: u8| plain(byte) || byte == b'-' || (dots && byte == b'.');
    let (first, last) = (text.bytes().next(), text.bytes().next_back());
    text.len() <= 63 && text.bytes().all(inside) && first.is_some_and(plain) && last.is_some_and(plain)
}

fn check_amounts(has: &Amounts) -> Result<(), BadCluster> {
    let negative = Dimension::ALL.into_iter().find(|dimension| has.of(*dimension) < 0);
    match negative {
        Some(dimension) => Err(BadCluster::Negative { dimension, amount: has.of(dimension) }),
        None => Ok(()),
    }
}

/// Makes a cluster known. It gets servers once the fleet has reached it.
pub async fn add_cluster(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    new: &NewCluster,
) -> Result<ClusterId, BadCluster> {
    let NewCluster { name, region, kubeconfig, namespace, has } = new;
    let names = [("name", Some(name), false), ("kubeconfig", kubeconfig.as_ref(), true), ("namespace", Some(namespace), false)];
    for (field, value, dots) in names {
        if let Some(value) = value.filter(|value| !is_name(value, dots)) {
            return Err(BadCluster::Name { field, value: value.clone() });
        }
    }
    check_amounts(has)?;
    let id = ClusterId::new();
    store::insert_cluster(conn, clock, id, new)
        .await
        .map_err(|error| if violates(&error, "clusters_name_key") { BadCluster::Taken(name.clone()) } else { error.into() })?;
    let detail = json!({ "name": name, "region": region, "kubeconfig": kubeconfig, "namespace": namespace, "has": has });
    audit::record(conn, clock, actor, None, "cluster.added", &id.to_string(), detail).await?;
    Ok(id)
}

/// From now on the cluster gets no new servers; those it has run on. Whether it did until now.
pub async fn drain(conn: &mut PgConnection, clock: &dyn Clock, actor: Actor, cluster: &ClusterRow) -> sqlx::Result<bool> {
    turn(conn, clock, actor, cluster, ClusterState::Drained, "cluster.drained").await
}

/// From now on the cluster gets new servers again. Whether it did not until now.
pub async fn undrain(conn: &mut PgConnection, clock: &dyn Clock, actor: Actor, cluster: &ClusterRow) -> sqlx::Result<bool> {
    turn(conn, clock, actor, cluster, ClusterState::Open, "cluster.opened").await
}

async fn turn(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    cluster: &ClusterRow,
    state: ClusterState,
    action: &str,
) -> sqlx::Result<bool> {
    let changed = store::set_cluster_state(conn, cluster.id, state).await?;
    if changed {
        let detail = json!({ "name": cluster.name });
        audit::record(conn, clock, actor, None, action, &cluster.id.to_string(), detail).await?;
    }
    Ok(changed)
}

/// Says what a cluster has. Less than is taken already is no error: it then gets nothing new.
pub async fn set_capacity(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    cluster: &ClusterRow,
    has: &Amounts,
) -> Result<(), BadCluster> {
    check_amounts(has)?;
    store::set_cluster_capacity(conn, cluster.id, has).await?;
    let detail = json!({ "name": cluster.name, "had": cluster.has, "has": has });
    audit::record(conn, clock, actor, None, "cluster.capacity", &cluster.id.to_string(), detail).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_one_kind() {
        for good in ["a", "eu-1", "1st", &"a".repeat(63)] {
            assert!(is_name(good, false), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a b", "a/b", "..", ".a", "a.b", "ä", &"a".repeat(64)] {
            assert!(!is_name(bad, false), "{bad}");
        }
        // A kubeconfig is a file in one folder: nothing leads out of it, nothing is hidden.
        assert!(is_name("eu-1.yaml", true));
        for bad in ["..", ".hidden", "../x", "a/b", "a."] {
            assert!(!is_name(bad, true), "{bad}");
        }
    }
}
