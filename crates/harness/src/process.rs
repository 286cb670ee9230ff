//! Starts a cell's process and tells what became of it.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use report::record::Settings;
use wait_timeout::ChildExt;

use crate::args;
use crate::cell::{ORDER, Order, Outcome};

/// This program, even if the file that it came from was replaced since.
pub(crate) const PROGRAM: &str = "/proc/self/exe";

/// How often a waiting parent looks whether it was interrupted.
const LOOK: Duration = Duration::from_millis(100);

/// The lines of a failed cell's output that are kept.
const LAST_LINES: usize = 12;

/// SIGINT and SIGTERM: somebody ended the run, not the cell.
const ENDED_BY_HAND: [i32; 2] = [2, 15];

/// What became of a cell's process.
#[derive(Debug)]
pub(crate) enum End {
    /// It answered.
    Answered(Outcome, String),
    /// It did not answer: why, and its last output.
    Lost(String, String),
    /// The run is being ended.
    Interrupted,
}

/// Runs `order` in a process of its own, in the folder `scratch`, until it ends, until it hangs,
/// or until `interrupted` is set.
pub(crate) fn run(
    order: &Order,
    settings: &Settings,
    scratch: &Path,
    interrupted: &AtomicBool,
) -> io::Result<End> {
    let output_path = scratch.join("output.txt");
    let output = File::create(&output_path)?;
    let mut child = Command::new(PROGRAM)
        .args(args::cell_flags(settings, &order.id, order.test))
        .env(ORDER, serde_json::to_string(order).expect("an order is plain data"))
        .env("CRITERION_HOME", scratch.join("criterion"))
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    let status = wait(&mut child, args::timeout(settings), interrupted)?;
    let last_output = last_lines(&fs::read(&output_path)?);
    Ok(match status {
        Waited::Ended(status) if status.success() => match fs::read(&order.outcome) {
            Ok(text) => match serde_json::from_slice(&text) {
                Ok(outcome) => End::Answered(outcome, last_output),
                Err(error) => {
                    End::Lost(format!("left an unreadable outcome: {error}"), last_output)
                }
            },
            Err(error) => End::Lost(format!("left no outcome: {error}"), last_output),
        },
        Waited::Ended(status) if status.signal().is_some_and(|it| ENDED_BY_HAND.contains(&it)) => {
            End::Interrupted
        }
        Waited::Ended(status) => End::Lost(died(status), last_output),
        Waited::Hung => End::Lost(
            format!("hung: no answer within {} s, killed", settings.cell_timeout_s),
            last_output,
        ),
        Waited::Interrupted => End::Interrupted,
    })
}

enum Waited {
    Ended(ExitStatus),
    Hung,
    Interrupted,
}

/// Waits for `child`, and kills it when its time is over or the run is interrupted.
fn wait(child: &mut Child, timeout: Duration, interrupted: &AtomicBool) -> io::Result<Waited> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(status) = child.wait_timeout(left.min(LOOK))? {
            return Ok(Waited::Ended(status));
        }
        let waited = if interrupted.load(Ordering::Relaxed) {
            Waited::Interrupted
        } else if left.is_zero() {
            Waited::Hung
        } else {
            continue;
        };
        child.kill()?;
        child.wait()?;
        return Ok(waited);
    }
}

/// Why a process that answered nothing ended.
fn died(status: ExitStatus) -> String {
    match status.signal() {
        // Nobody else sends it: `wait` tells of the ones that it kills itself.
        Some(9) => "killed by SIGKILL, as the system does when memory runs out".into(),
        Some(24) => "hung: used up its processor time, killed by SIGXCPU".into(),
        Some(_) => format!("crashed: {status}"),
        None => format!("gave up: {status}"),
    }
}

/// The last lines of an output, whatever its bytes are.
pub(crate) fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_cut_to_its_last_lines_and_survives_any_bytes() {
        let mut output: Vec<u8> =
            (0..100).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        output.extend(b"\n\xff\xfe\n");
        let lines = last_lines(&output);
        assert_eq!(lines.lines().count(), LAST_LINES);
        assert!(lines.starts_with("line 89\n") && lines.ends_with('\u{fffd}'), "{lines}");
    }

    #[test]
    fn a_signal_is_named() {
        assert!(died(ExitStatus::from_raw(6)).contains("SIGABRT"));
        assert!(died(ExitStatus::from_raw(9)).contains("memory"));
        assert!(died(ExitStatus::from_raw(0x100)).contains('1'));
    }
}
