//! A round of a row: its contenders are alive at once and take turns.
//!
//! Noise comes in episodes that are longer than a turn. What cancels it is nearness in time, not more samples: a
//! ratio is taken within a cycle, in which each contender has one turn, in an order that is drawn anew.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use report::record::Settings;

use crate::error::Error;
use crate::judge::median;
use crate::process::{self, Loss, Process};
use crate::protocol::{Done, Message, Order, Sample, Turn};
use crate::spent::{Part, Spent};

/// The cycles that a ratio of a round is made of at the least, if there are so many.
const ENOUGH_CYCLES: usize = 3;

/// How far the clock of a process may be off, as a part of the time and in nanoseconds.
const CLOCK_PART: f64 = 0.02;
const CLOCK_NS: f64 = 1e6;

/// How often a row's round is measured, if a process is ended from outside.
const TRIES: u32 = 2;

/// One who takes part in a row's round.
#[derive(Clone, Debug)]
pub(crate) struct Entrant {
    /// Its place in the row.
    pub(crate) column: usize,
    /// The cell.
    pub(crate) id: String,
    /// What its process is asked for.
    pub(crate) order: Order,
    /// Operations of a pass.
    pub(crate) ops: u64,
    /// Whether ratios are taken to it.
    pub(crate) is_reference: bool,
}

/// What came of a cell in a round.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It was measured.
    Measured(Measured),
    /// It failed, with the reason and the last output.
    Failed(String, String),
}

/// What was measured of a cell in a round.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Measured {
    /// Nanoseconds per operation of each of criterion's samples, without those in which a thread was preempted if
    /// there are others.
    pub(crate) samples_ns_per_op: Vec<f64>,
    /// The median of these.
    pub(crate) ns_per_op: f64,
    /// The median over cycles of the ratio to the reference; absent if too few cycles are a sample of both.
    pub(crate) ratio: Option<f64>,
    /// The canary of each turn, in nanoseconds.
    pub(crate) canaries_ns: Vec<u64>,
    /// Pieces that were measured again, since a thread was preempted.
    pub(crate) retaken: u64,
    /// Pieces that are no sample, since a thread was preempted: those measured again among them.
    pub(crate) preempted: u64,
    /// Whether each process began in the state that was asked for.
    pub(crate) state_reached: bool,
}

/// How a round of a row ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With what came of each cell.
    Well(Vec<(usize, Outcome)>),
    /// The run is being ended.
    Interrupted,
}

/// What rounds are measured with.
#[derive(Debug)]
pub(crate) struct Table<'t> {
    pub(crate) settings: &'t Settings,
    pub(crate) interrupted: &'t AtomicBool,
    pub(crate) random: Pcg64,
    pub(crate) spent: Spent,
}

impl Table<'_> {
    /// Measures a round of a row: all at once and in turns, or, if `apart`, one after the other.
    pub(crate) fn measure(&mut self, entrants: &[Entrant], apart: bool) -> Result<Ended, Error> {
        let mut tries = 1;
        loop {
            let mut players: Vec<_> = entrants.iter().map(Player::new).collect();
            players.shuffle(&mut self.random);
            let played = if apart {
                players.chunks_mut(1).try_for_each(|alone| self.play(alone))
            } else {
                self.play(&mut players)
            };
            match played {
                Ok(()) => return Ok(Ended::Well(outcomes(players, apart))),
                Err(Stop::Interrupted) => return Ok(Ended::Interrupted),
                Err(Stop::Unusable(error)) => return Err(error),
                // By somebody else, or by the strategy itself: then it happens again.
                Err(Stop::Ended(..)) if tries < TRIES => tries += 1,
                Err(Stop::Ended(column, signal, output)) => {
                    let reason = process::ended_again(signal);
                    return Ok(Ended::Well(vec![(column, Outcome::Failed(reason, output))]));
                }
            }
        }
    }

    /// Starts the processes of `players`, lets them warm up and take their turns, and ends them.
    fn play(&mut self, players: &mut [Player<'_>]) -> Result<(), Stop> {
        let spent = Instant::now();
        for player in players.iter_mut() {
            player.start(self.settings)?;
        }
        for player in players.iter_mut() {
            player.hear(self.interrupted, |message| matches!(message, Message::Ready))?;
        }
        let spent = self.spent.add(Part::Starting, spent);
        for player in players.iter_mut() {
            player.go();
            player.hear(self.interrupted, |message| matches!(message, Message::Warm))?;
        }
        let spent = self.spent.add(Part::WarmUp, spent);
        let turns = players.iter().map(|player| player.entrant.order.plan.turns()).max();
        let mut order: Vec<usize> = (0..players.len()).collect();
        for _ in 0..turns.unwrap_or_default() {
            order.shuffle(&mut self.random);
            for &index in &order {
                players[index].take_turn(self.interrupted)?;
            }
        }
        let spent = self.spent.add(Part::Sampling, spent);
        for player in players.iter_mut() {
            player.end(self.interrupted)?;
        }
        self.spent.add(Part::Ending, spent);
        Ok(())
    }
}

/// What ends a round before its end.
#[derive(Debug)]
enum Stop {
    Interrupted,
    Unusable(Error),
    /// The process of this column was ended by a signal that others send; its last output.
    Ended(usize, Signal, String),
}

/// An entrant in a round.
#[derive(Debug)]
struct Player<'e> {
    entrant: &'e Entrant,
    /// Its process, as long as it is alive.
    process: Option<Process>,
    turns: Vec<Turn>,
    clock: Clock,
    done: Done,
    failure: Option<(String, String)>,
}

impl<'e> Player<'e> {
    fn new(entrant: &'e Entrant) -> Self {
        Self {
            entrant,
            process: None,
            turns: Vec::new(),
            clock: Clock::default(),
            done: Done::default(),
            failure: None,
        }
    }

    fn start(&mut self, settings: &Settings) -> Result<(), Stop> {
        let process = Process::start(&self.entrant.order, settings).map_err(|source| {
            Stop::Unusable(Error::Process { id: self.entrant.id.clone(), source })
        })?;
        self.process = Some(process);
        Ok(())
    }

    fn go(&mut self) {
        if let Some(process) = &mut self.process {
            process.go();
        }
    }

    /// Waits for a message that is `expected`; any other, and none, is the player's failure.
    fn hear(
        &mut self,
        interrupted: &AtomicBool,
        expected: impl FnOnce(&Message) -> bool,
    ) -> Result<Option<Message>, Stop> {
        let Some(process) = &mut self.process else { return Ok(None) };
        let reason = match process.receive(interrupted) {
            Ok(message) if expected(&message) => return Ok(Some(message)),
            Ok(Message::Failed(reason)) => reason,
            Ok(message) => format!("said {message:?} out of turn"),
            Err(loss) => return self.lose(loss),
        };
        self.fail(reason);
        Ok(None)
    }

    fn take_turn(&mut self, interrupted: &AtomicBool) -> Result<(), Stop> {
        if self.turns.len() == self.entrant.order.plan.turns() {
            return Ok(());
        }
        let granted = Instant::now();
        self.go();
        let message = self.hear(interrupted, |message| matches!(message, Message::Turn(_)))?;
        if let Some(Message::Turn(turn)) = message {
            self.clock.note(granted, Instant::now(), turn.clock_ns);
            self.turns.push(turn);
        }
        Ok(())
    }

    /// Waits for what the process says at its end, and for its end.
    fn end(&mut self, interrupted: &AtomicBool) -> Result<(), Stop> {
        let message = self.hear(interrupted, |message| matches!(message, Message::Done(_)))?;
        if let Some(Message::Done(done)) = message {
            self.done = done;
        }
        let ended = self.process.as_mut().map(|process| process.end(interrupted));
        if let Some(Err(loss)) = ended {
            self.lose::<()>(loss)?;
        } else if let Some(complaint) = self.clock.complaint() {
            self.fail(complaint);
        }
        if let Some(process) = self.process.take() {
            process.kill();
        }
        Ok(())
    }

    fn lose<T>(&mut self, loss: Loss) -> Result<Option<T>, Stop> {
        match loss {
            Loss::Interrupted => Err(Stop::Interrupted),
            Loss::Ended(signal) => {
                let output = self.process.take().map_or_else(String::new, Process::kill);
                Err(Stop::Ended(self.entrant.column, signal, output))
            }
            Loss::Failed(reason) => {
                self.fail(reason);
                Ok(None)
            }
        }
    }

    fn fail(&mut self, reason: String) {
        let output = self.process.take().map_or_else(String::new, Process::kill);
        self.failure = Some((reason, output));
    }
}

/// What each cell's turns come to.
fn outcomes(players: Vec<Player<'_>>, apart: bool) -> Vec<(usize, Outcome)> {
    let reference = players
        .iter()
        .find(|player| player.entrant.is_reference && player.failure.is_none())
        .map(|player| (figures(player), player.turns.len()));
    players
        .into_iter()
        .map(|player| {
            let column = player.entrant.column;
            if let Some((reason, output)) = player.failure {
                return (column, Outcome::Failed(reason, output));
            }
            let ratio = reference.as_ref().and_then(|(reference, turns)| {
                ratio(&figures(&player), reference, apart, ENOUGH_CYCLES.min(*turns))
            });
            (column, Outcome::Measured(measured(&player, ratio)))
        })
        .collect()
}

fn measured(player: &Player<'_>, ratio: Option<f64>) -> Measured {
    let samples_ns_per_op = samples(&player.done.samples, player.entrant.ops);
    let turns = &player.turns;
    let retaken = turns.iter().map(|turn| turn.retaken).sum();
    let preempted = turns.iter().filter(|turn| turn.preempted).count() as u64;
    Measured {
        ns_per_op: if samples_ns_per_op.is_empty() { 0.0 } else { median(&samples_ns_per_op) },
        samples_ns_per_op,
        ratio,
        canaries_ns: turns.iter().map(|turn| turn.canary_ns).collect(),
        retaken,
        preempted: retaken + preempted,
        state_reached: player.done.state_reached,
    }
}

/// Nanoseconds per operation of criterion's samples.
fn samples(samples: &[Sample], ops: u64) -> Vec<f64> {
    let of = |samples: &mut dyn Iterator<Item = &Sample>| -> Vec<f64> {
        samples.map(|it| rounded(it.ns as f64 / it.passes as f64 / ops as f64)).collect()
    };
    let undisturbed = of(&mut samples.iter().filter(|sample| !sample.preempted));
    if undisturbed.is_empty() { of(&mut samples.iter()) } else { undisturbed }
}

/// Nanoseconds per pass in each turn, where the turn is a sample.
fn figures(player: &Player<'_>) -> Vec<Option<f64>> {
    let figure = |turn: &Turn| {
        (turn.passes > 0 && turn.ns > 0 && !turn.preempted)
            .then(|| turn.ns as f64 / turn.passes as f64)
    };
    player.turns.iter().map(figure).collect()
}

/// The ratio of a round: the median over the cycles in which both have a figure, of which there have to be
/// `enough`. Processes that were measured one after the other have no cycles in common: then the
/// quotient of their medians.
fn ratio(
    figures: &[Option<f64>],
    reference: &[Option<f64>],
    apart: bool,
    enough: usize,
) -> Option<f64> {
    let ratios: Vec<f64> = if apart {
        let all = |figures: &[Option<f64>]| figures.iter().copied().flatten().collect::<Vec<_>>();
        let (figures, reference) = (all(figures), all(reference));
        if figures.len().min(reference.len()) < enough {
            return None;
        }
        vec![median(&figures) / median(&reference)]
    } else {
        let cycles = figures.iter().zip(reference);
        let ratios: Vec<f64> =
            cycles.filter_map(|(its, other)| Some((*its)? / (*other)?)).collect();
        if ratios.len() < enough.max(1) {
            return None;
        }
        ratios
    };
    Some(median(&ratios))
}

/// To a ten-thousandth of a nanosecond: less than any clock tells over a sample.
fn rounded(ns: f64) -> f64 {
    (ns * 1e4).round() / 1e4
}

/// Compares the clock of a process with that of its parent. The process's turns lie between what the parent
/// grants and what it hears, so however busy the machine is, an honest clock is inside these bounds.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    /// When the first turn was granted, when its end was heard, and what the process's clock said then.
    first: Option<(Instant, Instant, u64)>,
    /// The same for the last turn.
    last: Option<(Instant, Instant, u64)>,
}

impl Clock {
    fn note(&mut self, granted: Instant, heard: Instant, clock_ns: u64) {
        self.first.get_or_insert((granted, heard, clock_ns));
        self.last = Some((granted, heard, clock_ns));
    }

    fn complaint(self) -> Option<String> {
        let (first_granted, first_heard, first_ns) = self.first?;
        let (last_granted, last_heard, last_ns) = self.last?;
        let ns = |time: Duration| time.as_nanos() as f64;
        let least = ns(last_granted.saturating_duration_since(first_heard));
        let most = ns(last_heard.saturating_duration_since(first_granted));
        let between = last_ns as f64 - first_ns as f64;
        let is_slow = between < least * (1.0 - CLOCK_PART) - CLOCK_NS;
        let is_fast = last_ns as f64 > most * (1.0 + CLOCK_PART) + CLOCK_NS;
        (is_slow || is_fast).then(|| {
            format!(
                "its clock is wrong: {:.0} ms passed in its process while {:.0} ms did outside",
                last_ns as f64 / 1e6,
                most / 1e6
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_within_a_cycle_so_that_noise_cancels() {
        let noise = [1.0, 3.0, 0.5, 7.0, 1.0, 2.0];
        let reference: Vec<_> = noise.iter().map(|noise| Some(10.0 * noise)).collect();
        let figures: Vec<_> = noise.iter().map(|noise| Some(9.0 * noise)).collect();
        let ratio = ratio(&figures, &reference, false, 3).unwrap();
        assert!((ratio - 0.9).abs() < 1e-9, "{ratio}");
    }

    #[test]
    fn a_cycle_that_is_no_sample_of_both_counts_for_none() {
        let all = [Some(10.0); 4];
        let some = [Some(5.0), None, Some(5.0), None];
        assert_eq!(ratio(&some, &all, false, 2), Some(0.5));
        assert_eq!(ratio(&some, &all, false, 3), None);
        assert_eq!(ratio(&[None, Some(1.0)], &[Some(1.0), None], false, 0), None);
    }

    #[test]
    fn one_after_the_other_the_medians_are_compared() {
        let figures = [Some(1.0), Some(2.0), Some(9.0)];
        let reference = [Some(9.0), Some(4.0), Some(3.0)];
        assert_eq!(ratio(&figures, &reference, true, 3), Some(0.5));
        assert_eq!(ratio(&[None; 3], &reference, true, 3), None);
    }

    #[test]
    fn samples_in_which_a_thread_was_preempted_are_left_out_where_there_are_others() {
        let sample = |ns, preempted| Sample { passes: 10, ns, preempted };
        assert_eq!(samples(&[sample(1000, true), sample(500, false)], 5), [10.0]);
        assert_eq!(samples(&[sample(1000, true), sample(500, true)], 5), [20.0, 10.0]);
    }

    #[test]
    fn a_clock_that_runs_ten_times_slow_is_noticed_and_a_busy_machine_is_not() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let clock = |first_ms: u64, last_ms: u64| {
            let mut clock = Clock::default();
            clock.note(at(0), at(20), first_ms * 1_000_000);
            clock.note(at(980), at(1000), last_ms * 1_000_000);
            clock.complaint()
        };
        // The process may have had its turn at any time between the two.
        assert_eq!(clock(1, 970), None);
        assert_eq!(clock(19, 999), None);
        assert!(clock(1, 98).is_some());
        assert!(clock(20, 5000).unwrap().contains("clock"));
    }
}
