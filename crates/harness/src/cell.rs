//! A cell's own process: what the parent's order says is done, and what came of it is said.
//!
//! Nothing that has been allocated when the work begins depends on a name, a path or the environment: the order
//! is read onto the stack and holds numbers only, of the matrix only the cell is made, and criterion, which keeps
//! names, is told the same one for every cell.

use std::cell::Cell as Shared;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, SamplingMode};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use strategy::Role;
use workloads::{Passes, Stream};

use crate::matrix::{Cell, Matrix, verified};
use crate::protocol::{self, Done, Message, Order};
use crate::sampler::Sampler;
use crate::state;

/// The environment variable that makes the benchmark binary a cell's process.
pub(crate) const MARK: &str = "HEAPMARK_CELL";

/// Passes of a test from which the time of a pass is told.
const TEST_PASSES: u32 = 3;

/// Carries out the order that the parent sends. Success means that what came of it was said.
pub(crate) fn main(matrix: impl FnOnce(&Order) -> Matrix) -> ExitCode {
    match order() {
        Ok((socket, order)) => serve(&socket, &order, matrix),
        Err(error) => {
            complain(&format!(
                "error: {MARK} is set, and only a run sets it, for the processes of its cells; unset it ({error})"
            ));
            ExitCode::from(crate::UNUSABLE)
        }
    }
}

/// Says a line, if anybody listens.
fn complain(line: &str) {
    use io::Write;
    let _nobody_listens = writeln!(io::stderr(), "{line}");
}

/// The socket to the parent, and the order.
fn order() -> io::Result<(UnixStream, Order)> {
    // A parent that has gone leaves no process behind.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.peer_addr()?;
    let order = protocol::read_small(&socket)?;
    Ok((socket, order))
}

fn serve(socket: &UnixStream, order: &Order, matrix: impl FnOnce(&Order) -> Matrix) -> ExitCode {
    let result = panic::catch_unwind(AssertUnwindSafe(|| obey(socket, order, matrix)));
    let message = match result {
        Ok(Ok(done)) => Message::Done(done),
        Ok(Err(reason)) => Message::Failed(protocol::cut(&reason)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let text = protocol::cut(text.unwrap_or("without a message"));
            Message::Failed(format!("panicked: {text}"))
        }
    };
    match protocol::write(socket, &message) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_the_parent_is_gone) => ExitCode::FAILURE,
    }
}

fn obey(
    socket: &UnixStream,
    order: &Order,
    matrix: impl FnOnce(&Order) -> Matrix,
) -> Result<Done, String> {
    let cell = matrix(order).into_only().ok_or("no such cell in this build")?;
    prepare(order, &cell)
        .map_err(|error| format!("failed to prepare the cell's process: {error}"))?;
    let stream = Stream::numbered(order.state);
    let answer = cell.case.answer(stream);
    let mut done = Done::default();
    if order.test {
        cell.inspect(stream).map_err(|failure| failure.to_string())?;
        let pass_ns = &mut done.pass_ns;
        let few = &mut |passes: &mut Passes<'_>| {
            verified(passes, 1, answer)?;
            let start = Instant::now();
            verified(passes, TEST_PASSES.into(), answer)?;
            *pass_ns = (start.elapsed() / TEST_PASSES).as_nanos() as u64;
            Ok(())
        };
        cell.case.run(stream, few).map_err(|failure| failure.to_string())?;
    } else {
        (done.samples, done.state_reached) = measure(socket, order, &cell, stream)?;
    }
    done.resident_bytes = resident_bytes();
    Ok(done)
}

/// Bounds the process, and brings it into the state that does not depend on the round.
fn prepare(order: &Order, cell: &Cell) -> io::Result<()> {
    limit(order, cell.case.reserves_bytes)?;
    if let Some(core) = order.core {
        let mut cores = CpuSet::new();
        cores.set(core)?;
        // Without the right to choose, the system chooses.
        let _any_core = sched_setaffinity(Pid::from_raw(0), &cores);
    }
    if cell.role() != Role::SingleThread {
        // From its second thread on glibc takes its locks; a service has always had one.
        thread::spawn(|| ()).join().expect("an empty thread does not panic");
    }
    Ok(())
}

/// Bounds the process, so that a strategy that takes memory without end, or a loop that outlives
/// its parent, ends by itself.
fn limit(order: &Order, reserves_bytes: u64) -> io::Result<()> {
    use rlimit::Resource;
    if let Some(bytes) = order.memory_bytes {
        let bytes = bytes.saturating_add(reserves_bytes).min(Resource::AS.get_hard()?);
        Resource::AS.set(bytes, bytes)?;
    }
    // SIGXCPU comes at the soft limit, and says what it is for; at the hard one comes SIGKILL.
    let hard = Resource::CPU.get_hard()?.min(order.cpu_s + 1);
    Resource::CPU.set(hard - 1, hard)?;
    // Nothing that a cell does is worth a file as large as its memory.
    Resource::CORE.set(0, Resource::CORE.get_hard()?)
}

/// The most memory that this process has had resident.
fn resident_bytes() -> u64 {
    let kib = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
    kib.unsigned_abs() << 10
}

/// Lets criterion sample the cell, turn by turn.
fn measure(
    socket: &UnixStream,
    order: &Order,
    cell: &Cell,
    stream: Stream,
) -> Result<(Vec<protocol::Sample>, bool), String> {
    let beginnings = Rc::new(Shared::new(0));
    let clock = Clock { wall: WallTime, beginnings: Rc::clone(&beginnings) };
    let mut criterion = Criterion::default().with_measurement(clock).configure_from_args();
    let mut sampler = Sampler::new(order, cell.case.answer(stream), cell.case.threads, socket);
    let measure = &mut |passes: &mut Passes<'_>| {
        sampler.ready();
        let mut group = criterion.benchmark_group("cell");
        group.sampling_mode(SamplingMode::Flat);
        group.bench_function("cell", |bencher| {
            bencher.iter_custom(|count| match beginnings.get() {
                ..=1 => sampler.warm_up(passes, count),
                _ => sampler.sample(passes, count),
            });
        });
        group.finish();
        sampler.failure.take().map_or(Ok(()), Err)
    };
    let mut result = Ok(());
    let mut heap_reached = false;
    let stack_reached = state::on_stack(order.state, &mut || {
        heap_reached = state::settle_heap(order.state);
        result = cell.case.run(stream, measure);
    });
    result.map_err(|failure| failure.to_string())?;
    Ok((sampler.into_samples(), heap_reached && stack_reached))
}

/// Wall time, which also tells criterion's warm-up from its sampling: either begins with a zero.
struct Clock {
    wall: WallTime,
    beginnings: Rc<Shared<u32>>,
}

impl Measurement for Clock {
    type Intermediate = Instant;
    type Value = Duration;

    fn start(&self) -> Instant {
        self.wall.start()
    }

    fn end(&self, start: Instant) -> Duration {
        self.wall.end(start)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        self.wall.add(one, other)
    }

    fn zero(&self) -> Duration {
        self.beginnings.set(self.beginnings.get() + 1);
        self.wall.zero()
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        self.wall.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self.wall.formatter()
    }
}
