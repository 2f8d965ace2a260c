//! What became of a run's Job, and what it said. Pure.

use chrono::{DateTime, Utc};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use serde::Deserialize;

use crate::operator::instance::build::{RUN_LABEL, TIMED_OUT};
use crate::resource::{Action, ConditionKind, Digest, Finding, ProvenArchive, RunPhase, Standing, WrittenArchive, time};

/// The most that is kept of what a run printed, in bytes.
const KEPT: usize = 4000;
/// Letters, digits and signs in a row from which on a word is taken for a secret: keys and tokens are longer, other words are not.
const LONGEST_WORD: usize = 32;

/// The one Job of a server's runs, as it is right now.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// The run that it does.
    pub run: String,
    /// Tells it from a later one.
    pub uid: String,
    /// It is being deleted.
    pub deleting: bool,
    /// How far it is.
    pub state: SlotState,
}

/// How far the Job is.
#[derive(Debug, Clone, PartialEq)]
pub enum SlotState {
    /// Neither done nor given up.
    Active,
    /// It is over.
    Ended {
        /// Well.
        well: bool,
        /// One word of Kubernetes'.
        reason: String,
        /// A sentence of Kubernetes'.
        message: String,
    },
}

impl Slot {
    /// Reads a Job.
    pub fn read(job: &Job) -> Self {
        let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let ended = conditions.filter(|condition| condition.status == "True").find_map(|condition| {
            let well = match condition.type_.as_str() {
                "Complete" => true,
                "Failed" => false,
                _ => return None,
            };
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            Some(SlotState::Ended { well, reason: text(&condition.reason), message: text(&condition.message) })
        });
        Self {
            run: job.metadata.labels.as_ref().and_then(|labels| labels.get(RUN_LABEL)).cloned().unwrap_or_default(),
            uid: job.metadata.uid.clone().unwrap_or_default(),
            deleting: job.metadata.deletion_timestamp.is_some(),
            state: ended.unwrap_or(SlotState::Active),
        }
    }
}

/// What a Job that deals with an archive says of it at its end, in a line of JSON (`docs/archive.md`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// It was written.
    pub written: Option<WrittenArchive>,
    /// It was proven.
    pub proven: Option<ProvenArchive>,
}

/// The last line of JSON that `paddock archive` has printed.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Said {
    Complete {
        manifest: Digest,
        signer: String,
        bytes: i64,
        parts: i32,
        objects: i64,
        left_out: i64,
        vanished: i64,
        snapshot: DateTime<Utc>,
    },
    Proven {
        manifest: Digest,
        compared: Compared,
        objects: Option<i64>,
    },
}

#[derive(Deserialize)]
struct Compared {
    tables: i64,
    rows: i64,
    actors: i64,
    pairs: i64,
    opened: Option<bool>,
}

/// Reads what a Job has said of its archive. What it did not say was not done.
pub fn report(last: Option<&ContainerStateTerminated>) -> Report {
    let text = last.and_then(|last| last.message.as_deref()).unwrap_or_default();
    let said = text.lines().rev().find_map(|line| serde_json::from_str::<Said>(line).ok());
    match said {
        None => Report::default(),
        Some(Said::Complete { manifest, signer, bytes, parts, objects, left_out, vanished, snapshot }) => {
            let missing = left_out.saturating_add(vanished);
            let snapshot = time(snapshot);
            let written = WrittenArchive { manifest, signer, bytes, parts, objects, missing, snapshot };
            Report { written: Some(written), proven: None }
        }
        Some(Said::Proven { manifest, compared, objects }) => {
            let Compared { tables, rows, actors, pairs, opened } = compared;
            let objects = objects.unwrap_or(0);
            Report { written: None, proven: Some(ProvenArchive { manifest, tables, rows, objects, actors, pairs, opened }) }
        }
    }
}

/// What came of a Job that deals with an archive: one that ends well and does not say what it did has not done it.
pub fn archive_outcome(action: &Action, standing: Standing, report: &Report) -> Standing {
    let said = match action {
        Action::Export { archive: _, scope: _, recipients: _ } => report.written.is_some(),
        Action::Verify { archive: _, manifest } | Action::RestoreDrill { archive: _, manifest } => {
            report.proven.as_ref().is_some_and(|proven| proven.manifest == *manifest)
        }
        Action::Import {} | Action::Maintenance(_) => true,
    };
    if said || standing.phase != RunPhase::Succeeded {
        return standing;
    }
    Standing::new(
        RunPhase::Failed,
        "NotSaid",
        "it ended well and does not say of which archive; look at its log, then ask for it again",
    )
}

/// What the end of a run says of the server's archives; nothing where it was about something else.
pub fn proof(action: &Action, standing: &Standing, report: &Report) -> Option<Finding> {
    let kind = ConditionKind::RestoreProven;
    match action {
        Action::Verify { archive, manifest: _ } | Action::RestoreDrill { archive, manifest: _ } => {
            let archive = archive.0;
            Some(match &report.proven {
                Some(proven) if standing.phase == RunPhase::Succeeded => {
                    let ProvenArchive { manifest: _, tables, rows, objects, actors: _, pairs, opened: _ } = proven;
                    let compared = format!("{rows} rows in {tables} tables, {pairs} private keys, {objects} media files");
                    Finding::holds(kind, "Proven", format!("{archive} was restored and compared: {compared}"))
                }
                Some(_) | None => {
                    Finding::fails(kind, "ProofFailed", format!("{archive} could not be proven: {}", standing.message))
                }
            })
        }
        Action::Export { archive: _, scope: _, recipients: _ } | Action::Import {} | Action::Maintenance(_) => None,
    }
}

/// The end of the newest pod's only container.
pub fn last_word(pods: &[Pod]) -> Option<&ContainerStateTerminated> {
    let newest = pods.iter().max_by_key(|pod| pod.metadata.creation_timestamp.clone())?;
    let containers = newest.status.as_ref()?.container_statuses.as_ref()?;
    containers.first()?.state.as_ref()?.terminated.as_ref()
}

/// What came of a Job that is over, and what it said.
pub fn outcome(well: bool, reason: &str, message: &str, last: Option<&ContainerStateTerminated>) -> (Standing, Option<String>) {
    let output = last.and_then(|last| last.message.as_deref()).map(tail).filter(|text| !text.is_empty());
    let code = last.map(|last| last.exit_code);
    let standing = if well {
        Standing::new(RunPhase::Succeeded, "Succeeded", "done")
    } else if reason == "DeadlineExceeded" || code.is_some_and(|code| TIMED_OUT.contains(&code)) {
        Standing::new(RunPhase::TimedOut, "TimedOut", "it took longer than it may and was ended; ask for it again to go on")
    } else {
        let why = match (last, code) {
            (Some(last), _) if last.reason.as_deref() == Some("OOMKilled") => "it needed more memory than it may have".to_owned(),
            (_, Some(code)) => format!("it ended with the code {code}; what it printed says why"),
            (_, None) => format!("its pod did not get to work: {message}"),
        };
        Standing::new(RunPhase::Failed, "Failed", why)
    };
    (standing, output)
}

/// The end of what was printed, without what looks like a secret.
pub fn tail(text: &str) -> String {
    // A bar that is drawn again and again on one line is worth its last state alone.
    let lines = text.lines().map(|line| line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default());
    let clean: Vec<String> = lines.map(redact).collect();
    let clean = clean.join("\n");
    let clean = clean.trim();
    let from = clean.len().saturating_sub(KEPT);
    let from = (from..=clean.len()).find(|at| clean.is_char_boundary(*at)).unwrap_or(clean.len());
    clean[from..].to_owned()
}

/// A line without what looks like a secret: the user part of a URL, what is called a password, token, secret or key, and whatever
/// is long and looks made up.
fn redact(line: &str) -> String {
    const GONE: &str = "[removed]";
    let secret_name = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["password", "passwd", "token", "secret", "_key", "api_key", "authorization"].iter().any(|word| name.ends_with(word))
    };
    let mut next_is_secret = false;
    let words: Vec<String> = line
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect::<String>()
        .split(' ')
        .map(|word| {
            if word.is_empty() {
                return String::new();
            }
            let bare = word.trim_matches(|sign: char| "\"'`,;()[]{}<>".contains(sign));
            if std::mem::take(&mut next_is_secret) && !bare.is_empty() && bare != "=" && bare != ":" {
                return GONE.to_owned();
            }
            if let Some((name, value)) = bare.split_once(['=', ':'])
                && secret_name(name.trim_matches(|sign: char| "\"'".contains(sign)))
            {
                next_is_secret = value.is_empty() || value == ">";
                return if next_is_secret { word.to_owned() } else { format!("{name}={GONE}") };
            }
            if let Some((scheme, rest)) = bare.split_once("://")
                && let Some((_, after)) = rest.split_once('@')
            {
                return format!("{scheme}://{GONE}@{after}");
            }
            let made_up = |part: &str| {
                part.len() >= LONGEST_WORD
                    && part.bytes().any(|byte| byte.is_ascii_digit())
                    && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=_-".contains(&byte))
            };
            if bare.split(['.', ':', '@', '/']).any(made_up) { GONE.to_owned() } else { word.to_owned() }
        })
        .collect();
    words.join(" ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ended(code: i32, message: &str) -> ContainerStateTerminated {
        ContainerStateTerminated { exit_code: code, message: Some(message.to_owned()), ..ContainerStateTerminated::default() }
    }

    #[test]
    fn a_job_is_read_with_whose_it_is() {
        let job = |status| -> Job {
            let metadata = json!({"name": "run", "uid": "u", "labels": {"paddock.host/run": "run-1"}});
            serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap()
        };
        let slot = Slot::read(&job(json!({"active": 1})));
        assert_eq!((slot.run.as_str(), slot.uid.as_str(), slot.state), ("run-1", "u", SlotState::Active));
        let failed = json!({"conditions": [
            {"type": "FailureTarget", "status": "True", "reason": "x"},
            {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "late"}]});
        let state = SlotState::Ended { well: false, reason: "DeadlineExceeded".into(), message: "late".into() };
        assert_eq!(Slot::read(&job(failed)).state, state);
    }

    #[test]
    fn what_became_of_it_is_told_with_its_last_word() {
        let phase = |well, reason, last: Option<ContainerStateTerminated>| outcome(well, reason, "m", last.as_ref()).0.phase;
        assert_eq!(phase(true, "", Some(ended(0, "OK"))), RunPhase::Succeeded);
        assert_eq!(phase(false, "BackoffLimitExceeded", Some(ended(1, "no"))), RunPhase::Failed);
        assert_eq!(phase(false, "PodFailurePolicy", Some(ended(124, "half"))), RunPhase::TimedOut);
        assert_eq!(phase(false, "DeadlineExceeded", None), RunPhase::TimedOut);
        let (standing, output) = outcome(false, "BackoffLimitExceeded", "no node has room", None);
        assert!(standing.message.contains("no node has room") && output.is_none());
        assert_eq!(outcome(false, "", "", Some(&ended(1, " no \n"))).1.as_deref(), Some("no"));
    }

    #[test]
    fn what_an_archives_job_says_is_read_from_its_last_line() {
        let digest = "0a".repeat(32);
        let complete = format!(
            "{{\"event\":\"progress\",\"step\":\"media\"}}\n{{\"event\":\"complete\",\"folder\":\"s3://b/a\",\"signer\":\"k\",\"bytes\":7,\
             \"objects\":2,\"left_out\":1,\"vanished\":1,\"parts\":6,\"manifest\":\"{digest}\",\"snapshot\":\"2026-11-25T12:00:00Z\"}}\n"
        );
        let written = report(Some(&ended(0, &complete))).written.unwrap();
        assert_eq!((written.bytes, written.parts, written.missing, written.manifest.as_str()), (7, 6, 2, digest.as_str()));
        let proven = format!(
            "{{\"event\":\"proven\",\"compared\":{{\"tables\":3,\"rows\":9,\"sequences\":1,\"actors\":1,\"pairs\":1,\"opened\":true}},\
             \"objects\":2,\"manifest\":\"{digest}\"}}"
        );
        let proof = report(Some(&ended(0, &proven)));
        assert_eq!(proof.proven.as_ref().map(|proven| (proven.rows, proven.opened)), Some((9, Some(true))));
        assert_eq!(report(Some(&ended(0, "OK"))), Report::default());

        let verify = |manifest: &str| -> Action {
            let archive = crate::ids::ArchiveId::new().to_string();
            serde_json::from_value(json!({"verify": {"archive": archive, "manifest": manifest}})).unwrap()
        };
        let well = || Standing::new(RunPhase::Succeeded, "Succeeded", "done");
        assert_eq!(archive_outcome(&verify(&digest), well(), &proof).phase, RunPhase::Succeeded);
        for (action, report) in [(verify(&"0b".repeat(32)), &proof), (verify(&digest), &Report::default())] {
            assert_eq!(archive_outcome(&action, well(), report).reason, "NotSaid");
        }
    }

    #[test]
    fn of_a_bar_the_last_state_is_kept_and_of_a_long_text_the_end() {
        assert_eq!(
            tail("1/9 |=\r2/9 |==\r\nRemoved 9 media attachments (approx. 3 MB)\n"),
            "2/9 |==\nRemoved 9 media attachments (approx. 3 MB)"
        );
        let long = format!("begin {} end", "wörter ".repeat(2000));
        let kept = tail(&long);
        assert!(kept.len() <= 4000 && kept.ends_with(" end") && !kept.contains("begin"), "{}", kept.len());
    }

    #[test]
    fn what_looks_like_a_secret_goes_and_all_else_stays() {
        for (line, left) in [
            ("New password: 0dd9f1", "New password: [removed]"),
            (
                "could not reach postgres://app:hunter2@db-1-rw/app today",
                "could not reach postgres://[removed]@db-1-rw/app today",
            ),
            ("SMTP_PASSWORD=hunter2 was refused", "SMTP_PASSWORD=[removed] was refused"),
            ("{\"access_token\": \"abc\"}", "{\"access_token\": [removed]"),
            ("key 4f1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b9c", "key [removed]"),
            ("token=> eyJhbGciOi.x", "token=> [removed]"),
        ] {
            assert_eq!(redact(line), left);
        }
        for line in [
            "Removed 12 media attachments (approx. 3.4 MB)",
            "Error processing 109876543210987654: 404 Not Found",
            "https://mastodon.example/users/ada/statuses/109876543210987654 is gone",
            "OK, recounted 1234567 records",
            "Mastodon::UnexpectedResponseError in app/services/activitypub/fetch_remote_account_service.rb",
        ] {
            assert_eq!(redact(line), line);
        }
    }
}
