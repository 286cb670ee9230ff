//! A byte vector that grows from empty.

use allocator_api2::vec::Vec;
use strategy::{Frees, Plan, Strategy};

use crate::{Description, Failure, Measure, Tally, Workload, stamp};

/// The length that the vector reaches.
const BYTES: usize = 1 << 20;

/// The words of what is appended at a time.
const WORDS: usize = 8;

/// The bytes of what is appended at a time.
const PIECE: usize = WORDS * size_of::<u64>();

/// `grow`: a byte vector appended to until it holds 1 MiB.
#[derive(Clone, Copy, Debug)]
pub struct Grow;

impl Grow {
    /// The piece with this index: its stamp in every word.
    fn piece(index: usize) -> [u8; PIECE] {
        let mut piece = [0; PIECE];
        for word in piece.as_chunks_mut().0 {
            *word = stamp(index as u64).to_le_bytes();
        }
        piece
    }
}

impl Workload for Grow {
    fn description(&self) -> Description {
        Description {
            name: "grow",
            about: "Appends 64 bytes at a time to an empty byte vector that doubles its capacity, \
                    up to 1 MiB, and reads it all.",
            stands_for: "Reading a body of unknown length; an allocator that grows in place, or \
                         moves pages instead of bytes, wins.",
            operation: "64 bytes appended, and read at the end",
        }
    }

    fn parameter(&self) -> String {
        BYTES.to_string()
    }

    fn plan(&self) -> Plan {
        // Old and new block are alive together while one is moved.
        Plan { max_align: 1, ..Plan::sizes(PIECE, BYTES) }.live(2).freed_together().growing()
    }

    fn answer(&self) -> Tally {
        (0..BYTES / PIECE).map(|index| stamp(index as u64).wrapping_mul(WORDS as u64)).collect()
    }

    fn run<S: Strategy>(&self, strategy: &mut S, measure: &mut Measure<'_>) -> Result<(), Failure> {
        let resets = strategy.profile().frees == Frees::Together;
        measure(&mut |passes| {
            let mut tally = Tally::default();
            for _ in 0..passes {
                let mut bytes = Vec::new_in(strategy.handle());
                for index in 0..BYTES / PIECE {
                    bytes
                        .try_reserve(PIECE)
                        .map_err(|error| Failure::not_grown(error, bytes.len() + PIECE))?;
                    bytes.extend_from_slice(&Self::piece(index));
                }
                for piece in bytes.as_chunks::<PIECE>().0 {
                    let words = piece.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word));
                    tally.add(words.fold(0, u64::wrapping_add));
                }
                drop(bytes);
                if resets {
                    strategy.reset()?;
                }
            }
            Ok(tally)
        })
    }
}
