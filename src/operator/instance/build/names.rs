//! Names inside an instance's namespace. Fixed: the operator's rights and the watches name them.

/// The keys that make a server itself: created once, never applied, immutable.
pub const IDENTITY: &str = "mastodon-identity";
/// The key of the media bucket: created once.
pub const MEDIA: &str = "mastodon-media";
/// The key of the backup bucket, for CloudNativePG and the agent: created once.
pub const BACKUP: &str = "mastodon-backup";
/// Valkey's password: created once.
pub const CACHE_PASSWORD: &str = "cache-password";
/// Who we are to the mail relay.
pub const MAIL: &str = "mastodon-mail";
/// Every Secret that we write.
pub const SECRETS: &[&str] = &[IDENTITY, MEDIA, BACKUP, CACHE_PASSWORD, MAIL];

/// Mastodon's environment.
pub const ENV: &str = "mastodon-env";
/// The database of the first generation; one recovered from a backup is the next.
pub const DATABASE: &str = "db-1";
/// What CloudNativePG calls the Secret with the application's login: `<cluster>-app`.
pub const DATABASE_LOGIN: &str = "db-1-app";
/// The `ObjectStore`: where the database's backups go, of all its generations.
pub const BACKUPS: &str = "backups";
/// Valkey: `StatefulSet`, Service and volume.
pub const CACHE: &str = "cache";
/// Deployment and Service.
pub const WEB: &str = "web";
/// Deployment and Service.
pub const STREAMING: &str = "streaming";
/// Deployment.
pub const SIDEKIQ: &str = "sidekiq";
/// Deployment.
pub const SCHEDULER: &str = "scheduler";
/// Service and its endpoints: where the object store is.
pub const MEDIA_STORE: &str = "media";
/// The Job of the run at work. One name, so that the API server sees to it that there is one at a time.
pub const RUN: &str = "run";
/// Pods that make or prove an archive.
pub const ARCHIVE: &str = "archive";
/// Every other object.
pub const MASTODON: &str = "mastodon";

/// Where web listens.
pub const WEB_PORT: u16 = 3000;
/// Where streaming listens.
pub const STREAMING_PORT: u16 = 4000;
/// Where Postgres listens.
pub const DATABASE_PORT: u16 = 5432;
/// Where the database's pods tell figures about themselves.
pub const DATABASE_FIGURES_PORT: u16 = 9187;
/// Where Valkey listens.
pub const CACHE_PORT: u16 = 6379;
/// Where the pods of cert-manager listen that answer to whoever signs a certificate.
pub const SOLVER_PORT: u16 = 8089;
