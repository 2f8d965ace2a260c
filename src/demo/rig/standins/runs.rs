//! The programs of Mastodon that runs call: `bin/tootctl` and `bin/rails runner`. What they do is done to the instance's real database, and
//! the Job's own command line is really run around it, with its time limit and with what it writes for Kubernetes to read.
//!
//! As strict as the real ones: an option that `tootctl` does not know is an error, with its words. Two domains misbehave for tests:
//! `unreachable.example` fails, `hangs.example` never ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sqlx::{PgConnection, Row as _};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::jobs::Environment;
use crate::crypto;

/// Where the kubelet puts the file for a pod's last word.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// How a run's pod ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// Exit code of its container.
    pub code: i32,
    /// What it left for Kubernetes, or the end of its log when it failed without a word.
    pub message: String,
}

/// What a program of Mastodon's says and how it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    text: String,
    code: i32,
    hangs: bool,
}

impl Answer {
    fn ok(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 0, hangs: false }
    }

    fn fails(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1, hangs: false }
    }
}

/// A folder that is removed with us.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A new one.
    pub fn new(what: &str) -> std::io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("paddock-{what}-{}", hex::encode(crypto::random::<8>())));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed is in the system's folder for such things.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the command of a run's pod. `gone` ends it, as the deletion of a pod does; then there is nobody to tell.
pub(super) async fn run(
    command: &[String],
    environment: &Environment,
    database: &mut PgConnection,
    gone: &CancellationToken,
) -> Result<Option<End>, String> {
    let io = |error: std::io::Error| format!("the stand-in of Mastodon's programs: {error}");
    let [shell, flag, wrapper, name, words @ ..] = command else {
        return Err("a run's command is sh -c WRAPPER NAME …".into());
    };
    if (shell.as_str(), flag.as_str()) != ("sh", "-c") {
        return Err(format!("a run's command begins with sh -c, not {shell} {flag}"));
    }
    let scratch = Scratch::new("run").map_err(io)?;
    let folder = scratch.path();
    for part in ["bin", "tmp", "answers"] {
        std::fs::create_dir_all(folder.join(part)).map_err(io)?;
    }
    let called = calls(words, environment)?;
    for call in &called {
        let answer = answer(call, environment, database).await.map_err(|error| error.to_string())?;
        write_answer(folder, call, &answer).map_err(io)?;
    }
    for program in ["tootctl", "rails"] {
        write_program(&folder.join("bin").join(program)).map_err(io)?;
    }
    let mut environment = environment.clone();
    environment.insert("TMPDIR".to_owned(), folder.join("tmp").display().to_string());
    execute(folder, [wrapper, name], words, &environment, gone).await
}

/// Runs a pod's `sh -c` in a folder, until `gone`.
pub(super) async fn execute(
    folder: &Path,
    [wrapper, name]: [&String; 2],
    words: &[String],
    environment: &Environment,
    gone: &CancellationToken,
) -> Result<Option<End>, String> {
    let io = |error: std::io::Error| format!("the stand-in of a pod: {error}");
    let last_word = folder.join("termination-log");
    std::fs::write(&last_word, "").map_err(io)?;
    let wrapper = wrapper.replace(TERMINATION_LOG, &last_word.display().to_string());
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
    let child = Command::new("sh")
        .args(["-c", &wrapper, name])
        .args(words)
        .current_dir(folder)
        .env_clear()
        .envs(environment)
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(io)?;
    let output = tokio::select! {
        () = gone.cancelled() => return Ok(None),
        output = child.wait_with_output() => output.map_err(io)?,
    };
    let said = std::fs::read_to_string(&last_word).map_err(io)?;
    let code = output.status.code().unwrap_or(137);
    // `terminationMessagePolicy: FallbackToLogsOnError`.
    let log = || String::from_utf8_lossy(&output.stdout).chars().rev().take(2048).collect::<String>().chars().rev().collect();
    Ok(Some(End { code, message: if said.is_empty() && code != 0 { log() } else { said } }))
}

/// The calls of Mastodon's programs that a command makes, each a program with its arguments.
fn calls(words: &[String], environment: &Environment) -> Result<Vec<Vec<String>>, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["bin/tootctl" | "bin/rails", ..] => Ok(vec![words.iter().map(|word| (*word).to_owned()).collect()]),
        ["sh", "-c", script] => {
            let steps = script.split("&&").map(|step| {
                let call: Vec<String> = step
                    .split_whitespace()
                    .filter(|word| *word != "exec")
                    .map(|word| match word.strip_prefix("\"$").and_then(|word| word.strip_suffix('"')) {
                        Some(variable) => environment.get(variable).cloned().unwrap_or_default(),
                        None => word.to_owned(),
                    })
                    .collect();
                call.first().is_some_and(|program| program == "bin/tootctl").then_some(call)
            });
            steps.collect::<Option<Vec<_>>>().ok_or_else(|| format!("not a list of calls of tootctl: {script}"))
        }
        _ => Err(format!("not a program of Mastodon's: {words:?}")),
    }
}

/// The name of the file that holds the answer to a call.
fn file_of(call: &[String]) -> String {
    let program = call.first().map_or("", |program| program.trim_start_matches("bin/"));
    if program == "rails" {
        return "rails".to_owned();
    }
    call[1..].join(" ").chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

fn write_answer(folder: &Path, call: &[String], answer: &Answer) -> std::io::Result<()> {
    let file = folder.join("answers").join(file_of(call));
    std::fs::write(&file, format!("{}\n", answer.text))?;
    std::fs::write(file.with_extension("code"), answer.code.to_string())?;
    if answer.hangs {
        std::fs::write(file.with_extension("hangs"), "")?;
    }
    Ok(())
}

/// A program that gives the prepared answer to what it is called with.
fn write_program(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let text = "#!/bin/sh\n\
        case $0 in *rails) name=rails ;; *) name=$(printf %s \"$*\" | tr -c 'a-zA-Z0-9' '_') ;; esac\n\
        cat \"answers/$name\"\n\
        [ -e \"answers/$name.hangs\" ] && exec sleep 3600\n\
        exit \"$(cat \"answers/$name.code\")\"\n";
    std::fs::write(file, text)?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))
}

/// Does what a call asks for.
async fn answer(call: &[String], environment: &Environment, database: &mut PgConnection) -> Result<Answer, sqlx::Error> {
    let words: Vec<&str> = call.iter().map(String::as_str).collect();
    let (program, rest) = words.split_first().map_or(("", &[][..]), |(program, rest)| (*program, rest));
    if program == "bin/rails" {
        return match rest {
            ["runner", code] => rails(code, environment, database).await,
            _ => Ok(Answer::fails("rails: only `runner CODE` is known here")),
        };
    }
    let options = |from: usize, known: &[&str]| options(&rest[from..], known);
    let parsed = match rest {
        ["media", "remove", ..] => options(2, &["--days", "--concurrency", "--prune-profiles!", "--remove-headers!"]),
        ["preview_cards", "remove", ..] => options(2, &["--days", "--concurrency"]),
        ["feeds", "build", ..] => options(2, &["--all!", "--concurrency"]),
        ["cache", "recount", "accounts" | "statuses", ..] => options(3, &["--concurrency"]),
        ["accounts", "refresh", ..] => options(2, &["--all!", "--domain", "--concurrency"]),
        ["feeds" | "cache", "clear"] | ["settings", "registrations", "open" | "approved" | "close"] => Ok(BTreeMap::new()),
        _ => Err(format!("Could not find command \"{}\".", rest.join(" "))),
    };
    let given = match parsed {
        Ok(given) => given,
        Err(text) => return Ok(Answer::fails(text)),
    };
    tootctl(rest, &given, database).await
}

/// Options by name, as Thor reads them; those that take no value end with `!` among the known.
fn options<'a>(words: &[&'a str], known: &[&str]) -> Result<BTreeMap<&'a str, &'a str>, String> {
    let mut given = BTreeMap::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if known.iter().any(|name| name.strip_suffix('!') == Some(word)) {
            given.insert(*word, "");
        } else if known.contains(word) {
            let value = words.next().filter(|value| !value.starts_with('-'));
            let value = value.ok_or_else(|| format!("No value provided for option '{word}'"))?;
            if *word != "--domain" && value.parse::<u32>().is_err() {
                return Err(format!("Expected numeric value for '{word}'; got \"{value}\""));
            }
            given.insert(*word, *value);
        } else {
            return Err(format!("ERROR: \"tootctl\" was called with arguments [\"{word}\"]"));
        }
    }
    Ok(given)
}

async fn count(database: &mut PgConnection, query: &'static str, days: i32) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(query).bind(days).fetch_one(database).await
}

async fn tootctl(rest: &[&str], given: &BTreeMap<&str, &str>, database: &mut PgConnection) -> Result<Answer, sqlx::Error> {
    let days = given.get("--days").and_then(|days| days.parse().ok()).unwrap_or(0);
    Ok(match rest {
        ["media", "remove", ..] if given.contains_key("--prune-profiles") || given.contains_key("--remove-headers") => {
            let visited = count(
                database,
                "select count(*) from accounts where domain is not null and updated_at <= now() - make_interval(days => $1)",
                days,
            )
            .await?;
            Answer::ok(format!(
                "{visited}/{visited} |====|\nVisited {visited} accounts and removed profile media totaling 0 Bytes"
            ))
        }
        ["media", "remove", ..] => {
            let removed = sqlx::query(
                "update media_attachments set file_file_name = null
                 where remote_url <> '' and file_file_name is not null and created_at <= now() - make_interval(days => $1)
                 returning coalesce(file_file_size, 0)",
            )
            .bind(days)
            .fetch_all(database)
            .await?;
            let bytes: i64 = removed.iter().map(|row| row.get::<i64, _>(0)).sum();
            let n = removed.len();
            Answer::ok(format!("{n}/{n} |====|\nRemoved {n} media attachments (approx. {bytes} Bytes)"))
        }
        ["preview_cards", ..] => Answer::ok("0/0 ||\nRemoved 0 preview cards (approx. 0 Bytes)"),
        ["feeds", "build", ..] => {
            let users = count(database, "select count(*) from users where confirmed_at is not null and $1 = 0", days).await?;
            Answer::ok(format!("{users}/{users} |====|\nRegenerated feeds for {users} accounts"))
        }
        ["cache", "recount", what, ..] => {
            let query = if *what == "accounts" {
                "select count(*) from accounts where domain is null and $1 = 0"
            } else {
                "select count(*) from statuses where $1 = 0"
            };
            let counted = count(database, query, days).await?;
            Answer::ok(format!("{counted}/{counted} |====|\n\nOK, recounted {counted} records"))
        }
        ["accounts", "refresh", ..] => match given.get("--domain") {
            Some(&"unreachable.example") => Answer::fails(
                "12/40 |==  |\nError processing 7: HTTP::TimeoutError\nNew password: hunter2hunter2\nno answer from unreachable.example",
            ),
            Some(&"hangs.example") => Answer { hangs: true, ..Answer::ok("12/40 |==  |") },
            Some(_) | None => Answer::ok("0/0 ||\nRefreshed 0 accounts"),
        },
        ["settings", "registrations", mode] => {
            let value = if *mode == "close" { "none" } else { mode };
            set(database, "registrations_mode", value).await?;
            Answer::ok("OK")
        }
        _ => Answer::ok("OK"),
    })
}

/// A setting of Mastodon's, kept as YAML.
async fn set(database: &mut PgConnection, var: &str, value: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into settings (var, value, created_at, updated_at) values ($1, $2, now(), now())
         on conflict (var) do update set value = excluded.value, updated_at = now()",
    )
    .bind(var)
    .bind(format!("--- {value}\n"))
    .execute(database)
    .await
    .map(|_| ())
}

/// `rails runner`: the pieces of code that we know, told apart by what they call.
async fn rails(code: &str, environment: &Environment, database: &mut PgConnection) -> Result<Answer, sqlx::Error> {
    let get = |name: &str| environment.get(name).cloned().unwrap_or_default();
    if code.contains("Setting.media_cache_retention_period") {
        let (media, archive) = (get("MEDIA_DAYS"), get("ARCHIVE_DAYS"));
        if !(media.is_empty() || media.parse::<u16>().is_ok()) || archive.parse::<u16>().is_err() {
            return Ok(Answer::fails("invalid value for Integer()"));
        }
        set(database, "media_cache_retention_period", &media).await?;
        set(database, "backups_retention_period", &archive).await?;
        return Ok(Answer::ok("OK, it holds from tonight on"));
    }
    let owner: Option<i64> = sqlx::query_scalar(
        "select u.id from users u join accounts a on a.id = u.account_id where a.domain is null and lower(a.username) = lower($1)",
    )
    .bind(get("OWNER_USERNAME"))
    .fetch_optional(&mut *database)
    .await?;
    let Some(owner) = owner else { return Ok(Answer::fails("the owner's account is gone")) };
    if code.contains("user.invites.create!") {
        let (Ok(uses), Ok(seconds)) = (get("INVITE_USES").parse::<i32>(), get("INVITE_SECONDS").parse::<f64>()) else {
            return Ok(Answer::fails("invalid value for Integer()"));
        };
        sqlx::query(
            "insert into invites (user_id, code, max_uses, expires_at) values ($1, $2, $3, now() + make_interval(secs => $4))",
        )
        .bind(owner)
        .bind(hex::encode(crypto::random::<4>()))
        .bind(uses)
        .bind(seconds)
        .execute(database)
        .await?;
        return Ok(Answer::ok("OK, the link is on its way to the owner"));
    }
    if code.contains("send_reset_password_instructions") {
        sqlx::query("update users set reset_password_sent_at = now() where id = $1").bind(owner).execute(database).await?;
        return Ok(Answer::ok("OK, the mail is on its way to the owner"));
    }
    Ok(Answer::fails("this code is not known here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_strictly_as_tootctl_does() {
        let known = ["--days", "--prune-profiles!"];
        assert_eq!(options(&["--days", "7", "--prune-profiles"], &known).unwrap().len(), 2);
        for bad in [&["--dayz", "7"][..], &["--days"], &["--days", "--prune-profiles"], &["--days", "x"], &["stray"]] {
            assert!(options(bad, &known).is_err(), "{bad:?}");
        }
    }
}
