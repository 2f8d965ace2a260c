//! What pages show of archives. Pure: rows, what a run has noted, and the present go in.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::runs::title;
use super::time;
use crate::instance::export::{ArchiveState, Proof, Scope, ServerArchive};
use crate::instance::run::{Run, RunState};
use crate::resource::ProvenArchive;
use crate::web::page::{Fact, StateView};
use crate::words::Words;

/// An archive as it is shown. An empty text means "none".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct ArchiveView {
    /// Which.
    pub id: String,
    /// When it was asked for.
    pub asked: String,
    /// What it holds.
    pub scope: String,
    /// How far it is.
    pub state: StateView,
    /// How large it is.
    pub size: String,
    /// Until when it is there.
    pub until: String,
    /// What went wrong with its proof.
    pub trouble: String,
    /// Whether it can be fetched.
    pub there: bool,
    /// Whether nothing more comes by itself.
    pub settled: bool,
}

/// A run at work on an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Working {
    /// The run.
    pub id: String,
    /// What it does.
    pub title: String,
    /// How far it is.
    pub state: StateView,
    /// The step, in words.
    pub step: String,
    /// How much of that is done, of [`Working::most`]; 0 where nobody knows.
    pub done: u64,
    /// All of it.
    pub most: u64,
    /// How much, how fast and how long still, in words.
    pub text: String,
}

/// What a run notes beside its archive: the line of JSON that `docs/archive.md` describes.
#[derive(Debug, Deserialize)]
struct Noted {
    step: String,
    bytes: u64,
    total: Option<u64>,
    objects: u64,
    bytes_per_second: u64,
    remaining_seconds: Option<u64>,
}

/// Bytes in a unit that fits: `3.2 GB`.
pub(in crate::web) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut whole, mut rest, mut unit) = (bytes, 0, 0);
    while whole >= 1000 && unit + 1 < UNITS.len() {
        (whole, rest, unit) = (whole / 1000, whole % 1000, unit + 1);
    }
    if unit == 0 || whole >= 100 { format!("{whole} {}", UNITS[unit]) } else { format!("{whole}.{} {}", rest / 100, UNITS[unit]) }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The word of a scope.
pub(in crate::web) fn scope_key(scope: Scope) -> &'static str {
    match scope {
        Scope::WithoutCache => "archive-scope-all",
        Scope::DatabaseOnly => "archive-scope-database",
    }
}

/// An archive as it is shown.
pub(in crate::web) fn archive_view(words: &Words, archive: &ServerArchive, now: DateTime<Utc>) -> ArchiveView {
    let there = archive.is_there(now);
    let leaving = matches!(archive.state, ArchiveState::Written | ArchiveState::Proven) && !there;
    let (mark, word) = match archive.state {
        _ if leaving => ("waiting", "leaving"),
        ArchiveState::Requested if archive.run_state == RunState::Running => ("doing", "requested"),
        ArchiveState::Requested => ("waiting", "requested"),
        ArchiveState::Written => ("doing", "written"),
        ArchiveState::Proven => ("done", "proven"),
        ArchiveState::Failed => ("failed", "failed"),
        ArchiveState::Removed => ("waiting", "removed"),
    };
    let detail = match archive.state {
        ArchiveState::Proven => archive.proven_at.map(|at| time::moment(words, at)),
        ArchiveState::Removed => archive.removed_at.map(|at| time::moment(words, at)),
        ArchiveState::Requested | ArchiveState::Written | ArchiveState::Failed => None,
    };
    let unproven = archive.state == ArchiveState::Written && archive.proof_failure.is_some();
    ArchiveView {
        id: archive.id.to_string(),
        asked: time::moment(words, archive.created_at),
        scope: words.t(scope_key(archive.scope)),
        state: StateView::new(words, mark, &format!("archive-state-{word}"), detail.unwrap_or_default()),
        size: archive.bytes.map(|bytes| size(count(bytes))).unwrap_or_default(),
        until: archive
            .expires_at
            .filter(|_| there)
            .map(|until| words.t1("until", "time", time::moment(words, until)))
            .unwrap_or_default(),
        trouble: if unproven { words.t("archive-unproven") } else { String::new() },
        there,
        settled: match archive.state {
            ArchiveState::Requested | ArchiveState::Written => unproven,
            ArchiveState::Proven | ArchiveState::Failed | ArchiveState::Removed => !leaving,
        },
    }
}

/// A run at work, with what it has noted.
pub(in crate::web) fn working(words: &Words, run: &Run, noted: Option<&[u8]>, now: DateTime<Utc>) -> Working {
    let at_work = run.state == RunState::Running;
    let noted = noted.filter(|_| at_work).and_then(|bytes| serde_json::from_slice::<Noted>(bytes).ok());
    let since = run.started_at.filter(|_| at_work).map(|began| time::took(words, now - began)).unwrap_or_default();
    let state =
        StateView::new(words, if at_work { "doing" } else { "waiting" }, &format!("run-state-{}", run.state.word()), since);
    let mut view = Working { id: run.id.to_string(), title: title(words, &run.action), state, ..Working::default() };
    if let Some(Noted { step, bytes, total, objects, bytes_per_second, remaining_seconds }) = noted {
        let known = ["survey", "database", "media", "check", "compare"];
        view.step =
            known.iter().find(|known| **known == step).map(|step| words.t(&format!("archive-step-{step}"))).unwrap_or_default();
        (view.done, view.most) = (bytes.min(total.unwrap_or(0)), total.unwrap_or(0));
        let mut parts = vec![match total {
            Some(total) => words.t2("archive-of", "done", size(bytes), "all", size(total.max(bytes))),
            None => size(bytes),
        }];
        if objects > 0 {
            parts.push(words.count("archive-files", "n", i64::try_from(objects).unwrap_or(i64::MAX)));
        }
        if bytes_per_second > 0 {
            parts.push(words.t1("archive-rate", "rate", size(bytes_per_second)));
        }
        if let Some(left) = remaining_seconds.and_then(|left| i64::try_from(left).ok()).and_then(TimeDelta::try_seconds) {
            parts.push(words.t1("archive-left", "time", time::took(words, left)));
        }
        view.text = parts.join(" · ");
    }
    view
}

/// The last proven restore: when, how long it took, what was compared.
pub(in crate::web) fn proof_words(words: &Words, proof: &Proof) -> String {
    let took = proof.proof_seconds.map(|seconds| time::about(words, seconds)).unwrap_or_default();
    let ProvenArchive { manifest: _, tables, rows, objects, actors: _, pairs, opened: _ } = &proof.proof.0;
    words.with(
        "archive-last-proof",
        &[
            ("at", &time::moment(words, proof.proven_at)),
            ("time", &took),
            ("tables", tables),
            ("rows", rows),
            ("files", objects),
            ("keys", pairs),
        ],
    )
}

/// What is known of one archive.
pub(in crate::web) fn facts(words: &Words, archive: &ServerArchive) -> Vec<Fact> {
    let mut facts = vec![Fact::new(words, "archive-fact-scope", words.t(scope_key(archive.scope)))];
    let mut add = |key: &str, value: Option<String>| facts.extend(value.map(|value| Fact::new(words, key, value)));
    add("archive-fact-snapshot", archive.snapshot_at.map(|at| time::moment(words, at)));
    add("archive-fact-size", archive.bytes.map(|bytes| size(count(bytes))));
    add("archive-fact-parts", archive.parts.map(|parts| parts.to_string()));
    add("archive-fact-files", archive.objects.map(|objects| objects.to_string()));
    add("archive-fact-missing", archive.missing.filter(|missing| *missing > 0).map(|missing| missing.to_string()));
    add("archive-fact-signer", archive.signer.clone());
    add("archive-fact-manifest", archive.manifest.clone());
    if let (Some(proven_at), Some(proof)) = (archive.proven_at, &archive.proof) {
        let proof = Proof { id: archive.id, proven_at, proof_seconds: archive.proof_seconds, proof: proof.clone() };
        add("archive-fact-proof", Some(proof_words(words, &proof)));
    }
    add("archive-fact-trouble", archive.proof_failure.clone());
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let shown = [0, 999, 1000, 1_550, 123_456_789, 9_870_000_000, 5_000_000_000_000].map(size);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "1.5 kB", "123 MB", "9.8 GB", "5.0 TB"]);
    }
}
