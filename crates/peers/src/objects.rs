//! Objects of one size: pools, slabs, and the allocators that serve every size.

use std::mem::MaybeUninit;

use strategy::escape;
use strategy_limit::Stack;
use strategy_pool::{BlockPool, GuidePool, Pool, Pooled, SizeClassPool};
use workloads::{Batch, Failure, Measure, Order, Pair, Stream, Tally, Workload, stamp};

use crate::Visitor;
use crate::list::{Named, Row, ours};

const FAMILY: &str = "Peers: objects of one size";

/// An object of 64 bytes. Whoever gets it writes its stamp; the rest is what it is.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Object {
    pub(crate) stamp: u64,
    rest: MaybeUninit<[u8; 56]>,
}

impl Object {
    #[inline]
    pub(crate) const fn new(stamp: u64) -> Self {
        Self { stamp, rest: MaybeUninit::uninit() }
    }
}

/// A place for objects, in the way in which the documentation of its crate uses it.
pub(crate) trait Place {
    /// What stands for an object as long as it is kept: an owner, or a key.
    type Kept;

    /// Keeps an object, and lets it [`escape`].
    fn keep(&mut self, object: Object) -> Self::Kept;

    /// Reads the stamp of an object and gives the object up.
    fn give_up(&mut self, kept: Self::Kept) -> u64;
}

/// Does what [`Batch`] does with blocks.
fn batch<P: Place>(
    mut place: P,
    order: Order,
    stream: Stream,
    measure: &mut Measure<'_>,
) -> Result<(), Failure> {
    let frees = Batch { order }.frees(stream);
    // After `place`, so that it is dropped before: alloc-from-pool does not see to that.
    let mut kept: Vec<Option<P::Kept>> = frees.iter().map(|_| None).collect();
    measure(&mut |passes| {
        let mut tally = Tally::default();
        for _ in 0..passes {
            for (kept, index) in kept.iter_mut().zip(0..) {
                *kept = Some(place.keep(Object::new(stamp(index))));
            }
            for &index in &frees {
                let kept = kept[usize::from(index)].take().expect("each is given up once");
                tally.add(place.give_up(kept));
            }
        }
        Ok(tally)
    })
}

/// Does what [`Pair`] does with blocks.
fn pair<P: Place>(mut place: P, pairs: u64, measure: &mut Measure<'_>) -> Result<(), Failure> {
    measure(&mut |passes| {
        let mut tally = Tally::default();
        for _ in 0..passes {
            for index in 0..pairs {
                let kept = place.keep(Object::new(stamp(index)));
                tally.add(place.give_up(kept));
            }
        }
        Ok(tally)
    })
}

/// The objects of a batch.
const OBJECTS: usize = 1000;

pub(crate) fn visit(visitor: &mut Visitor<'_>) {
    for (name, order) in [
        ("peers-batch-lifo", Order::Lifo),
        ("peers-batch-fifo", Order::Fifo),
        ("peers-batch-random", Order::Random),
    ] {
        let work = Named(name, Batch { order });
        row(&mut Row { family: FAMILY, work, visitor }, Kind::Batch(order));
    }
    let work = Named("peers-pair", Pair::<64>);
    row(&mut Row { family: FAMILY, work, visitor }, Kind::Pair(work.answer(Stream::FIRST).ops));
}

/// The work of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Batch(Order),
    /// So many in a pass.
    Pair(u64),
}

impl Kind {
    /// The most objects that are kept at one time: what every place is made for.
    pub(crate) fn live(self) -> usize {
        match self {
            Self::Batch(_) => OBJECTS,
            Self::Pair(_) => 1,
        }
    }

    /// Does the work over `stream` with the objects at `place`.
    pub(crate) fn run(
        self,
        place: impl Place,
        stream: Stream,
        measure: &mut Measure<'_>,
    ) -> Result<(), Failure> {
        match self {
            Self::Batch(order) => batch(place, order, stream, measure),
            Self::Pair(pairs) => pair(place, pairs, measure),
        }
    }
}

fn row<W: Workload + Copy + 'static>(row: &mut Row<'_, '_, W>, kind: Kind) {
    row.general_purpose();
    #[cfg(feature = "others")]
    crate::contenders::objects(row, kind);
    row.strategy::<BlockPool>();
    row.contender(
        ours("pool-typed", "the pool's `Pool<T>`: an owning handle of two words for each value"),
        move |stream, measure| kind.run(Typed(&Pool::with_capacity(kind.live())), stream, measure),
    );
    row.strategy::<SizeClassPool>();
    row.strategy::<GuidePool>();
    row.again();
    row.strategy::<Stack<64, 8>>();
}

/// `strategy_pool::Pool`.
struct Typed<'p>(&'p Pool<Object>);

impl<'p> Place for Typed<'p> {
    type Kept = Pooled<'p, Object>;

    #[inline]
    fn keep(&mut self, object: Object) -> Self::Kept {
        let kept = self.0.alloc(object);
        escape(&*kept);
        kept
    }

    #[inline]
    fn give_up(&mut self, kept: Self::Kept) -> u64 {
        kept.stamp
    }
}
