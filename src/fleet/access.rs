//! How the fleet, and the operator's process, get at a cluster.

use std::path::PathBuf;

use anyhow::Context as _;
use kube::Client;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tower::util::MapRequestLayer;

/// The folder of kubeconfigs. Usually a Secret that is mounted: a file that is added or replaced there is seen without a restart.
#[derive(Debug, Clone, Default)]
pub struct Access {
    folder: Option<PathBuf>,
}

/// What a client is made of. Whoever holds a client looks at it now and then: once it is another, a new client is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// The pod's own service account.
    Own,
    /// The text of a kubeconfig.
    File(String),
    /// It can't be read now.
    Unreadable,
}

impl Access {
    /// Kubeconfigs in `folder`; without one, only the cluster that this process runs in can be reached.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    fn path(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.as_ref().with_context(|| {
            format!(
                "the kubeconfig {name} lies nowhere: name the folder of kubeconfigs in the configuration, clusters.kubeconfigs"
            )
        })?;
        Ok(folder.join(name))
    }

    fn text(&self, name: &str) -> anyhow::Result<String> {
        let path = self.path(name)?;
        std::fs::read_to_string(&path).with_context(|| format!("the kubeconfig {} can't be read; put it there", path.display()))
    }

    /// What a client of [`Access::client`] would be made of now.
    pub(super) fn credential(&self, name: Option<&str>) -> Credential {
        name.map_or(Credential::Own, |name| self.text(name).map_or(Credential::Unreadable, Credential::File))
    }

    /// How to reach the cluster whose kubeconfig is `name`, or the one that this process runs in.
    pub async fn config(&self, name: Option<&str>) -> anyhow::Result<kube::Config> {
        let Some(name) = name else { return Ok(kube::Config::incluster()?) };
        let read = Kubeconfig::from_yaml(&self.text(name)?).with_context(|| format!("reading the kubeconfig {name}"))?;
        Ok(kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?)
    }

    /// A client for it. Asks nothing of anybody yet.
    pub async fn client(&self, name: Option<&str>) -> anyhow::Result<Client> {
        let config = self.config(name).await?;
        Ok(ClientBuilder::try_from(config)?.with_layer(&MapRequestLayer::new(counted)).build())
    }
}

/// Counts what is asked of API servers: what a pass costs there is the first thing to look at when one is busy.
fn counted(request: http::Request<kube::client::Body>) -> http::Request<kube::client::Body> {
    let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
    let verb = if watches { "WATCH".to_owned() } else { request.method().as_str().to_owned() };
    metrics::counter!("paddock_kube_requests_total", "verb" => verb).increment(1);
    request
}
