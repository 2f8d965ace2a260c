//! `paddock admin cluster`.

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::ACTOR;
use crate::capacity::{self, ClusterRow, ClusterState, NewCluster, promised};
use crate::clock::SystemClock;
use crate::cmd::{ConfigFile, parts};
use crate::plan::{Amounts, Dimension};

#[derive(Debug, Subcommand)]
pub(in crate::cmd) enum Act {
    /// Make a cluster known. It gets servers once the fleet has reached it.
    Add {
        #[command(flatten)]
        file: ConfigFile,
        /// Its name, for good: lower-case letters, digits and hyphens.
        name: String,
        /// Where it stands, for people.
        #[arg(long, default_value = "")]
        region: String,
        /// Name of its kubeconfig in the folder of kubeconfigs (clusters.kubeconfigs). Without it: the cluster that the fleet runs in.
        #[arg(long)]
        kubeconfig: Option<String>,
        /// Namespace in which its operator runs.
        #[arg(long, default_value = "paddock")]
        namespace: String,
        /// Services that it may have; Kubernetes works well with 10,000.
        #[arg(long)]
        services: i64,
        /// Pods that its machines take, all together.
        #[arg(long)]
        pods: i64,
        /// Custom resources that its etcd holds, all together.
        #[arg(long)]
        custom_resources: i64,
        /// Memory of its machines, MiB.
        #[arg(long)]
        memory_mib: i64,
        /// Processor of its machines, thousandths of a core.
        #[arg(long)]
        cpu_milli: i64,
        /// Volumes that it can attach.
        #[arg(long)]
        volumes: i64,
        /// Disk for volumes, GiB.
        #[arg(long)]
        volume_gib: i64,
    },
    /// All clusters, with what is taken of each amount of what is promised of it.
    List(ConfigFile),
    /// From now on it gets no new servers; those it has run on.
    Drain(Named),
    /// It gets new servers again.
    Undrain(Named),
    /// Say what it has; what is not given stays.
    SetCapacity {
        #[command(flatten)]
        named: Named,
        /// Services.
        #[arg(long)]
        services: Option<i64>,
        /// Pods.
        #[arg(long)]
        pods: Option<i64>,
        /// Custom resources.
        #[arg(long)]
        custom_resources: Option<i64>,
        /// Memory, MiB.
        #[arg(long)]
        memory_mib: Option<i64>,
        /// Processor, thousandths of a core.
        #[arg(long)]
        cpu_milli: Option<i64>,
        /// Volumes.
        #[arg(long)]
        volumes: Option<i64>,
        /// Disk for volumes, GiB.
        #[arg(long)]
        volume_gib: Option<i64>,
    },
}

/// A cluster that is there.
#[derive(Debug, Args)]
pub(in crate::cmd) struct Named {
    #[command(flatten)]
    file: ConfigFile,
    /// Its name.
    name: String,
}

pub(super) async fn run(act: Act) -> anyhow::Result<()> {
    match act {
        Act::Add {
            file,
            name,
            region,
            kubeconfig,
            namespace,
            services,
            pods,
            custom_resources,
            memory_mib,
            cpu_milli,
            volumes,
            volume_gib,
        } => {
            let has = Amounts { services, pods, custom_resources, memory_mib, cpu_milli, volumes, volume_gib };
            let new = NewCluster { name, region, kubeconfig, namespace, has };
            let mut tx = parts::database(&file.load()?)?.owner().begin().await?;
            let id = capacity::add_cluster(&mut tx, &SystemClock, ACTOR, &new).await?;
            tx.commit().await?;
            println!("{id}");
            Ok(())
        }
        Act::List(file) => {
            let db = parts::database(&file.load()?)?;
            for cluster in capacity::list_clusters(&mut *db.owner().acquire().await?).await? {
                println!("{}", lines(&cluster));
            }
            Ok(())
        }
        Act::Drain(named) => {
            let changed = on(named, async |conn, cluster| Ok(capacity::drain(conn, &SystemClock, ACTOR, cluster).await?)).await?;
            println!("{}", if changed { "it gets no new servers any more" } else { "it got none already" });
            Ok(())
        }
        Act::Undrain(named) => {
            let changed =
                on(named, async |conn, cluster| Ok(capacity::undrain(conn, &SystemClock, ACTOR, cluster).await?)).await?;
            println!("{}", if changed { "it gets new servers again" } else { "it did already" });
            Ok(())
        }
        Act::SetCapacity { named, services, pods, custom_resources, memory_mib, cpu_milli, volumes, volume_gib } => {
            let given = |dimension: Dimension| match dimension {
                Dimension::Services => services,
                Dimension::Pods => pods,
                Dimension::CustomResources => custom_resources,
                Dimension::Memory => memory_mib,
                Dimension::Cpu => cpu_milli,
                Dimension::Volumes => volumes,
                Dimension::VolumeSpace => volume_gib,
            };
            on(named, async |conn, cluster| {
                let has = Amounts::each(|dimension| given(dimension).unwrap_or(cluster.has.of(dimension)));
                Ok(capacity::set_capacity(conn, &SystemClock, ACTOR, cluster, &has).await?)
            })
            .await
        }
    }
}

/// Does something with a cluster, in one transaction.
async fn on<T>(
    named: Named,
    act: impl AsyncFnOnce(&mut sqlx::PgConnection, &ClusterRow) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let Named { file, name } = named;
    let mut tx = parts::database(&file.load()?)?.owner().begin().await?;
    let cluster = capacity::find_cluster(&mut tx, &name).await?;
    let cluster = cluster.with_context(|| format!("there is no cluster {name}; paddock admin cluster list names them"))?;
    let done = act(&mut tx, &cluster).await?;
    tx.commit().await?;
    Ok(done)
}

/// A cluster as people read it.
fn lines(cluster: &ClusterRow) -> String {
    let state = match cluster.state {
        ClusterState::Open => "open",
        ClusterState::Drained => "drained",
    };
    let seen = match (&cluster.trouble, cluster.seen_at) {
        (None, Some(seen)) => format!("answered at {}", seen.format("%Y-%m-%d %H:%M UTC")),
        (Some(why), Some(seen)) => format!("has not answered since {}: {why}", seen.format("%Y-%m-%d %H:%M UTC")),
        (Some(why), None) => format!("has never answered: {why}"),
        (None, None) => "nobody has asked it".to_owned(),
    };
    let region = if cluster.region.is_empty() { String::new() } else { format!(" ({})", cluster.region) };
    let head = format!("{}{region}: {state}, {} servers, {seen}", cluster.name, cluster.servers);
    let amount = |dimension: Dimension| {
        let (has, taken) = (cluster.has.of(dimension), cluster.taken.of(dimension));
        format!("\n  {:17}{taken:>10} of {:>10} promised, of {has:>10}", dimension.word(), promised(has))
    };
    Dimension::ALL.into_iter().map(amount).fold(head, |text, line| text + line.as_str())
}
