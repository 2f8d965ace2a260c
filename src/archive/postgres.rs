//! Postgres' own programs: `pg_dump` and `pg_restore`, of the right version, with the login in their environment and never among their
//! arguments. `psql` is not among them: it runs whatever a dump says to the machine that it runs on.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use super::error::ArchiveError;
use super::stream::CHUNK;
use super::watch::{Progress, Step, Watch};

/// The most that a table of contents may be, in bytes: Mastodon's has 200 thousand.
const LONGEST_LIST: u64 = 16 * 1024 * 1024;
/// Postgres' minors before these let a dump run commands where it is restored, or the server run them where it is dumped
/// (CVE-2025-8714, CVE-2025-8715, CVE-2026-6477, CVE-2026-18408).
const PATCHED: [(u32, u32); 5] = [(14, 24), (15, 19), (16, 15), (17, 11), (18, 6)];

/// A database and a login.
#[derive(Clone)]
pub struct Address {
    /// Host name, or folder of the socket.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Its password; empty where none is asked for.
    pub password: SecretString,
    /// Database.
    pub database: String,
    /// `disable`, `prefer`, `require`, `verify-ca` or `verify-full`.
    pub ssl_mode: String,
    /// File with the certificate of the authority.
    pub root_certificate: Option<PathBuf>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}@{}:{}/{})", self.user, self.host, self.port, self.database)
    }
}

impl Address {
    /// Reads `postgres://user:password@host:port/database?sslmode=…`.
    ///
    /// # Errors
    /// It is none. The text is not repeated: there may be a password in it.
    pub fn from_url(text: &str) -> Result<Self, ArchiveError> {
        let bad = |why: &str| ArchiveError::Given(format!("the address of the database {why}"));
        let url = Url::parse(text).map_err(|error| bad(&format!("can't be read: {error}")))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(bad("does not begin with postgres://"));
        }
        let plain = |text: &str| {
            let decoded = percent_decoded(text).ok_or_else(|| bad("has an escape in it that is none"))?;
            if decoded.contains('\0') { Err(bad("has a zero byte in it")) } else { Ok(decoded) }
        };
        let query = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let database = plain(url.path().trim_start_matches('/'))?;
        if database.is_empty() {
            return Err(bad("names no database"));
        }
        Ok(Self {
            host: query("host").or_else(|| url.host_str().map(str::to_owned)).unwrap_or_else(|| "localhost".to_owned()),
            port: url.port().unwrap_or(5432),
            user: if url.username().is_empty() { "postgres".to_owned() } else { plain(url.username())? },
            password: plain(url.password().unwrap_or_default())?.into(),
            database,
            ssl_mode: query("sslmode").unwrap_or_else(|| "prefer".to_owned()),
            root_certificate: query("sslrootcert").map(PathBuf::from),
        })
    }

    /// The same for sqlx.
    ///
    /// # Errors
    /// `ssl_mode` is none.
    pub fn options(&self) -> Result<PgConnectOptions, ArchiveError> {
        let bad = || ArchiveError::Given(format!("sslmode={} is none that Postgres knows", self.ssl_mode));
        let mode: PgSslMode = self.ssl_mode.parse().map_err(|_| bad())?;
        let options = PgConnectOptions::new_without_pgpass().port(self.port).username(&self.user).database(&self.database);
        let options = options.password(self.password.expose_secret()).ssl_mode(mode);
        let options = if self.host.starts_with('/') { options.socket(&self.host) } else { options.host(&self.host) };
        Ok(match &self.root_certificate {
            Some(file) => options.ssl_root_cert(file),
            None => options,
        })
    }

    /// The same for a program of Postgres', which gets no other environment than this.
    fn environment(&self, command: &mut Command) {
        command.env_clear().env("LC_ALL", "C.UTF-8").env("PGCONNECT_TIMEOUT", "30");
        for name in ["PATH", "HOME"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        let port = self.port.to_string();
        let Self { host, port: _, user, password, database, ssl_mode, root_certificate } = self;
        command
            .env("PGHOST", host)
            .env("PGPORT", port)
            .env("PGUSER", user)
            .env("PGDATABASE", database)
            .env("PGSSLMODE", ssl_mode);
        command.env("PGPASSWORD", password.expose_secret());
        command.envs(root_certificate.iter().map(|file| ("PGSSLROOTCERT", file)));
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.extend(hex::decode(digits).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// A warning about a server whose minor is known to be unsafe with what others have made.
pub fn unpatched(server: u32) -> Option<String> {
    let (major, minor) = (server / 10_000, server % 10_000);
    let (_, least) = PATCHED.into_iter().find(|(of, _)| *of == major)?;
    (minor < least).then(|| format!("Postgres {major}.{minor} has known holes; {major}.{least} closes them"))
}

/// One of Postgres' programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    path: PathBuf,
    /// Its major version.
    pub major: u32,
}

impl Program {
    /// The oldest `name` that is of `major` or newer: in `folder` if one is given, else on the PATH and where Debian puts them.
    ///
    /// # Errors
    /// There is none.
    pub fn find(name: &str, major: u32, folder: Option<&Path>) -> Result<Self, ArchiveError> {
        let mut folders: Vec<PathBuf> = folder.map(Path::to_owned).into_iter().collect();
        if folders.is_empty() {
            // Before the PATH, where Debian has a wrapper that chooses a version by itself.
            let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
            folders.extend(debian.map(|entry| entry.path().join("bin")));
            folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
        }
        let all = folders.into_iter().map(|folder| folder.join(name)).filter(|path| path.exists());
        let all = all.filter_map(|path| Some(Self { major: version(&path)?, path }));
        let fit = all.filter(|program| program.major >= major).min_by_key(|program| program.major);
        fit.ok_or_else(|| {
            let place = folder
                .map_or_else(|| "on the PATH or in /usr/lib/postgresql".to_owned(), |folder| format!("in {}", folder.display()));
            ArchiveError::Program(format!(
                "there is no {name} of Postgres {major} or newer {place}; on Debian: apt-get install postgresql-client-{major}, \
                 or name its folder with --pg-bin"
            ))
        })
    }

    fn command(&self, address: &Address) -> Command {
        let mut command = Command::new(&self.path);
        address.environment(&mut command);
        // A group of its own: Ctrl-C reaches us alone, and we say what it means for the program.
        command.current_dir("/").stderr(Stdio::piped()).process_group(0);
        command
    }

    fn failed(&self, said: &str) -> ArchiveError {
        ArchiveError::Program(format!("{} failed: {said}", self.path.display()))
    }

    fn spawn(&self, command: &mut Command) -> Result<(Running, thread::JoinHandle<String>), ArchiveError> {
        let mut child = command.spawn().map_err(ArchiveError::file("start", &self.path))?;
        let stderr = child.stderr.take();
        let said = thread::spawn(move || stderr.map(last_lines).unwrap_or_default());
        Ok((Running(child), said))
    }

    /// Dumps the schema `public` of a database as of a snapshot, in the custom format, not compressed.
    ///
    /// # Errors
    /// It failed, `out` can't be written, or it was told to stop.
    pub fn dump(
        &self,
        address: &Address,
        snapshot: &str,
        out: &mut impl Write,
        about: u64,
        watch: &dyn Watch,
    ) -> Result<(), ArchiveError> {
        let mut command = self.command(address);
        command.args(["--format=custom", "--compress=0", "--schema=public", "--no-password", "--no-publications"]);
        command.args(["--no-subscriptions", "--no-security-labels", "--no-tablespaces"]).arg(format!("--snapshot={snapshot}"));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let (mut running, said) = self.spawn(&mut command)?;
        let Some(mut stdout) = running.0.stdout.take() else { return Err(self.failed("it has no output")) };
        let (mut buffer, mut bytes) = (vec![0; CHUNK], 0);
        loop {
            if watch.stopped() {
                return Err(ArchiveError::Stopped);
            }
            let read = stdout.read(&mut buffer).map_err(ArchiveError::file("read from", &self.path))?;
            if read == 0 {
                break;
            }
            out.write_all(&buffer[..read]).map_err(ArchiveError::file("write", "database.dump.zst"))?;
            bytes += u64::try_from(read).unwrap_or(0);
            watch.progress(Progress { step: Step::Database, bytes, total: Some(about.max(bytes)), objects: 0 });
        }
        running.wait(self, said)
    }

    /// The table of contents of a dump, a line for each entry. Nothing of the dump is run.
    ///
    /// # Errors
    /// It is no dump in the custom format, or its table of contents is absurd.
    pub fn list(&self, dump: impl Read + Send) -> Result<Vec<String>, ArchiveError> {
        let mut command = Command::new(&self.path);
        command.env_clear().env("LC_ALL", "C.UTF-8").current_dir("/").args(["--list", "--format=custom"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (mut running, said) = self.spawn(&mut command)?;
        let (Some(stdin), Some(stdout)) = (running.0.stdin.take(), running.0.stdout.take()) else {
            return Err(self.failed("it has no input or output"));
        };
        let (fed, text) = thread::scope(|scope| {
            let feeding = scope.spawn(move || feed(dump, stdin, |_| true));
            let mut text = Vec::new();
            let read = stdout.take(LONGEST_LIST + 1).read_to_end(&mut text).map(|_| text);
            if !matches!(&read, Ok(text) if is_at_most(text, LONGEST_LIST)) {
                running.end();
            }
            (feeding.join(), read)
        });
        let text = text.map_err(ArchiveError::file("read from", &self.path))?;
        if !is_at_most(&text, LONGEST_LIST) {
            return Err(ArchiveError::Refused(vec!["its table of contents is longer than 16 MiB".into()]));
        }
        if let Ok(Err(error)) = fed {
            return Err(ArchiveError::file("unpack", "database.dump.zst")(error));
        }
        running.wait(self, said)?;
        Ok(String::from_utf8_lossy(&text).lines().filter(|line| !line.starts_with(';')).map(str::to_owned).collect())
    }

    /// Restores the schema `public` of a dump, in one transaction, through a connection of this login.
    ///
    /// # Errors
    /// It failed (nothing was restored then), the dump can't be read, or it was told to stop.
    pub fn restore(&self, address: &Address, dump: impl Read + Send, total: u64, watch: &dyn Watch) -> Result<(), ArchiveError> {
        let mut command = self.command(address);
        command.args(["--format=custom", "--schema=public", "--no-password", "--no-owner", "--no-privileges", "--no-comments"]);
        command.args(["--no-publications", "--no-subscriptions", "--no-security-labels", "--no-tablespaces"]);
        command
            .args(["--exit-on-error", "--single-transaction"])
            .arg(format!("--dbname={}", connection_string(&address.database)));
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let (mut running, said) = self.spawn(&mut command)?;
        let Some(stdin) = running.0.stdin.take() else { return Err(self.failed("it has no input")) };
        let fed = feed(dump, stdin, |bytes| {
            watch.progress(Progress { step: Step::Database, bytes, total: Some(total), objects: 0 });
            !watch.stopped()
        });
        match fed {
            Ok(true) => {}
            Ok(false) => return Err(ArchiveError::Stopped),
            Err(error) => return Err(ArchiveError::file("unpack", "database.dump.zst")(error)),
        }
        running.wait(self, said)
    }
}

/// A database's name where a program would take `host=…` in it for a connection string.
fn connection_string(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn is_at_most(text: &[u8], most: u64) -> bool {
    u64::try_from(text.len()).is_ok_and(|length| length <= most)
}

/// Hands a dump to a program until either ends. False when it was told to stop.
fn feed(mut dump: impl Read, mut stdin: impl Write, go_on: impl Fn(u64) -> bool) -> io::Result<bool> {
    let (mut buffer, mut bytes) = (vec![0; CHUNK], 0);
    loop {
        if !go_on(bytes) {
            return Ok(false);
        }
        let read = dump.read(&mut buffer)?;
        if read == 0 {
            return Ok(true);
        }
        match stdin.write_all(&buffer[..read]) {
            Ok(()) => bytes += u64::try_from(read).unwrap_or(0),
            // It has read what it wanted, or has failed and says why itself.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(true),
            Err(error) => return Err(error),
        }
    }
}

/// A program that is ended when nobody waits for it any more.
struct Running(Child);

impl Running {
    fn wait(mut self, program: &Program, said: thread::JoinHandle<String>) -> Result<(), ArchiveError> {
        let status = self.0.wait().map_err(ArchiveError::file("wait for", &program.path))?;
        let said = said.join().unwrap_or_default();
        if status.success() { Ok(()) } else { Err(program.failed(if said.is_empty() { "it says nothing" } else { &said })) }
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        let _ = self.0.wait();
    }
}

/// The last 2,000 bytes of what a program says, on one line.
fn last_lines(mut stderr: impl Read) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read) = stderr.read(&mut buffer)
        && read > 0
    {
        kept.extend(&buffer[..read]);
        if kept.len() > 2000 {
            kept.drain(..kept.len() - 2000);
        }
    }
    String::from_utf8_lossy(&kept).lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" / ")
}

/// The major version that a program says: `pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)`.
fn version(path: &Path) -> Option<u32> {
    let output = Command::new(path)
        .arg("--version")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text.split_once("(PostgreSQL) ")?.1;
    number.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_their_passwords_not_shown() {
        let address =
            Address::from_url("postgres://m%40x:p%2Fw@db.example:5433/my%20db?sslmode=require&sslrootcert=/ca").unwrap();
        assert_eq!((address.user.as_str(), address.password.expose_secret(), address.database.as_str()), ("m@x", "p/w", "my db"));
        assert_eq!((address.port, address.ssl_mode.as_str()), (5433, "require"));
        assert_eq!(address.root_certificate.as_deref(), Some(Path::new("/ca")));
        assert!(!format!("{address:?}").contains("p/w"));
        assert_eq!(Address::from_url("postgresql:///d?host=/run/pg").unwrap().host, "/run/pg");
        for bad in ["", "mysql://a/b", "postgres://h", "postgres://h/", "postgres://u:%zz@h/d", "postgres://u:%00@h/d"] {
            let error = Address::from_url(bad).unwrap_err().to_string();
            assert!(error.contains("the address of the database"), "{error}");
        }
        assert!(Address { ssl_mode: "no".into(), ..address }.options().is_err());
        assert_eq!(connection_string("host=evil 'x\\"), "dbname='host=evil \\'x\\\\'");
    }

    #[test]
    fn unsafe_minors_are_known() {
        assert!(unpatched(150_018).unwrap().contains("15.19"));
        assert_eq!((unpatched(150_020), unpatched(180_006), unpatched(190_000)), (None, None, None));
    }

    #[test]
    fn of_what_a_program_says_the_end_is_kept() {
        let long = format!("{}\n\n last \n", "x".repeat(5000));
        let said = last_lines(long.as_bytes());
        assert!(said.ends_with("x / last") && said.len() < 2010);
    }
}
