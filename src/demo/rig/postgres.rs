//! A real Postgres on loopback.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::Mutex;

use super::RigError;
use super::child::{Child, Launch, kept_port, tail};
use super::tools::postgres_bin;

/// Name of the superuser.
const SUPERUSER: &str = "postgres";
/// File with the superuser's password, in the rig's folder.
const PASSWORD: &str = "postgres.password";
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How a server is taken down in a fault test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An orderly stop that lets running work end.
    Clean,
    /// `kill -9`.
    Killed,
}

/// A running Postgres server.
#[derive(Debug)]
pub struct Postgres {
    dir: PathBuf,
    data: PathBuf,
    bin: PathBuf,
    port: u16,
    password: String,
    durable: bool,
    child: Mutex<Option<Child>>,
}

impl Postgres {
    /// Starts a server whose data lives in `dir` (made when it is not there). `durable` false gives up safety against power
    /// loss for speed; what was committed survives `kill -9` either way. Every role signs in with a password, over loopback only.
    pub async fn start(dir: &Path, durable: bool) -> Result<Self, RigError> {
        let bin = postgres_bin()?;
        let data = data_folder(dir)?;
        set_orphan_aside(dir, &data)?;
        let password = kept_password(dir)?;
        if !data.join("PG_VERSION").exists() {
            let (dir, data, bin, password) = (dir.to_path_buf(), data.clone(), bin.clone(), password.clone());
            let made = tokio::task::spawn_blocking(move || init(&dir, &data, &bin, &password)).await;
            made.map_err(|gone| RigError::Spawn { part: "initdb".into(), source: std::io::Error::other(gone) })??;
        }
        let port = kept_port(dir, "postgres")?;
        let postgres = Self { dir: dir.to_path_buf(), data, bin, port, password, durable, child: Mutex::new(None) };
        *postgres.child.lock().await = Some(postgres.serve().await?);
        Ok(postgres)
    }

    /// The port on 127.0.0.1; stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Address of a database for the superuser.
    pub fn url(&self, database: &str) -> String {
        self.url_as(SUPERUSER, &self.password, database)
    }

    /// Address of a database for one role. Name and password must need no URL encoding.
    pub fn url_as(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Process id of the postmaster, while it runs.
    pub async fn pid(&self) -> Option<u32> {
        self.child.lock().await.as_ref().map(Child::pid)
    }

    /// Makes a database, as a copy of `template` if one is named (nobody may be connected to that one).
    pub async fn create_database(&self, name: &str, template: Option<&str>) -> Result<(), RigError> {
        let template = template.map(|name| format!(" TEMPLATE {}", quoted(name))).unwrap_or_default();
        self.admin(format!("CREATE DATABASE {}{template}", quoted(name)), &format!("create the database {name}")).await
    }

    /// Removes a database, with its connections.
    pub async fn drop_database(&self, name: &str) -> Result<(), RigError> {
        self.admin(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name)), &format!("drop the database {name}")).await
    }

    /// Takes the server down as `fault` says and starts it again; returns when it answers.
    pub async fn restart(&self, fault: Fault) -> Result<(), RigError> {
        let mut child = self.child.lock().await;
        if let Some(mut running) = child.take() {
            running.stop(stop_signal(fault), Duration::from_secs(20)).await;
        }
        *child = Some(self.serve().await?);
        Ok(())
    }

    /// Takes the server down and leaves it so; [`Postgres::restart`] brings it back.
    pub async fn stop(&self, fault: Fault) {
        if let Some(mut running) = self.child.lock().await.take() {
            running.stop(stop_signal(fault), Duration::from_secs(20)).await;
        }
    }

    async fn admin(&self, sql: String, doing: &str) -> Result<(), RigError> {
        let mut connection = PgConnection::connect(&self.url("postgres")).await.map_err(RigError::sql(doing))?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map_err(RigError::sql(doing))?;
        connection.close().await.map_err(RigError::sql(doing))
    }

    async fn serve(&self) -> Result<Child, RigError> {
        let url = self.url("postgres");
        // After a kill, the old server's children need a moment to notice; until then the new one refuses to start.
        let mut attempts = 40;
        loop {
            attempts -= 1;
            let mut child = self.launch()?;
            match child.wait_until(READY_WITHIN, || answers(url.clone())).await {
                Err(RigError::Ended { log, .. }) if attempts > 0 && log.contains("still in use") => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => return Err(error),
                Ok(()) => return Ok(child),
            }
        }
    }

    fn launch(&self) -> Result<Child, RigError> {
        let safety = if self.durable { "on" } else { "off" };
        let settings = [
            ("port", self.port.to_string()),
            ("listen_addresses", "127.0.0.1".into()),
            ("unix_socket_directories", String::new()),
            ("max_connections", "400".into()),
            ("shared_buffers", "128MB".into()),
            ("fsync", safety.into()),
            // Always: a commit that is only in the server's own memory would be lost by `kill -9` as well.
            ("synchronous_commit", "on".into()),
            ("full_page_writes", safety.into()),
            ("log_min_messages", "warning".into()),
        ];
        let mut args = vec!["-D".to_owned(), self.data.display().to_string()];
        args.extend(settings.into_iter().flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]));
        Child::start(Launch {
            part: "postgres",
            program: &self.bin.join("postgres"),
            args,
            dir: &self.dir,
            // An immediate shutdown: the children go too, and what was committed is recovered at the next start.
            death_signal: "QUIT",
            user: system_user(),
            env: Vec::new(),
        })
    }
}

async fn answers(url: String) -> bool {
    match PgConnection::connect(&url).await {
        Ok(connection) => connection.close().await.is_ok(),
        Err(_) => false,
    }
}

fn stop_signal(fault: Fault) -> Signal {
    match fault {
        // Postgres' "fast" shutdown: ends sessions, writes a checkpoint.
        Fault::Clean => Signal::SIGINT,
        Fault::Killed => Signal::SIGKILL,
    }
}

/// A SQL identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Postgres refuses to run as root: then it runs as the user that Debian's package made.
fn system_user() -> Option<&'static str> {
    nix::unistd::Uid::effective().is_root().then_some("postgres")
}

/// Where the data is: in `dir`, unless we are root and the system user could not get there (a home folder, say).
fn data_folder(dir: &Path) -> Result<PathBuf, RigError> {
    let open = |folder: &Path| fs::metadata(folder).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0);
    let [within, elsewhere] = data_folders(dir);
    if system_user().is_none() || dir.ancestors().all(open) {
        return Ok(within);
    }
    make_ours(&elsewhere)?;
    Ok(elsewhere.join("data"))
}

/// Makes a folder in which nobody else can put anything. Its name can be foreseen and everybody may write where it lies, so what is
/// there already is taken only when it is such a folder. The system user passes through it, hence not 0700.
fn make_ours(folder: &Path) -> Result<(), RigError> {
    match fs::create_dir(folder) {
        Ok(()) => {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).map_err(RigError::file("protect", folder))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(RigError::file("create", folder)(error)),
    }
    // Of a link, the link.
    let found = fs::symlink_metadata(folder).map_err(RigError::file("look at", folder))?;
    let us = nix::unistd::Uid::effective().as_raw();
    if found.is_dir() && found.uid() == us && found.permissions().mode() & 0o022 == 0 {
        return Ok(());
    }
    let why = std::io::Error::other("somebody else made it or may write to it; remove it, or start with --fresh");
    Err(RigError::file("use", folder)(why))
}

/// The two places where the data, or the folder around it, can be: whoever removes it need not know how the folders' rights were when
/// it was made.
pub(super) fn data_folders(dir: &Path) -> [PathBuf; 2] {
    let name = hex::encode(Sha256::digest(dir.as_os_str().as_encoded_bytes()));
    [dir.join("postgres"), PathBuf::from(format!("/var/tmp/paddock-postgres-{}", &name[..12]))]
}

/// Data whose password is gone (somebody removed the folder, and the data lay elsewhere) belongs to a run that is forgotten: it goes
/// aside, in the place of what went there before, so that this run begins anew.
fn set_orphan_aside(dir: &Path, data: &Path) -> Result<(), RigError> {
    if !data.join("PG_VERSION").exists() || dir.join(PASSWORD).exists() {
        return Ok(());
    }
    let aside = data.with_extension("orphan");
    fs::remove_dir_all(&aside).ok();
    tracing::warn!(data = %data.display(), aside = %aside.display(), "Postgres' data without its password; beginning anew, old data set aside");
    fs::rename(data, &aside).map_err(RigError::file("set aside", data))
}

fn kept_password(dir: &Path) -> Result<String, RigError> {
    let file = dir.join(PASSWORD);
    if let Ok(password) = fs::read_to_string(&file) {
        return Ok(password);
    }
    let password = hex::encode(rand::random::<[u8; 16]>());
    fs::write(&file, &password).map_err(RigError::file("write", &file))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).map_err(RigError::file("protect", &file))?;
    Ok(password)
}

fn init(dir: &Path, data: &Path, bin: &Path, password: &str) -> Result<(), RigError> {
    // What is there without PG_VERSION is an initdb that was cut off.
    fs::remove_dir_all(data).ok();
    fs::create_dir_all(data).map_err(RigError::file("create", data))?;
    // initdb wants an empty data folder and must be able to read the password: a file beside it, for a moment.
    let password_file = data.with_extension("init");
    fs::write(&password_file, password).map_err(RigError::file("write", &password_file))?;
    fs::set_permissions(&password_file, fs::Permissions::from_mode(0o600)).map_err(RigError::file("protect", &password_file))?;
    let result = run_initdb(dir, data, bin, &password_file);
    fs::remove_file(&password_file).ok();
    result
}

fn run_initdb(dir: &Path, data: &Path, bin: &Path, password_file: &Path) -> Result<(), RigError> {
    let log = dir.join("initdb.log");
    let out = fs::File::create(&log).map_err(RigError::file("create", &log))?;
    let err = out.try_clone().map_err(RigError::file("open", &log))?;
    let mut command = match system_user() {
        None => Command::new(bin.join("initdb")),
        Some(user) => {
            let missing = || RigError::Missing {
                what: format!("the system user {user}"),
                remedy: "Debian's package postgresql makes it: `apt-get install postgresql`".into(),
            };
            let account = nix::unistd::User::from_name(user).ok().flatten().ok_or_else(missing)?;
            for path in [data, password_file] {
                std::os::unix::fs::chown(path, Some(account.uid.as_raw()), Some(account.gid.as_raw()))
                    .map_err(RigError::file("give away", path))?;
            }
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--regid", user, "--clear-groups", "--"]).arg(bin.join("initdb"));
            command
        }
    };
    command.arg("-D").arg(data).args(["-U", SUPERUSER, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]);
    command.args(["--auth=password", "--pwfile"]).arg(password_file).current_dir("/");
    let status = command.stdin(Stdio::null()).stdout(out).stderr(err).status();
    let status = status.map_err(|source| RigError::Spawn { part: "initdb".into(), source })?;
    if status.success() { Ok(()) } else { Err(RigError::Ended { part: "initdb".into(), log: tail(&log) }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_others_could_have_prepared_is_not_used() {
        let dir = std::env::temp_dir().join(format!("paddock-data-test-{}", std::process::id()));
        fs::create_dir_all(dir.join("target")).unwrap();
        let (new, open, link, file) = (dir.join("new"), dir.join("open"), dir.join("link"), dir.join("file"));
        make_ours(&new).unwrap();
        assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o711);
        make_ours(&new).expect("the second start finds what the first has made");

        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        std::os::unix::fs::symlink(dir.join("target"), &link).unwrap();
        fs::write(&file, "").unwrap();
        for folder in [&open, &link, &file] {
            let error = make_ours(folder).unwrap_err();
            assert_eq!(error.to_string(), format!("could not use {}", folder.display()));
        }
        fs::remove_dir_all(&dir).unwrap();
    }
}
