//! What the parent and a cell's process say to each other, over a socket that is the process's standard input.
//!
//! Until its work is done a process allocates nothing for it: frames are read into and written from the stack,
//! and hold numbers only.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The bytes of a frame that holds numbers only.
const SMALL: usize = 1024;

/// The bytes that a frame may have: a sample takes at most so many, and a text is cut.
pub(crate) const FRAME_BYTES: usize = 64 << 20;

/// The bytes of a text that a frame holds: a panic may carry any number.
const TEXT_BYTES: usize = 4096;

/// Asks a process that is set up to warm up, and one that is warm for its next turn.
pub(crate) const GO: u8 = b'g';

/// What the parent asks of a cell's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The cell's place among all cells of the program.
    pub(crate) cell: usize,
    /// Whether the cell is one of the self-check's.
    pub(crate) self_check: bool,
    /// Whether the cell is tested and not measured: one pass under a checking wrapper, and a few without.
    pub(crate) test: bool,
    /// The number of the start state and of the stream of operations.
    pub(crate) state: u32,
    /// How the samples are cut into turns.
    pub(crate) plan: TurnPlan,
    /// The core that the process stays on, or absent for any.
    pub(crate) core: Option<usize>,
    /// The memory that the process may map, in bytes, or absent for no limit.
    pub(crate) memory_bytes: Option<u64>,
    /// The seconds of processor time that it may use.
    pub(crate) cpu_s: u64,
}

/// How the samples of a round are cut into turns. A piece is what is measured at once: a sample is one piece or
/// several, and a turn holds one piece or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TurnPlan {
    /// Samples that criterion takes.
    pub(crate) samples: usize,
    /// Pieces of a sample.
    pub(crate) pieces_of_sample: usize,
    /// Pieces in a turn; 1 if a sample has several.
    pub(crate) pieces_in_turn: usize,
    /// Nanoseconds at the beginning of a turn that are not measured: whole passes, one at the least.
    pub(crate) settle_ns: u64,
}

impl TurnPlan {
    /// The pieces of a round.
    pub(crate) fn pieces(self) -> usize {
        self.samples * self.pieces_of_sample
    }

    /// The turns of a round: the same for every contender, so that each cycle holds a turn of each.
    pub(crate) fn turns(self) -> usize {
        self.pieces().div_ceil(self.pieces_in_turn)
    }
}

/// What a cell's process says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// It is set up.
    Ready,
    /// It is warm.
    Warm,
    /// It had a turn.
    Turn(Turn),
    /// It did what was asked.
    Done(Done),
    /// It stopped, with this reason.
    Failed(String),
}

/// What was measured in a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Turn {
    /// Passes measured; 0 if criterion asked for fewer passes than there are pieces.
    pub(crate) passes: u64,
    /// The time that they took, in nanoseconds.
    pub(crate) ns: u64,
    /// Whether a thread was preempted, as often as it was tried.
    pub(crate) preempted: bool,
    /// Pieces measured again because a thread was preempted.
    pub(crate) retaken: u64,
    /// The slowest canary loop around the pieces, in nanoseconds.
    pub(crate) canary_ns: u64,
    /// Nanoseconds since the process's first turn began, by its own clock.
    pub(crate) clock_ns: u64,
}

/// What a process has at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Criterion's samples; none for a test.
    pub(crate) samples: Vec<Sample>,
    /// The time of a pass in nanoseconds, as a test found it.
    pub(crate) pass_ns: u64,
    /// The most memory that the process had resident, in bytes.
    pub(crate) resident_bytes: u64,
    /// Whether it began in the state that was asked for.
    pub(crate) state_reached: bool,
}

/// One of criterion's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Its passes.
    pub(crate) passes: u64,
    /// The time that they took, in nanoseconds.
    pub(crate) ns: u64,
    /// Whether a thread was preempted in it.
    pub(crate) preempted: bool,
}

/// A text, cut to what a frame holds.
pub(crate) fn cut(text: &str) -> String {
    match text.len() {
        0..=TEXT_BYTES => text.to_owned(),
        bytes => {
            let start = text.floor_char_boundary(TEXT_BYTES);
            format!("{} ... ({bytes} bytes)", &text[..start])
        }
    }
}

/// Writes a frame: its length, then JSON. What fits into [`SMALL`] is written from the stack.
pub(crate) fn write(mut to: impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut small = [0; SMALL];
    let mut rest = &mut small[4..];
    let room = rest.len();
    if serde_json::to_writer(&mut rest, value).is_ok() {
        let len = room - rest.len();
        small[..4].copy_from_slice(&(len as u32).to_le_bytes());
        return to.write_all(&small[..4 + len]);
    }
    let text = serde_json::to_vec(value)?;
    to.write_all(&(text.len() as u32).to_le_bytes())?;
    to.write_all(&text)
}

/// Reads a frame of numbers only, without the heap.
pub(crate) fn read_small<T: DeserializeOwned>(mut from: impl Read) -> io::Result<T> {
    let mut len = [0; 4];
    from.read_exact(&mut len)?;
    let mut small = [0; SMALL];
    let len = u32::from_le_bytes(len) as usize;
    let text = small.get_mut(..len).ok_or(io::ErrorKind::InvalidData)?;
    from.read_exact(text)?;
    Ok(serde_json::from_slice(text)?)
}

/// Takes the first frame out of what has been received so far, if it is there as a whole.
pub(crate) fn take<T: DeserializeOwned>(received: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some((len, rest)) = received.split_first_chunk::<4>() else { return Ok(None) };
    let len = u32::from_le_bytes(*len) as usize;
    if len > FRAME_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let Some(text) = rest.get(..len) else { return Ok(None) };
    let value = serde_json::from_slice(text)?;
    received.drain(..4 + len);
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_back_however_it_is_cut() {
        let turn = Message::Turn(Turn { passes: u64::MAX, clock_ns: 7, ..Turn::default() });
        let failed = Message::Failed("x".repeat(3 * SMALL));
        let mut wire = Vec::new();
        write(&mut wire, &turn).unwrap();
        write(&mut wire, &failed).unwrap();
        let mut received = Vec::new();
        let mut messages = Vec::new();
        for byte in wire {
            received.push(byte);
            messages.extend(take::<Message>(&mut received).unwrap());
        }
        assert_eq!(messages, [turn, failed]);
    }

    #[test]
    fn an_order_fits_into_a_small_frame_whatever_its_numbers() {
        let plan = TurnPlan {
            samples: usize::MAX,
            pieces_of_sample: usize::MAX,
            pieces_in_turn: usize::MAX,
            settle_ns: u64::MAX,
        };
        let order = Order {
            cell: usize::MAX,
            self_check: false,
            test: false,
            state: u32::MAX,
            plan,
            core: Some(usize::MAX),
            memory_bytes: Some(u64::MAX),
            cpu_s: u64::MAX,
        };
        let mut wire = Vec::new();
        write(&mut wire, &order).unwrap();
        assert_eq!(read_small::<Order>(&*wire).unwrap(), order);
    }

    #[test]
    fn a_frame_without_bounds_is_refused() {
        assert!(take::<Message>(&mut u32::MAX.to_le_bytes().to_vec()).is_err());
        assert!(read_small::<Order>(&u32::MAX.to_le_bytes()[..]).is_err());
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let cut = cut(&"é".repeat(TEXT_BYTES));
        assert!(cut.len() < TEXT_BYTES + 40 && cut.ends_with("(8192 bytes)"), "{cut}");
    }

    #[test]
    fn every_piece_has_its_turn() {
        let plan = |samples, pieces_of_sample, pieces_in_turn| TurnPlan {
            samples,
            pieces_of_sample,
            pieces_in_turn,
            settle_ns: 0,
        };
        assert_eq!(plan(25, 1, 1).turns(), 25);
        assert_eq!(plan(10, 3, 1).turns(), 30);
        assert_eq!(plan(25, 1, 4).turns(), 7);
    }
}
