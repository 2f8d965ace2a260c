//! Where the programs are that the rig runs. `./dev` builds them once into a cache and keeps `current/` pointing at them, so
//! that a plain `cargo test` finds them as well.

use std::path::PathBuf;

use super::RigError;

/// The programs and files that `./dev` provides.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The control plane: the Go program of `tests/cluster`.
    pub cluster: PathBuf,
    /// The S3 server.
    pub versitygw: PathBuf,
    /// Folder of CRDs that belong to others, one file each, called `<group>_<plural>.yaml`.
    pub crds: PathBuf,
}

impl Tools {
    /// `PADDOCK_CLUSTER_BIN`, `PADDOCK_VERSITYGW_BIN` and `PADDOCK_CRDS_DIR`, else what is in the cache's `current/`.
    pub fn find() -> Result<Self, RigError> {
        Ok(Self {
            cluster: tool("PADDOCK_CLUSTER_BIN", "cluster")?,
            versitygw: tool("PADDOCK_VERSITYGW_BIN", "versitygw")?,
            crds: tool("PADDOCK_CRDS_DIR", "crds")?,
        })
    }
}

fn tool(variable: &str, name: &str) -> Result<PathBuf, RigError> {
    let path = std::env::var_os(variable).map(PathBuf::from).or_else(|| Some(cache()?.join("current").join(name)));
    let command = if name == GARAGE { "./dev garage" } else { "./dev tools" };
    path.filter(|path| path.exists()).ok_or_else(|| RigError::Missing {
        what: format!("the rig's tool {name}"),
        remedy: format!("run `{command}`, which builds it once, or set {variable}"),
    })
}

const GARAGE: &str = "garage";

/// Garage, which only `./dev garage` builds: `PADDOCK_GARAGE_BIN`, else what is in the cache's `current/`.
pub(super) fn garage() -> Result<PathBuf, RigError> {
    tool("PADDOCK_GARAGE_BIN", GARAGE)
}

fn cache() -> Option<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    var("PADDOCK_CACHE")
        .or_else(|| Some(var("XDG_CACHE_HOME")?.join("paddock")))
        .or_else(|| Some(var("HOME")?.join(".cache/paddock")))
}

/// The folder of Postgres' server programs: `PADDOCK_PG_BIN`, else the newest of Debian's that is 15 or later.
pub(super) fn postgres_bin() -> Result<PathBuf, RigError> {
    if let Some(dir) = std::env::var_os("PADDOCK_PG_BIN").map(PathBuf::from).filter(|dir| dir.join("initdb").exists()) {
        return Ok(dir);
    }
    let newest = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|version| *version >= 15)
        .map(|version| (version, PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))))
        .filter(|(_, dir)| dir.join("initdb").exists())
        .max();
    newest.map(|(_, dir)| dir).ok_or_else(|| RigError::Missing {
        what: "Postgres 15 or later".into(),
        remedy: "`apt-get install postgresql` (or name the folder of initdb in PADDOCK_PG_BIN)".into(),
    })
}
