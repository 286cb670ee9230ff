//! A vector that grows from empty.

use allocator_api2::vec::Vec;
use strategy::{Frees, Plan, Strategy};

use crate::{Description, Failure, Measure, Stream, Tally, Workload, stamp};

/// The length that the vector reaches.
const BYTES: usize = 1 << 20;

/// What is appended at a time: 64 bytes, so that appending costs little beside growing.
type Piece = [u64; WORDS];

/// Words in a piece, all with the piece's stamp.
const WORDS: usize = 8;

/// Pieces in the full vector.
const PIECES: u64 = (BYTES / size_of::<Piece>()) as u64;

/// `grow`: a vector appended to until it holds 1 MiB.
#[derive(Clone, Copy, Debug)]
pub struct Grow;

impl Workload for Grow {
    fn description(&self) -> Description {
        Description {
            name: "grow",
            about: "Appends 64 bytes at a time to an empty vector that doubles its capacity, up to \
                    1 MiB, and reads it all.",
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
        Plan { max_align: align_of::<Piece>(), ..Plan::sizes(size_of::<Piece>(), BYTES) }
            .live(2)
            .freed_together()
            .growing()
    }

    fn answer(&self, _: Stream) -> Tally {
        (0..PIECES).map(|index| stamp(index).wrapping_mul(WORDS as u64)).collect()
    }

    fn run<S: Strategy>(
        &self,
        strategy: &mut S,
        _: Stream,
        measure: &mut Measure<'_>,
    ) -> Result<(), Failure> {
        let resets = strategy.profile().frees == Frees::Together;
        measure(&mut |passes| {
            let mut tally = Tally::default();
            for _ in 0..passes {
                let mut pieces = Vec::new_in(strategy.handle());
                for index in 0..PIECES {
                    pieces
                        .try_reserve(1)
                        .map_err(|error| Failure::not_grown(error, size_of_val(&*pieces)))?;
                    pieces.push([stamp(index); WORDS]);
                }
                for piece in &pieces {
                    tally.add(piece.iter().copied().fold(0, u64::wrapping_add));
                }
                drop(pieces);
                if resets {
                    strategy.reset()?;
                }
            }
            Ok(tally)
        })
    }
}
