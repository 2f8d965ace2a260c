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

impl Access {
    /// Kubeconfigs in `folder`; without one, only the cluster that this process runs in can be reached.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    fn path(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.as_ref().with_context(|| {
            format!("the kubeconfig {name} lies nowhere: name the folder of kubeconfigs in the configuration, clusters.kubeconfigs")
        })?;
        Ok(folder.join(name))
    }

    /// The text of the kubeconfig `name`; none for the pod's own service account. Whoever holds a client looks at it now and then: once it
    /// is another, a new client is due.
    pub(super) fn text(&self, name: Option<&str>) -> anyhow::Result<Option<String>> {
        let Some(name) = name else { return Ok(None) };
        let path = self.path(name)?;
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("the kubeconfig {} can't be read: put it there, or say where the cluster is with another name", path.display())
        })?;
        Ok(Some(text))
    }

    /// A client for the cluster whose kubeconfig is `name`, or for the one that this process runs in. Asks nothing of anybody yet.
    pub async fn client(&self, name: Option<&str>) -> anyhow::Result<Client> {
        let config = match self.text(name)? {
            Some(text) => {
                let read = Kubeconfig::from_yaml(&text).with_context(|| format!("reading the kubeconfig {}", name.unwrap_or_default()))?;
                kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?
            }
            None => kube::Config::incluster()?,
        };
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
