//! What is done once: the database's schema, its first rows, the owner's account; and the migrations of another release.

use serde_json::json;

use super::pods::{Pods, Process};
use super::{Object, resources};
use crate::operator::instance::upgrade::UnderWay;
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::settings::Images;
use crate::resource::Owner;

/// Says what a Job of ours does.
pub const JOB_LABEL: &str = "paddock.host/job";

/// How often a Job's pod is started again before the Job counts as failed.
const RETRIES: u32 = 2;

/// Makes the owner's account, or promotes the one that is there.
///
/// `tootctl accounts create` prints the password that it has made up; nobody is to see it, so what it says goes nowhere. The
/// owner asks Mastodon for a link to set one. `modify` knows no password; what it says is shown when it fails.
const MAKE_OWNER: &str = "bin/tootctl accounts create \"$OWNER_USERNAME\" --email \"$OWNER_EMAIL\" --confirmed --approve --role Owner >/dev/null 2>&1 || \
     { out=$(bin/tootctl accounts modify \"$OWNER_USERNAME\" --confirm --approve --role Owner 2>&1) || { echo \"$out\"; exit 1; }; }";

/// What can be done once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// `db:prepare`: the schema.
    Prepare,
    /// `db:seed`: the first rows. A Job of its own, since a `db:prepare` that was killed before seeding would skip it.
    Seed,
    /// The first owner's account.
    Owner,
    /// `db:migrate` without the post-deployment migrations: what the old release can live with.
    PreMigration,
    /// `db:migrate`: the rest, once no pod of the old release is left.
    PostMigration,
    /// What another major release of PostgreSQL has to know of the tables.
    Analyze,
}

impl Task {
    /// The word in names and in the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Seed => "seed",
            Self::Owner => "owner",
            Self::PreMigration => "migrate-pre",
            Self::PostMigration => "migrate-post",
            Self::Analyze => "analyze",
        }
    }

    /// Whether a Job is of a change of the release; those go when it is over, so that the next one begins afresh.
    pub fn is_of_change(job: &str) -> bool {
        [Self::PreMigration, Self::PostMigration].into_iter().any(|task| job.starts_with(task.as_str()))
    }

    /// Whether a Job is of another major release of PostgreSQL; it goes when that is over as well.
    pub fn is_of_major(job: &str) -> bool {
        job.starts_with(Self::Analyze.as_str())
    }

    /// How long a Job of it may take with all its retries, in seconds: one that hangs fails instead of running for ever.
    fn deadline(self) -> u32 {
        match self {
            Self::Prepare | Self::Seed => 3600,
            Self::Owner => 900,
            // Of 4.7 they rewrite the largest tables.
            Self::PreMigration | Self::PostMigration | Self::Analyze => 6 * 3600,
        }
    }
}

/// Which attempt is due, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// Of the schema.
    pub prepare: u32,
    /// Of the first rows.
    pub seed: u32,
    /// Of the owner.
    pub owner: u32,
    /// Of the backup before another release.
    pub backup: u32,
    /// Of its first migrations.
    pub pre: u32,
    /// Of its last migrations.
    pub post: u32,
    /// Of what another major release of PostgreSQL takes: the backup before, the look through the tables, the backup after.
    pub major: [u32; 3],
}

/// The Jobs of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Jobs {
    /// The schema.
    pub prepare: Object,
    /// The first rows.
    pub seed: Object,
    /// The owner.
    pub owner: Object,
}

/// The name of a Job: `prepare-4-5-20`, and `prepare-4-5-20-2` for the second attempt. The same for everybody who looks.
pub fn job_name(task: Task, version: &str, attempt: u32) -> String {
    let slug = version.replace('.', "-");
    if attempt <= 1 { format!("{}-{slug}", task.as_str()) } else { format!("{}-{slug}-{attempt}", task.as_str()) }
}

/// The Jobs of an instance.
pub fn jobs(valid: &Valid<'_>, pods: &Pods<'_>, attempts: Attempts) -> Jobs {
    let Attempts { prepare, seed, owner, backup: _, pre: _, post: _, major: _ } = attempts;
    let Owner { username, email } = &valid.spec.owner;
    let of = |task, attempt| Which { task, attempt, version: &valid.version, images: &valid.release };
    Jobs {
        prepare: job(valid, pods, of(Task::Prepare, prepare), rails("db:prepare"), Vec::new()),
        seed: job(valid, pods, of(Task::Seed, seed), rails("db:seed"), Vec::new()),
        owner: job(
            valid,
            pods,
            of(Task::Owner, owner),
            ["sh", "-c", MAKE_OWNER].map(str::to_owned).to_vec(),
            vec![("OWNER_USERNAME", username.clone()), ("OWNER_EMAIL", email.clone())],
        ),
    }
}

/// A Job of `db:migrate` for the release to come; see [`Task`].
pub fn migration(valid: &Valid<'_>, pods: &Pods<'_>, task: Task, attempt: u32, under_way: &UnderWay) -> Object {
    let UnderWay { upgrade, images } = under_way;
    let skip = ("SKIP_POST_DEPLOYMENT_MIGRATIONS", "true".to_owned());
    let env = if task == Task::PreMigration { vec![skip] } else { Vec::new() };
    job(valid, pods, Which { task, attempt, version: &upgrade.to, images }, rails("db:migrate"), env)
}

/// A Job of `ANALYZE` for the major release of PostgreSQL that has come.
pub fn analyze(valid: &Valid<'_>, pods: &Pods<'_>, attempt: u32, major: u16) -> Object {
    let command = ["bundle", "exec", "rails", "runner", "ActiveRecord::Base.connection.execute('ANALYZE')"];
    let which = Which { task: Task::Analyze, attempt, version: &major.to_string(), images: &valid.release };
    job(valid, pods, which, command.map(str::to_owned).to_vec(), Vec::new())
}

fn rails(task: &str) -> Vec<String> {
    ["bundle", "exec", "rails", task].map(str::to_owned).to_vec()
}

/// Which Job, of which release.
#[derive(Clone, Copy)]
struct Which<'a> {
    task: Task,
    attempt: u32,
    version: &'a str,
    images: &'a Images,
}

fn job(
    valid: &Valid<'_>,
    pods: &Pods<'_>,
    which: Which<'_>,
    command: Vec<String>,
    mut env: Vec<(&'static str, String)>,
) -> Object {
    let Which { task, attempt, version, images: Images { web, streaming: _ } } = which;
    env.push(("DB_SSLMODE", "prefer".to_owned()));
    let mut template = pods.ruby(Process {
        component: "job",
        image: web.clone(),
        command,
        env,
        resources: resources(valid.spec.size.web.memory_mib.max(512), valid.spec.size.web.cpu_milli.max(250)),
        grace: 30,
    });
    template["metadata"]["labels"][JOB_LABEL] = task.as_str().into();
    template["spec"]["restartPolicy"] = "Never".into();
    let body = json!({
        "metadata": {"labels": {JOB_LABEL: task.as_str()}},
        "spec": {
            "activeDeadlineSeconds": task.deadline(),
            "backoffLimit": RETRIES,
            "completions": 1,
            "parallelism": 1,
            "template": template,
        },
    });
    Object::new(valid, Kind::Job, job_name(task, version, attempt), "job", body)
}
