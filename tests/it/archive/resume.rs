//! An archive whose creation is interrupted goes on, and costs at most one part of media.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use paddock::archive::draft::{Draft, Wanted};
use paddock::archive::manifest::MediaScope;
use paddock::archive::media::{Amount, FolderSource, Found, MediaError, Source};
use paddock::archive::watch::Nobody;
use paddock::archive::{ArchiveError, Progress, Step, Watch};

use super::{Folder, Owned, PASSPHRASE, ends, noise, paddock, write_files};

const PATIENCE: Duration = Duration::from_mins(2);
const MIB: usize = 1 << 20;

/// Stops when this many files were written.
struct StopsAfter {
    files: u64,
    seen: AtomicU64,
}

impl Watch for StopsAfter {
    fn progress(&self, progress: Progress) {
        if progress.step == Step::Media {
            self.seen.store(progress.objects, Ordering::SeqCst);
        }
    }

    fn stopped(&self) -> bool {
        self.seen.load(Ordering::SeqCst) >= self.files
    }
}

/// Counts the files that are read.
struct Counting {
    inner: FolderSource,
    read: u64,
}

impl Source for Counting {
    fn measure(&mut self) -> Result<Amount, MediaError> {
        self.inner.measure()
    }

    fn start_after(&mut self, after: Option<&str>) {
        self.inner.start_after(after);
    }

    fn next(&mut self) -> Result<Option<Found>, MediaError> {
        let found = self.inner.next()?;
        self.read += u64::from(found.is_some());
        Ok(found)
    }
}

fn wanted(domain: &str) -> Wanted {
    let now = "2026-11-25T12:00:00Z".parse().unwrap();
    Wanted { domain: domain.into(), scope: MediaScope::WithoutCache, program: "a test".into(), now }
}

fn files(count: u8, size: usize) -> Vec<(String, Vec<u8>)> {
    (0..count).map(|n| (format!("media_attachments/files/{n:03}/original/x.png"), noise(n, size))).collect()
}

fn media_parts(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut parts: Vec<_> = entries
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("media-"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    parts.sort();
    parts
}

#[test]
fn wherever_it_is_stopped_the_same_parts_come_out() {
    let folder = Folder::new("stops");
    write_files(&folder.join("media"), &files(20, 100_000));
    let source = || FolderSource::new(folder.join("media"));
    // Three files and a bit make a part.
    let part = 350_000;
    let mut whole = Draft::open(&folder.join("whole"), wanted("a.example")).unwrap();
    whole.write_media(&mut source(), part, &Nobody).unwrap();
    let expected = media_parts(&folder.join("whole"));
    assert_eq!(expected.len(), 10, "five parts and their indexes");
    for stop in 1..20 {
        let place = folder.join(&format!("stopped-{stop}"));
        let mut draft = Draft::open(&place, wanted("a.example")).unwrap();
        let watch = StopsAfter { files: stop, seen: AtomicU64::new(0) };
        let stopped = draft.write_media(&mut source(), part, &watch).unwrap_err();
        assert!(matches!(stopped, ArchiveError::Stopped), "{stopped}");
        drop(draft);
        let mut draft = Draft::open(&place, wanted("a.example")).unwrap();
        let mut counting = Counting { inner: source(), read: 0 };
        draft.write_media(&mut counting, part, &Nobody).unwrap();
        assert!(counting.read <= 20 - stop + 4, "stopped after {stop}, {} were read again", counting.read);
        let parts: Vec<_> = media_parts(&place).into_iter().filter(|(name, _)| !name.ends_with(".partial")).collect();
        assert!(parts == expected, "stopped after {stop}");
    }
}

#[test]
fn what_was_begun_for_another_server_or_has_lost_a_part_is_not_gone_on_with() {
    let folder = Folder::new("others");
    write_files(&folder.join("media"), &files(3, 1000));
    let place = folder.join("archive");
    let mut draft = Draft::open(&place, wanted("a.example")).unwrap();
    draft.write_media(&mut FolderSource::new(folder.join("media")), 1000, &Nobody).unwrap();
    let said = Draft::open(&place, wanted("a.example")).unwrap_err().to_string();
    assert!(said.contains("by another process"), "{said}");
    drop(draft);
    let said = Draft::open(&place, wanted("b.example")).unwrap_err().to_string();
    assert!(said.contains("holds an archive of a.example"), "{said}");
    fs::remove_file(place.join("media-00002.tar.zst")).unwrap();
    let said = Draft::open(&place, wanted("a.example")).unwrap_err().to_string();
    assert!(said.contains("lacks media-00002.tar.zst"), "{said}");
    fs::create_dir(folder.join("full")).unwrap();
    folder.write("full/notes", "mine");
    let said = Draft::open(&folder.join("full"), wanted("a.example")).unwrap_err().to_string();
    assert!(said.contains("is not empty"), "{said}");
}

/// Sends a signal as soon as two parts of media are there; returns how it ended.
fn ended_by(signal: Signal, arguments: &[&str], archive: &Path) -> std::process::ExitStatus {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paddock"));
    let mut child = command.arg("archive").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + PATIENCE;
    while !archive.join("media-00002.tar.zst").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
        assert!(Instant::now() < end, "no second part");
        std::thread::sleep(Duration::from_millis(2));
    }
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
    child.wait().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_ctrl_c_and_after_kill_the_same_command_goes_on() {
    let folder = Folder::new("signals");
    write_files(&folder.join("system"), &files(24, MIB));
    let source = Owned::mastodon().await;
    let env = folder.write("env", &source.env(&format!("PAPERCLIP_ROOT_PATH={}\n", folder.join("system").display())));
    let passphrase = folder.write("passphrase", PASSPHRASE);
    for (name, signal, code) in [("int", Signal::SIGINT, Some(130)), ("kill", Signal::SIGKILL, None)] {
        let archive = folder.join(name);
        let path = archive.to_str().unwrap();
        let arguments = [
            "create",
            path,
            "--env",
            env.to_str().unwrap(),
            "--passphrase-file",
            passphrase.to_str().unwrap(),
            "--part-size",
            "1",
        ];
        let ended = ended_by(signal, &arguments, &archive);
        assert_eq!(ended.code(), code, "{name}");
        assert!(archive.join("journal.json").exists() && !archive.join("manifest.sig").exists(), "{name}");
        let (_, said) = ends(&paddock(&["verify", path]), 3);
        assert!(said.contains("never finished"), "{said}");
        let first = fs::metadata(archive.join("media-00001.tar.zst")).unwrap().modified().unwrap();
        let dumped = fs::metadata(archive.join("database.dump.zst")).unwrap().modified().unwrap();
        ends(&paddock(&arguments), 0);
        assert_eq!(fs::metadata(archive.join("media-00001.tar.zst")).unwrap().modified().unwrap(), first, "{name}");
        assert_eq!(fs::metadata(archive.join("database.dump.zst")).unwrap().modified().unwrap(), dumped, "{name}");
        let (verified, _) = ends(&paddock(&["verify", path]), 0);
        assert_eq!(verified["objects"].as_u64(), Some(24), "{name}");
        let left: Vec<_> = fs::read_dir(&archive).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_str().unwrap().ends_with(".partial")), "{left:?}");
    }
}
