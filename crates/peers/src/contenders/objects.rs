//! Pools and slabs of others.

use alloc_from_pool::PoolValue;
use opool::{LocalPool, PoolAllocator, RefLocalGuard};
use slab::Slab;
use strategy::escape;
use workloads::{Contender, Failure, Workload};

use crate::buffers::{BYTES, Messages};
use crate::list::{Row, other};
use crate::objects::{Kind, Object, Place};

/// What opool is.
pub(crate) const OPOOL: Contender = other("opool", "objects that are kept in a queue and lent out");

/// Adds them to a row.
pub(crate) fn objects<W: Workload + Copy + 'static>(row: &mut Row<'_, '_, W>, kind: Kind) {
    row.contender(
        other(
            "alloc-from-pool",
            "a vector of boxes, and owning handles with a bare pointer to it: that it lives longer is not checked",
        ),
        move |stream, measure| kind.run(FromPool(alloc_from_pool::Pool::new()), stream, measure),
    );
    row.contender(OPOOL, move |stream, measure| {
        kind.run(Lent(&LocalPool::new_prefilled(kind.live(), Opool)), stream, measure)
    });
    row.contender(
        other("slab", "a vector of values that are reached by keys, vacant ones chained"),
        move |stream, measure| kind.run(Keyed(Slab::with_capacity(kind.live())), stream, measure),
    );
}

struct FromPool(alloc_from_pool::Pool<Object>);

impl Place for FromPool {
    type Kept = PoolValue<Object>;

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

/// How opool makes a new object: as a box, since what it lends out is moved.
pub(crate) struct Opool;

impl PoolAllocator<Box<Object>> for Opool {
    #[inline]
    fn allocate(&self) -> Box<Object> {
        Box::new(Object::new(0))
    }
}

struct Lent<'p>(&'p LocalPool<Opool, Box<Object>>);

impl<'p> Place for Lent<'p> {
    type Kept = RefLocalGuard<'p, Opool, Box<Object>>;

    #[inline]
    fn keep(&mut self, object: Object) -> Self::Kept {
        let mut kept = self.0.get();
        **kept = object;
        escape(&**kept);
        kept
    }

    #[inline]
    fn give_up(&mut self, kept: Self::Kept) -> u64 {
        kept.stamp
    }
}

struct Keyed(Slab<Object>);

impl Place for Keyed {
    type Kept = usize;

    #[inline]
    fn keep(&mut self, object: Object) -> usize {
        let key = self.0.insert(object);
        escape(&self.0);
        key
    }

    #[inline]
    fn give_up(&mut self, key: usize) -> u64 {
        self.0.remove(key).stamp
    }
}

/// A pool of buffers for one thread.
pub(crate) fn buffers() -> impl FnMut(u64, &mut Messages) -> Result<u64, Failure> + 'static {
    let pool = LocalPool::new_prefilled(1, Opool);
    move |index, messages| {
        let mut buffer: RefLocalGuard<'_, _, Box<[u8; BYTES]>> = pool.get();
        Ok(messages.pass_through(index, &mut buffer[..]))
    }
}

impl PoolAllocator<Box<[u8; BYTES]>> for Opool {
    #[inline]
    fn allocate(&self) -> Box<[u8; BYTES]> {
        Box::new([0; BYTES])
    }
}
