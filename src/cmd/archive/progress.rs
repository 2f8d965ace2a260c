//! What people see while an archive is worked on: on a terminal a line that changes, elsewhere a line of JSON each second.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::archive::names::PROGRESS;
use crate::archive::{Progress, Shelf, Step, Watch};

/// How often a terminal's line changes, and a log gets one more.
const TERMINAL: Duration = Duration::from_millis(200);
const LOG: Duration = Duration::from_secs(1);
/// How often it is noted beside an archive in a bucket.
const NOTE: Duration = Duration::from_secs(3);
/// How wide the bar is.
const BAR: u64 = 24;

/// Tells how far it is, and hands on that it should stop.
#[derive(Debug)]
pub struct Teller {
    stop: CancellationToken,
    terminal: bool,
    told: Mutex<Option<Told>>,
    /// Where it is noted for whoever looks from elsewhere, and when it was last.
    report: Mutex<Option<(Shelf, Option<Instant>)>>,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    step: Step,
    begun: Instant,
    /// What was done already when this run began.
    from: u64,
    last: Instant,
}

/// How fast it is and how long it still takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pace {
    /// Bytes in a second.
    rate: u64,
    remaining: Option<Duration>,
}

fn pace(progress: Progress, from: u64, passed: Duration) -> Pace {
    let done = u128::from(progress.bytes.saturating_sub(from));
    let rate = u64::try_from(done * 1000 / passed.as_millis().max(1)).unwrap_or(u64::MAX);
    let left = progress.total.map(|total| total.saturating_sub(progress.bytes));
    Pace { rate, remaining: left.filter(|_| rate > 0).map(|left| Duration::from_secs(left / rate)) }
}

impl Teller {
    /// Stops when `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, terminal: std::io::stderr().is_terminal(), told: Mutex::new(None), report: Mutex::new(None) }
    }

    /// Notes how far it is beside an archive as well, if that is in a bucket.
    pub fn report_to(&self, shelf: &Shelf) {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = Some((shelf.clone(), None));
    }

    fn report(&self, event: &Value, now: Instant, new: bool) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((shelf, last)) = report.as_mut() else { return };
        if new || last.is_none_or(|last| now.duration_since(last) >= NOTE) {
            *last = Some(now);
            shelf.note(PROGRESS, event.to_string().as_bytes());
        }
    }

    /// Ends the line.
    fn end_line(&self) {
        if self.terminal {
            eprintln!();
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            self.end_line();
        }
    }
}

impl Watch for Teller {
    fn progress(&self, progress: Progress) {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let new = told.is_none_or(|told| told.step != progress.step);
        if new {
            if told.is_some() {
                self.end_line();
            }
            *told = Some(Told { step: progress.step, begun: now, from: progress.bytes, last: now });
        }
        let Some(told) = told.as_mut() else { return };
        let often = if self.terminal { TERMINAL } else { LOG };
        let ended = progress.total == Some(progress.bytes);
        if !new && !ended && now.duration_since(told.last) < often {
            return;
        }
        told.last = now;
        let pace = pace(progress, told.from, now.duration_since(told.begun));
        self.report(&event(progress, pace), now, new);
        let mut stderr = std::io::stderr().lock();
        // Nobody reads it any more: the work goes on all the same.
        let _ = if self.terminal {
            write!(stderr, "\r\x1b[K{}", line(progress, pace))
        } else {
            writeln!(stderr, "{}", event(progress, pace))
        };
        let _ = stderr.flush();
    }

    fn stopped(&self) -> bool {
        self.stop.is_cancelled()
    }
}

fn event(progress: Progress, Pace { rate, remaining }: Pace) -> Value {
    let Progress { step, bytes, total, objects } = progress;
    json!({
        "event": "progress", "step": step, "bytes": bytes, "total": total, "objects": objects,
        "bytes_per_second": rate, "remaining_seconds": remaining.map(|remaining| remaining.as_secs()),
    })
}

fn line(progress: Progress, Pace { rate, remaining }: Pace) -> String {
    let Progress { step, bytes, total, objects } = progress;
    let mut text = format!("{:<8} ", step.to_string());
    if let Some(total) = total.filter(|total| *total > 0) {
        let parts =
            |whole: u64| u64::try_from(u128::from(bytes.min(total)) * u128::from(whole) / u128::from(total)).unwrap_or(whole);
        let (full, percent) = (parts(BAR), parts(100));
        let bar = |length: u64, letter: &str| letter.repeat(usize::try_from(length).unwrap_or(0));
        // Writing into a String can't fail.
        let _ = write!(text, "[{}{}] {percent:>3} %  ", bar(full, "#"), bar(BAR - full, "."));
    }
    let _ = write!(text, "{}", size(bytes));
    if objects > 0 {
        let _ = write!(text, ", {objects} files");
    }
    if rate > 0 {
        let _ = write!(text, ", {}/s", size(rate));
    }
    if let Some(remaining) = remaining.filter(|remaining| !remaining.is_zero()) {
        let _ = write!(text, ", {} left", time(remaining));
    }
    text
}

/// Bytes as people read them.
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut tenths = u128::from(bytes) * 10;
    let mut unit = "B";
    for larger in units {
        if tenths < 10_240 {
            break;
        }
        (tenths, unit) = (tenths / 1024, larger);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        let progress = Progress { step: Step::Media, bytes: 3 << 20, total: Some(4 << 20), objects: 12 };
        // 1 MiB of it was there when this run began.
        let pace = pace(progress, 1 << 20, Duration::from_secs(2));
        assert_eq!(pace, Pace { rate: 1 << 20, remaining: Some(Duration::from_secs(1)) });
        assert_eq!(line(progress, pace), "media    [##################......]  75 %  3.0 MiB, 12 files, 1.0 MiB/s, 1 s left");
        let event = event(progress, pace);
        assert_eq!((event["step"].as_str(), event["remaining_seconds"].as_u64()), (Some("media"), Some(1)));
        let unknown = Progress { step: Step::Survey, bytes: 0, total: None, objects: 0 };
        assert_eq!(line(unknown, super::pace(unknown, 0, Duration::ZERO)), "survey   0 B");
    }

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!([size(0), size(1023), size(1536), size(5 << 40)], ["0 B", "1023 B", "1.5 KiB", "5.0 TiB"]);
        assert_eq!([90, 600, 7320].map(|seconds| time(Duration::from_secs(seconds))), ["90 s", "10 min", "2 h 2 min"]);
    }
}
