//! The kinds of objects that we write, and how each is looked at.

use kube::api::ApiResource;

use super::instance::build::names;

/// A kind of object that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// core/v1
    Namespace,
    /// core/v1
    ResourceQuota,
    /// core/v1
    LimitRange,
    /// networking.k8s.io/v1
    NetworkPolicy,
    /// core/v1
    ConfigMap,
    /// core/v1
    Secret,
    /// core/v1
    Service,
    /// core/v1
    PersistentVolumeClaim,
    /// postgresql.cnpg.io/v1
    Cluster,
    /// postgresql.cnpg.io/v1
    Backup,
    /// postgresql.cnpg.io/v1
    ScheduledBackup,
    /// barmancloud.cnpg.io/v1
    ObjectStore,
    /// apps/v1
    StatefulSet,
    /// apps/v1
    Deployment,
    /// batch/v1
    Job,
    /// policy/v1
    PodDisruptionBudget,
    /// discovery.k8s.io/v1
    EndpointSlice,
    /// gateway.networking.k8s.io/v1
    HttpRoute,
    /// gateway.networking.k8s.io/v1
    ListenerSet,
    /// cert-manager.io/v1
    Certificate,
}

/// How closely a kind is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// Metadata alone.
    Metadata,
    /// The whole object, since its status tells us something.
    Whole,
    /// Metadata of the objects with these names: of Secrets the operator may see no others, and others' endpoints would only cost memory.
    Names(&'static [&'static str]),
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 20] = [
        Self::Namespace,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::NetworkPolicy,
        Self::ConfigMap,
        Self::Secret,
        Self::Service,
        Self::PersistentVolumeClaim,
        Self::Cluster,
        Self::Backup,
        Self::ScheduledBackup,
        Self::ObjectStore,
        Self::StatefulSet,
        Self::Deployment,
        Self::Job,
        Self::PodDisruptionBudget,
        Self::EndpointSlice,
        Self::HttpRoute,
        Self::ListenerSet,
        Self::Certificate,
    ];

    /// Group, version, kind, plural.
    fn facts(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Namespace => ("", "v1", "Namespace", "namespaces"),
            Self::ResourceQuota => ("", "v1", "ResourceQuota", "resourcequotas"),
            Self::LimitRange => ("", "v1", "LimitRange", "limitranges"),
            Self::NetworkPolicy => ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
            Self::ConfigMap => ("", "v1", "ConfigMap", "configmaps"),
            Self::Secret => ("", "v1", "Secret", "secrets"),
            Self::Service => ("", "v1", "Service", "services"),
            Self::PersistentVolumeClaim => ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
            Self::Cluster => ("postgresql.cnpg.io", "v1", "Cluster", "clusters"),
            Self::Backup => ("postgresql.cnpg.io", "v1", "Backup", "backups"),
            Self::ScheduledBackup => ("postgresql.cnpg.io", "v1", "ScheduledBackup", "scheduledbackups"),
            Self::ObjectStore => ("barmancloud.cnpg.io", "v1", "ObjectStore", "objectstores"),
            Self::StatefulSet => ("apps", "v1", "StatefulSet", "statefulsets"),
            Self::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Self::Job => ("batch", "v1", "Job", "jobs"),
            Self::PodDisruptionBudget => ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
            Self::EndpointSlice => ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
            Self::HttpRoute => ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
            Self::ListenerSet => ("gateway.networking.k8s.io", "v1", "ListenerSet", "listenersets"),
            Self::Certificate => ("cert-manager.io", "v1", "Certificate", "certificates"),
        }
    }

    /// The kind's name as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        self.facts().2
    }

    /// `group/version`.
    pub fn api_version(self) -> String {
        let (group, version, _, _) = self.facts();
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
    }

    /// What the dynamic client needs.
    pub fn resource(self) -> ApiResource {
        let (group, version, kind, plural) = self.facts();
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: self.api_version(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        }
    }

    /// How closely it is watched.
    pub fn watched(self) -> Watched {
        match self {
            Self::PersistentVolumeClaim
            | Self::Cluster
            | Self::Backup
            | Self::ObjectStore
            | Self::StatefulSet
            | Self::Deployment
            | Self::Job
            | Self::HttpRoute
            | Self::ListenerSet
            | Self::Certificate => Watched::Whole,
            Self::Secret => Watched::Names(names::SECRETS),
            // Kubernetes makes others of every Service, with the Service's labels.
            Self::EndpointSlice => Watched::Names(&[names::MEDIA_STORE]),
            Self::Namespace
            | Self::ResourceQuota
            | Self::LimitRange
            | Self::NetworkPolicy
            | Self::ConfigMap
            | Self::Service
            | Self::ScheduledBackup
            | Self::PodDisruptionBudget => Watched::Metadata,
        }
    }

    /// Whether one that is no longer wanted is deleted. Only kinds that hold no state and that a smaller size, or another address, does
    /// without. (What cert-manager signed stays in its Secret.)
    pub fn swept(self) -> bool {
        match self {
            Self::PodDisruptionBudget | Self::HttpRoute | Self::ListenerSet | Self::Certificate => true,
            Self::Namespace
            | Self::ResourceQuota
            | Self::LimitRange
            | Self::NetworkPolicy
            | Self::ConfigMap
            | Self::Secret
            | Self::Service
            | Self::PersistentVolumeClaim
            | Self::Cluster
            | Self::Backup
            | Self::ScheduledBackup
            | Self::ObjectStore
            | Self::StatefulSet
            | Self::Deployment
            | Self::Job
            | Self::EndpointSlice => false,
        }
    }
}
