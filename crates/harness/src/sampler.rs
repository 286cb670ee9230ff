//! Measures criterion's samples in turns: each begins with passes that are not measured and bring the caches
//! back, and a piece in which a thread was preempted is no sample.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use workloads::{Failure, Passes, Tally};

use crate::canary;
use crate::matrix::verified;
use crate::protocol::{self, GO, Message, Order, Sample, Turn, TurnPlan};

/// How often a piece is measured, if a thread is preempted in it each time.
const TRIES: u64 = 4;

/// The part of a piece that its threads have to have had a core for, if one of them lost its core meanwhile. The system's own
/// threads take a core for some 10 to 40 microseconds now and then, in a quarter of all pieces on one machine: that is no more
/// than 2 % of a piece, and the median over cycles does without it.
const PRESENT: f64 = 0.97;

/// The part if none lost its core: it may wait for another thread, or have had none from the start.
const PRESENT_UNSWITCHED: f64 = 0.9;

/// Measures what criterion asks for, whenever the parent gives this process a turn.
pub(crate) struct Sampler<'s> {
    socket: &'s UnixStream,
    plan: TurnPlan,
    answer: Tally,
    threads: u64,
    /// The pieces that are done.
    pieces: usize,
    /// The turn that this process has, while it has one.
    turn: Option<Turn>,
    /// When the first turn began.
    start: Option<Instant>,
    samples: Vec<Sample>,
    /// What ends the measuring. After it samples are made up, since criterion cannot be told to stop.
    pub(crate) failure: Option<Failure>,
}

impl<'s> Sampler<'s> {
    /// A sampler for the process of `order`, whose work is done by `threads` threads.
    pub(crate) fn new(
        order: &Order,
        answer: Tally,
        threads: usize,
        socket: &'s UnixStream,
    ) -> Self {
        Self {
            socket,
            plan: order.plan,
            answer,
            threads: threads as u64,
            pieces: 0,
            turn: None,
            start: None,
            samples: Vec::with_capacity(order.plan.samples),
            failure: None,
        }
    }

    /// Says that the process is set up, and waits until it may warm up.
    pub(crate) fn ready(&mut self) {
        self.say(&Message::Ready);
        self.wait();
    }

    /// Does `count` passes of the warm-up, in the time that the process has for itself.
    pub(crate) fn warm_up(&mut self, passes: &mut Passes<'_>, count: u64) -> Duration {
        let start = Instant::now();
        if self.failure.is_none() {
            self.failure = verified(passes, count, self.answer).err();
        }
        start.elapsed().max(Duration::from_nanos(1))
    }

    /// Measures a sample of `count` passes, in the turns that it is given for it.
    pub(crate) fn sample(&mut self, passes: &mut Passes<'_>, count: u64) -> Duration {
        let mut sample = Sample { passes: 0, ns: 0, preempted: false };
        let pieces = self.plan.pieces_of_sample as u64;
        for piece in 0..pieces {
            // As even as whole passes go.
            let count = (piece + 1) * count / pieces - piece * count / pieces;
            if self.failure.is_none() {
                self.failure = self.piece(passes, count, &mut sample).err();
            }
        }
        self.samples.push(sample);
        // Criterion takes a sample of no time for a mistake.
        Duration::from_nanos(sample.ns.max(1))
    }

    /// The samples taken.
    pub(crate) fn into_samples(self) -> Vec<Sample> {
        self.samples
    }

    /// Measures one piece, in a new turn if this process has none, and gives the turn back if it is over.
    fn piece(
        &mut self,
        passes: &mut Passes<'_>,
        count: u64,
        sample: &mut Sample,
    ) -> Result<(), Failure> {
        let mut turn = match self.turn.take() {
            Some(turn) => turn,
            None => self.begin(passes)?,
        };
        if count > 0 {
            let (ns, preempted, tries) = self.measure(passes, count)?;
            sample.passes += count;
            sample.ns += ns;
            sample.preempted |= preempted;
            turn.passes += count;
            turn.ns += ns;
            turn.preempted |= preempted;
            turn.retaken += tries - 1;
        }
        self.pieces += 1;
        let last = self.pieces == self.plan.pieces();
        if last || self.pieces.is_multiple_of(self.plan.pieces_in_turn) {
            turn.canary_ns = turn.canary_ns.max(canary::look());
            turn.clock_ns = self.start.map_or(0, |start| start.elapsed().as_nanos() as u64);
            self.say(&Message::Turn(turn));
        } else {
            self.turn = Some(turn);
        }
        Ok(())
    }

    /// Waits for a turn, and brings the caches back.
    fn begin(&mut self, passes: &mut Passes<'_>) -> Result<Turn, Failure> {
        if self.start.is_none() {
            self.say(&Message::Warm);
        }
        self.wait();
        self.start.get_or_insert_with(Instant::now);
        self.settle(passes)?;
        Ok(Turn { canary_ns: canary::look(), ..Turn::default() })
    }

    /// Does passes that are not measured: so many as take the time for it, and one at the least.
    fn settle(&self, passes: &mut Passes<'_>) -> Result<(), Failure> {
        let settle = Duration::from_nanos(self.plan.settle_ns);
        let start = Instant::now();
        loop {
            verified(passes, 1, self.answer)?;
            if start.elapsed() >= settle {
                return Ok(());
            }
        }
    }

    /// Measures `count` passes, again if a thread was preempted. Returns the time in nanoseconds, whether
    /// a thread was preempted in the last try too, and the tries.
    fn measure(&self, passes: &mut Passes<'_>, count: u64) -> Result<(u64, bool, u64), Failure> {
        let mut tries = 1;
        loop {
            let before = Usage::now();
            let start = Instant::now();
            verified(passes, count, self.answer)?;
            let ns = start.elapsed().as_nanos() as u64;
            let preempted = Usage::now().was_preempted_since(before, ns * self.threads);
            if !preempted || tries == TRIES {
                return Ok((ns, preempted, tries));
            }
            tries += 1;
            self.settle(passes)?;
        }
    }

    fn say(&self, message: &Message) {
        if protocol::write(self.socket, message).is_err() {
            self.give_up();
        }
    }

    /// Waits for the parent's word.
    fn wait(&self) {
        let mut word = [0];
        let mut socket = self.socket;
        if socket.read_exact(&mut word).is_err() || word[0] != GO {
            self.give_up();
        }
    }

    /// Ends the process, since the parent is gone.
    fn give_up(&self) -> ! {
        let _nobody_listens = std::io::stderr().flush();
        process::exit(1)
    }
}

/// What this process's threads have had of the cores.
#[derive(Clone, Copy, Debug)]
struct Usage {
    /// How often one of them lost its core to another thread.
    preemptions: i64,
    /// The time for which they had one.
    present: Duration,
}

impl Usage {
    fn now() -> Self {
        let preemptions = getrusage(UsageWho::RUSAGE_SELF)
            .map_or(0, |usage| usage.involuntary_context_switches());
        let present = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
        Self { preemptions, present: present.map_or(Duration::ZERO, Duration::from) }
    }

    /// Whether one of the threads lost its core since `before` for longer than does no harm, or had none, while all
    /// together should have had one for `ns` nanoseconds.
    fn was_preempted_since(self, before: Self, ns: u64) -> bool {
        let present = self.present.saturating_sub(before.present).as_nanos() as f64;
        let switched = self.preemptions > before.preemptions;
        present < ns as f64 * if switched { PRESENT } else { PRESENT_UNSWITCHED }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_lost_its_core_or_had_none_was_preempted() {
        let at = |preemptions, us| Usage { preemptions, present: Duration::from_micros(us) };
        let us = 1_000;
        let before = at(3, 10_000);
        assert!(!at(3, 12_000).was_preempted_since(before, 2_000 * us));
        // The system's own thread had the core for a moment; another program for a while.
        assert!(!at(4, 11_970).was_preempted_since(before, 2_000 * us));
        assert!(at(4, 11_800).was_preempted_since(before, 2_000 * us));
        // One of two threads waited for a core all the while.
        assert!(at(3, 12_000).was_preempted_since(before, 4_000 * us));
    }
}
