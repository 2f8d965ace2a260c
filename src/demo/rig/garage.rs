//! A real Garage on loopback, one node: only for the tests of its driver, since it takes a quarter of an hour to build.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::child::{Child, Launch, kept_port};
use super::shared::{folder, on_lasting_runtime, sweep_dead_runs};
use super::{RigError, tools};

const REGION: &str = "garage";
/// Buckets are websites at `<bucket>` and this.
const WEB_DOMAIN: &str = ".web.garage.test";

/// A running Garage.
#[derive(Debug)]
pub struct Garage {
    s3: String,
    web: String,
    admin: String,
    admin_token: String,
    child: Child,
}

impl Garage {
    /// Starts one that ends with this process.
    pub async fn shared() -> Result<Self, RigError> {
        sweep_dead_runs().await;
        let mut dir = folder().into_os_string();
        dir.push("-garage");
        on_lasting_runtime(async move { Self::start(Path::new(&dir)).await }).await.map_err(RigError::Shared)
    }

    async fn start(dir: &Path) -> Result<Self, RigError> {
        let program = tools::garage()?;
        fs::create_dir_all(dir).map_err(RigError::file("create", dir))?;
        let address = |name: &str| Ok::<_, RigError>(format!("127.0.0.1:{}", kept_port(dir, name)?));
        let (rpc, s3, web, admin) = (address("rpc")?, address("s3")?, address("web")?, address("admin")?);
        let [rpc_secret, admin_token] = [(); 2].map(|()| hex::encode(rand::random::<[u8; 32]>()));
        let config = format!(
            r#"metadata_dir = "{meta}"
data_dir = "{data}"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "{rpc}"
rpc_public_addr = "{rpc}"
rpc_secret = "{rpc_secret}"

[s3_api]
api_bind_addr = "{s3}"
s3_region = "{REGION}"

[s3_web]
bind_addr = "{web}"
root_domain = "{WEB_DOMAIN}"

[admin]
api_bind_addr = "{admin}"
admin_token = "{admin_token}"
"#,
            meta = dir.join("meta").display(),
            data = dir.join("data").display(),
        );
        let file = dir.join("garage.toml");
        fs::write(&file, config).map_err(RigError::file("write", &file))?;
        let args = vec!["-c".into(), file.display().to_string(), "server".into()];
        // It looks at who else may read its configuration, which holds secrets.
        let env = vec![("GARAGE_ALLOW_WORLD_READABLE_SECRETS".to_owned(), "true".to_owned())];
        let launch = Launch { part: "garage", program: &program, args, dir, death_signal: "KILL", user: None, env };
        let child = Child::start(launch)?;
        let [s3, web, admin] = [s3, web, admin].map(|address| format!("http://{address}"));
        let mut garage = Self { s3, web, admin, admin_token, child };
        garage.lay_out().await?;
        Ok(garage)
    }

    /// Gives the only node all the data, without which nothing can be stored.
    async fn lay_out(&mut self) -> Result<(), RigError> {
        let client = reqwest::Client::new();
        let (admin, token) = (self.admin.clone(), self.admin_token.clone());
        let call = async |path: &str, body: Option<Value>| {
            let url = format!("{admin}/v2/{path}");
            let request = if let Some(body) = body { client.post(url).json(&body) } else { client.get(url) };
            let answer = request.bearer_auth(&token).send().await?.error_for_status()?;
            answer.json::<Value>().await
        };
        self.child
            .wait_until(Duration::from_secs(30), || {
                let status = call("GetClusterStatus", None);
                async move { status.await.is_ok() }
            })
            .await?;
        let failed = |error: reqwest::Error| RigError::Shared(format!("Garage could not be laid out: {error}"));
        let status = call("GetClusterStatus", None).await.map_err(failed)?;
        let node = &status["nodes"][0]["id"];
        let role = json!({"id": node, "zone": "here", "capacity": 10_000_000_000_u64, "tags": []});
        call("UpdateClusterLayout", Some(json!({"roles": [role]}))).await.map_err(failed)?;
        call("ApplyClusterLayout", Some(json!({"version": 1}))).await.map_err(failed)?;
        Ok(())
    }

    /// Address of its S3 side, without a trailing slash.
    pub fn s3(&self) -> &str {
        &self.s3
    }

    /// Address of its website side, which tells buckets by the host name.
    pub fn web(&self) -> &str {
        &self.web
    }

    /// What follows a bucket's name in that host name.
    pub fn web_domain(&self) -> &str {
        WEB_DOMAIN
    }

    /// Address of its admin API.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// The token of its admin API.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// The region that requests are signed for.
    pub fn region(&self) -> &'static str {
        REGION
    }
}
