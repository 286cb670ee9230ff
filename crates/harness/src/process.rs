//! A cell's process as its parent sees it: started, talked to, and ended with all that it left behind.

use std::collections::VecDeque;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use report::record::Settings;

use crate::args;
use crate::cell::MARK;
use crate::protocol::{self, GO, Message, Order};
use crate::state;

/// This program, even if the file that it came from was replaced since.
pub(crate) const PROGRAM: &str = "/proc/self/exe";

/// How often a waiting parent looks whether it was interrupted, and whether the process is stopped.
const LOOK: Duration = Duration::from_millis(100);

/// How often a parent looks for the end of a process that has said its last word.
const ENDING_LOOK: Duration = Duration::from_millis(2);

/// How often it looks, if the process should be at its end already.
const ENDING_LOOKS: u32 = 500;

/// The lines of a failed cell's output that are kept.
const LAST_LINES: usize = 12;

/// The bytes of a process's output that are kept, and of them the bytes that are shown.
const LAST_BYTES: usize = 64 << 10;
const SHOWN_BYTES: usize = 4 << 10;

/// The signals by which others end a process: its own faults raise none of them.
const FROM_OUTSIDE: [Signal; 6] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGKILL,
    Signal::SIGTERM,
    Signal::SIGPIPE,
];

/// How the names of the variables begin that allocators look at, or that put another in their place. A cell has
/// these and no others, so that nothing else of the environment reaches its heap.
const ALLOCATORS_VARIABLES: [&str; 6] =
    ["GLIBC_TUNABLES", "LD_PRELOAD", "MALLOC_", "MIMALLOC_", "SNMALLOC_", "_RJEM_MALLOC_CONF"];

/// The variable that pads the environment to its size.
const PADDING: &str = "HEAPMARK_PADDING";

/// The variables of this process's environment that cells have as well.
pub(crate) fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        ALLOCATORS_VARIABLES.iter().any(|start| name.starts_with(start))
    })
}

/// Why there is no answer of a process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It failed, for this reason.
    Failed(String),
    /// It was ended by this signal, which others send.
    Ended(Signal),
    /// The run is being ended.
    Interrupted,
}

/// A cell's process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    socket: UnixStream,
    received: Vec<u8>,
    output: Output,
    timeout: Duration,
}

impl Process {
    /// Starts a process for `order`.
    pub(crate) fn start(order: &Order, settings: &Settings) -> io::Result<Self> {
        let (socket, its_socket) = UnixStream::pair()?;
        socket.set_read_timeout(Some(LOOK))?;
        socket.set_write_timeout(Some(LOOK))?;
        let (output, its_output) = io::pipe()?;
        let mut command = Command::new(PROGRAM);
        command
            .args(args::cell_flags(settings, order.test))
            .env_clear()
            .envs(variables())
            .env(MARK, "1")
            .env(PADDING, "-".repeat(state::environment_bytes(order.state)))
            // Criterion writes nothing there, but looks for a place if none is named.
            .env("CRITERION_HOME", "/")
            .stdin(Stdio::from(OwnedFd::from(its_socket)))
            .stdout(its_output.try_clone()?)
            .stderr(its_output)
            // What ends the parent's group, such as Ctrl-C, is for the parent to deal with.
            .process_group(0);
        let child = command.spawn()?;
        // With the command go this process's ends of what is the child's.
        drop(command);
        let output = Output::of(output)?;
        protocol::write(&socket, order)?;
        Ok(Self { child, socket, received: Vec::new(), output, timeout: args::timeout(settings) })
    }

    /// Gives it leave to go on.
    pub(crate) fn go(&mut self) {
        // A process that is gone is noticed when its answer is waited for.
        let _gone = self.socket.write_all(&[GO]);
    }

    /// Waits for what it says next, as long as it may take for that.
    pub(crate) fn receive(&mut self, interrupted: &AtomicBool) -> Result<Message, Loss> {
        let mut waited = Duration::ZERO;
        let mut bytes = [0; 4096];
        loop {
            match protocol::take(&mut self.received) {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(error) => {
                    return Err(Loss::Failed(format!("said something unreadable: {error}")));
                }
            }
            let start = Instant::now();
            match self.socket.read(&mut bytes) {
                Ok(0) => return Err(self.lost()),
                Ok(count) => {
                    self.received.extend_from_slice(&bytes[..count]);
                    continue;
                }
                Err(error) if is_timeout(&error) => {}
                Err(_reset) => return Err(self.lost()),
            }
            if interrupted.load(Ordering::Relaxed) {
                return Err(Loss::Interrupted);
            }
            // Time in which this process was stopped, or the other one is, is none in which it could answer.
            if !self.is_stopped() {
                waited += start.elapsed().min(2 * LOOK);
            }
            if waited >= self.timeout {
                let limit = self.timeout.as_secs_f64();
                return Err(Loss::Failed(format!("hung: no answer within {limit} s, killed")));
            }
        }
    }

    /// Waits for its end after its last word.
    pub(crate) fn end(&mut self, interrupted: &AtomicBool) -> Result<(), Loss> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(loss(status)),
                Ok(None) if interrupted.load(Ordering::Relaxed) => return Err(Loss::Interrupted),
                Ok(None) if Instant::now() < deadline => {
                    // It closes its end of the socket when it ends, if nothing it left behind holds it open.
                    let _closed = self.socket.set_read_timeout(Some(ENDING_LOOK));
                    if !matches!(self.socket.read(&mut [0; 1]), Err(error) if is_timeout(&error)) {
                        thread::sleep(ENDING_LOOK / 20);
                    }
                }
                Ok(None) => return Err(Loss::Failed("hung at its end, killed".into())),
                Err(error) => return Err(Loss::Failed(format!("cannot be waited for: {error}"))),
            }
        }
    }

    /// Ends the process and all that it started, and returns its last output.
    pub(crate) fn kill(mut self) -> String {
        self.kill_group();
        self.output.last_lines()
    }

    /// Why the process is gone.
    fn lost(&mut self) -> Loss {
        for _ in 0..ENDING_LOOKS {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => {
                    return Loss::Failed("left no answer".into());
                }
                Ok(Some(status)) => return loss(status),
                Ok(None) => thread::sleep(ENDING_LOOK),
                Err(error) => return Loss::Failed(format!("is gone: {error}")),
            }
        }
        Loss::Failed("closed its connection to the harness, killed".into())
    }

    /// Whether the process is stopped by a signal.
    fn is_stopped(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        // The state follows the name, which is in parentheses and may hold any.
        stat.is_ok_and(|stat| {
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['T', 't']))
        })
    }

    fn kill_group(&mut self) {
        let group = Pid::from_raw(self.child.id().cast_signed());
        let _gone = killpg(group, Signal::SIGKILL);
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_group();
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Why a process that answered nothing ended.
fn loss(status: ExitStatus) -> Loss {
    let signal = status.signal().and_then(|number| Signal::try_from(number).ok());
    match signal {
        Some(signal) if FROM_OUTSIDE.contains(&signal) => Loss::Ended(signal),
        Some(Signal::SIGXCPU) => {
            Loss::Failed("hung: used up its processor time, killed by SIGXCPU".into())
        }
        Some(_) => Loss::Failed(format!("crashed: {status}")),
        None => Loss::Failed(format!("gave up: {status}")),
    }
}

/// What is said of a process that was ended from outside as often as it was tried.
pub(crate) fn ended_again(signal: Signal) -> String {
    match signal {
        Signal::SIGKILL => {
            "killed by SIGKILL twice, as the system does when memory runs out".into()
        }
        signal => format!("ended by {signal} twice"),
    }
}

/// What a process prints: all is read, so that it never waits, and the last of it kept.
#[derive(Debug)]
struct Output {
    last: Arc<Mutex<VecDeque<u8>>>,
    reader: JoinHandle<()>,
}

impl Output {
    fn of(mut output: PipeReader) -> io::Result<Self> {
        let last = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&last);
        let read = move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                let mut kept = kept.lock().expect("nothing panics while it holds the lock");
                kept.extend(&bytes[..count]);
                let surplus = kept.len().saturating_sub(LAST_BYTES);
                kept.drain(..surplus);
            }
        };
        Ok(Self { last, reader: thread::Builder::new().spawn(read)? })
    }

    /// The last lines of a process that was ended.
    fn last_lines(&self) -> String {
        // What left the process's group may hold the pipe open for ever.
        for _ in 0..ENDING_LOOKS {
            if self.reader.is_finished() {
                break;
            }
            thread::sleep(ENDING_LOOK / 20);
        }
        let mut last = self.last.lock().expect("nothing panics while it holds the lock");
        last_lines(last.make_contiguous())
    }
}

/// The last lines of an output, whatever its bytes are.
pub(crate) fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(&output[output.len().saturating_sub(SHOWN_BYTES)..]);
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
    fn a_line_without_an_end_is_cut() {
        assert_eq!(last_lines(&vec![b'x'; 10 * LAST_BYTES]).len(), SHOWN_BYTES);
    }

    #[test]
    fn a_signal_is_named() {
        let named = |raw, name: &str| {
            let loss = format!("{:?}", loss(ExitStatus::from_raw(raw)));
            assert!(loss.contains(name), "{loss}");
        };
        named(6, "crashed: signal: 6 (SIGABRT)");
        named(0x100, "gave up: exit status: 1");
        named(24, "processor time");
        named(15, "Ended(SIGTERM)");
        assert!(ended_again(Signal::SIGKILL).contains("memory"));
    }
}
