//! A wrapper that checks every block that a strategy hands out, and stops at the first wrong one.

mod ledger;

use core::alloc::Layout;
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::alloc::handle_alloc_error;
use std::sync::{Mutex, MutexGuard, PoisonError};

use allocator_api2::alloc::Global;
use ledger::{Ledger, Live};

use crate::{AllocError, Allocator, BuildError, Plan, Profile, Role, Stats, Strategy, Unsupported};

/// A strategy whose every block is checked.
///
/// It records the live blocks, and reports the first block that is misaligned, shorter than asked
/// for, overlaps a live one, is not zero where it has to be, or lost its bytes when it was
/// resized, and the first free or resize of a block that is not live or with a layout that
/// does not fit. The block in question is refused and never freed, since nothing is known
/// about it; in place of a resized one the caller gets other memory, since the old block is
/// gone. From then on every request is refused and no free is passed on;
/// [`violation`](Self::violation) says what was seen.
///
/// A block is looked at before anything is written to it. What lies in a block is not
/// checked between two calls: that is the contract suite's work.
///
/// ```
/// # use strategy::{BuildError, Plan, Profile};
/// use strategy::{Block, Checked, Fixed, Strategy};
/// # struct Plain;
/// # impl Strategy for Plain {
/// #     const NAME: &'static str = "plain";
/// #     const ABOUT: &'static str = "";
/// #     const PROFILE: Profile = Profile::GENERAL;
/// #     type Handle<'a> = allocator_api2::alloc::Global;
/// #     fn new(_plan: &Plan) -> Result<Self, BuildError> { Ok(Self) }
/// #     fn handle(&self) -> Self::Handle<'_> { allocator_api2::alloc::Global }
/// # }
///
/// let checked = Checked::<Plain>::new(&Plan::default()).unwrap();
/// let block = Block::new(&checked, Fixed::<64, 8>, 7).unwrap();
/// assert_eq!(block.stamp(), 7);
/// assert_eq!(checked.violation(), None);
/// ```
#[derive(Debug)]
pub struct Checked<S> {
    strategy: S,
    /// A lock, so that shared strategies stay shared. It is never held while `strategy` is called.
    ledger: Mutex<Ledger>,
}

/// The allocator of a [`Checked`] strategy.
///
/// It may go to another thread only if the strategy's own handle may:
///
/// ```compile_fail,E0277
/// # use std::marker::PhantomData;
/// # use std::ptr::NonNull;
/// # use allocator_api2::alloc::Global;
/// # use std::alloc::Layout;
/// # use strategy::{AllocError, Allocator, BuildError, Plan, Profile, Strategy};
/// # struct Plain;
/// #[derive(Clone, Copy)]
/// struct OneThread(PhantomData<*const u8>);
/// # // SAFETY: the blocks are those of `Global`, which keeps the contract.
/// # unsafe impl Allocator for OneThread {
/// #     fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
/// #         Global.allocate(layout)
/// #     }
/// #     unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
/// #         // SAFETY: the block came from `Global` in `allocate`.
/// #         unsafe { Global.deallocate(pointer, layout) };
/// #     }
/// # }
/// # impl Strategy for Plain {
/// #     const NAME: &'static str = "plain";
/// #     const ABOUT: &'static str = "";
/// #     const PROFILE: Profile = Profile::GENERAL;
/// #     type Handle<'a> = OneThread;
/// #     fn new(_plan: &Plan) -> Result<Self, BuildError> { Ok(Self) }
/// #     fn handle(&self) -> OneThread { OneThread(PhantomData) }
/// # }
///
/// // `Plain` is a strategy whose handle is `OneThread`.
/// fn sent<T: Send>() {}
/// sent::<strategy::CheckedHandle<'static, Plain>>();
/// ```
pub struct CheckedHandle<'a, S: Strategy + 'a> {
    checked: &'a Checked<S>,
    /// The handle of `checked.strategy`, kept so that the auto traits are those of both.
    inner: S::Handle<'a>,
}

impl<S> Checked<S> {
    /// Checks `strategy` from now on. It has no live blocks yet.
    #[must_use]
    pub fn around(strategy: S) -> Self {
        Self { strategy, ledger: Mutex::default() }
    }

    /// The strategy that is checked.
    pub fn inner(&self) -> &S {
        &self.strategy
    }

    /// The first violation that was seen.
    #[must_use]
    pub fn violation(&self) -> Option<String> {
        self.ledger().violation.clone()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Nothing in here panics with the ledger half changed.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Strategy> Strategy for Checked<S> {
    const NAME: &'static str = S::NAME;
    const ABOUT: &'static str = S::ABOUT;
    const PROFILE: Profile = S::PROFILE;
    const ROLE: Role = S::ROLE;
    type Handle<'a>
        = CheckedHandle<'a, S>
    where
        Self: 'a;

    fn new(plan: &Plan) -> Result<Self, BuildError> {
        S::new(plan).map(Self::around)
    }

    fn handle(&self) -> CheckedHandle<'_, S> {
        CheckedHandle { checked: self, inner: self.strategy.handle() }
    }

    fn profile(&self) -> Profile {
        self.strategy.profile()
    }

    fn reset(&mut self) -> Result<(), Unsupported> {
        self.strategy.reset()?;
        self.ledger().clear();
        Ok(())
    }

    fn stats(&self) -> Option<Stats> {
        self.strategy.stats()
    }
}

impl<'a, S: Strategy> CheckedHandle<'a, S> {
    /// Records a block, of which all bytes from `from` on have to be zero.
    fn enter_zeroed(
        &self,
        block: NonNull<[u8]>,
        asked: Layout,
        from: usize,
    ) -> Result<(), AllocError> {
        self.checked.ledger().enter(block, asked)?;
        for at in from..block.len() {
            // SAFETY: `at` is inside the block, which is not null.
            let byte = unsafe { block.cast::<u8>().add(at) };
            // SAFETY: the byte belongs to a block that the strategy has just returned, which is aligned
            // and overlaps no live block (`enter`), and promised to have written.
            let found = unsafe { byte.read() };
            if found != 0 {
                let (start, len) = (block.cast::<u8>().addr(), block.len());
                let seen = format!(
                    "byte {at} of {len} bytes at {start:#x} is {found:#04x} and had to be zeroed"
                );
                return Err(self.checked.ledger().report(seen));
            }
        }
        Ok(())
    }

    /// Resizes a block by `resize`, which is called with the inner handle. The first `kept` bytes
    /// have to be kept, and, if the tail is `zeroed`, those beyond the old block have to be zero.
    ///
    /// The bytes are the caller's, and some may never have been written, so they cannot be
    /// compared. They are set aside, and a pattern is resized in their place.
    ///
    /// After a violation in a resize that is done, the caller gets memory of the global allocator
    /// with the right bytes, since a refusal would say that the old block is still there.
    ///
    /// # Safety
    ///
    /// As for [`Allocator::grow`]: the block is the caller's, and `old` fits it. `kept` is at most
    /// the size of `old` and of `new`.
    unsafe fn resize(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
        zeroed: bool,
        resize: impl FnOnce(S::Handle<'a>) -> Result<NonNull<[u8]>, AllocError>,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let kept = old.size().min(new.size());
        let live = self.checked.ledger().leave(pointer, old, "resized")?;
        let mut aside = vec![MaybeUninit::<u8>::uninit(); kept];
        let aside = NonNull::from(&mut aside[..]).cast::<u8>();
        // SAFETY: the block has at least `kept` bytes (`leave` found it live, with at least the size of
        // `old`), and so has the vector, which is on its own.
        unsafe { pointer.copy_to_nonoverlapping(aside, kept) };
        let lent = Lent { checked: self.checked, pointer, live, aside, kept };
        for at in 0..kept {
            // SAFETY: `at < kept`, which is inside the block.
            let byte = unsafe { pointer.add(at) };
            // SAFETY: as above, and the block is the caller's, who lent it for this call.
            unsafe { byte.write(pattern(at)) };
        }
        let Ok(block) = resize(self.inner) else {
            // SAFETY: the block has at least `kept` bytes, written above; it failed to be resized, so it
            // is not freed.
            let lost = unsafe { first_changed(pointer, kept) };
            drop(lent);
            if let Some(at) = lost {
                let (size, start) = (old.size(), pointer.addr());
                self.checked.ledger().report(format!(
                    "failed to resize the block of {size} bytes at {start:#x}, which lost byte {at}"
                ));
            }
            return Err(AllocError);
        };
        // The block is not the caller's any more, so it gets nothing back.
        core::mem::forget(lent);
        let entered = match zeroed {
            false => self.checked.ledger().enter(block, new),
            true => self.enter_zeroed(block, new, old.size().max(live.len)),
        };
        let kept_all = entered.and_then(|()| {
            // SAFETY: the block has at least `new.size() >= kept` bytes (`enter`), and the strategy
            // has kept the first `kept`, which were written above, or else copied others.
            match unsafe { first_changed(block.cast(), kept) } {
                None => Ok(block),
                Some(at) => {
                    let (size, start) = (old.size(), pointer.addr());
                    let seen = format!(
                        "resized the block of {size} bytes at {start:#x}, which lost byte {at}"
                    );
                    Err(self.checked.ledger().report(seen))
                }
            }
        });
        // The old block is gone, so this cannot be refused any more.
        let block = kept_all.or_else(|AllocError| stand_in(new))?;
        // SAFETY: either block has at least the new size, by `enter` and by `Global`, and `kept` is at
        // most that; the vector is on its own.
        unsafe { block.cast::<u8>().copy_from_nonoverlapping(aside, kept) };
        Ok(block)
    }
}

/// A caller's block while its resize is under way. Dropped, because the strategy refused or
/// panicked, it gives the caller its bytes back and enters the block again: it is the caller's
/// still, who may well use it after a panic, as a vector does that drops its elements.
struct Lent<'a, S> {
    checked: &'a Checked<S>,
    /// Has at least `kept` bytes and is not freed.
    pointer: NonNull<u8>,
    live: Live,
    /// The first `kept` bytes of the block, on their own, for as long as this value lives.
    aside: NonNull<u8>,
    kept: usize,
}

impl<S> Drop for Lent<'_, S> {
    fn drop(&mut self) {
        // SAFETY: both have `kept` bytes and are apart (their invariants). The block is there: a
        // strategy that did not return a new one has not freed the old one.
        unsafe { self.pointer.copy_from_nonoverlapping(self.aside, self.kept) };
        self.checked.ledger().stay(self.pointer, self.live);
    }
}

/// Zeroed memory in place of a block that was resized wrongly. It is never freed, since no free is
/// passed on after a violation.
fn stand_in(layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
    match Global.allocate_zeroed(layout) {
        Ok(block) => Ok(block),
        Err(AllocError) => handle_alloc_error(layout),
    }
}

/// The first of the first `len` bytes that does not follow the pattern.
///
/// # Safety
///
/// The block has that many bytes, they are initialized, and nobody writes them meanwhile.
unsafe fn first_changed(block: NonNull<u8>, len: usize) -> Option<usize> {
    (0..len).find(|&at| {
        // SAFETY: the block has `len` bytes, says the caller.
        let byte = unsafe { block.add(at) };
        // SAFETY: as above, and they are initialized.
        let found = unsafe { byte.read() };
        found != pattern(at)
    })
}

/// A byte that is not 0 and differs from its neighbours, and from those a power of two away.
fn pattern(at: usize) -> u8 {
    (at % 251) as u8 + 1
}

// SAFETY: blocks are those of the strategy's own handle, which keeps them valid as this trait
// asks, until they are freed or resized through it with the layouts that the callers gave;
// the ledger only decides whether a call is passed on. All copies of a handle refer to the same
// strategy, which they borrow, so that it neither moves nor is reset while one exists.
unsafe impl<'a, S: Strategy> Allocator for CheckedHandle<'a, S> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.checked.ledger().admit()?;
        let block = self.inner.allocate(layout)?;
        self.checked.ledger().enter(block, layout)?;
        Ok(block)
    }

    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.checked.ledger().admit()?;
        let block = self.inner.allocate_zeroed(layout)?;
        self.enter_zeroed(block, layout, 0)?;
        Ok(block)
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        // Off the record before it is free: another thread may get it at once.
        if self.checked.ledger().leave(pointer, layout, "freed").is_ok() {
            // SAFETY: the caller's duties are the same, and the ledger says that the block came
            // from this strategy and that the layout fits.
            unsafe { self.inner.deallocate(pointer, layout) };
        }
    }

    unsafe fn grow(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties are the same; `resize` calls this with the block still live.
        let grow = |handle: S::Handle<'a>| unsafe { handle.grow(pointer, old, new) };
        // SAFETY: as above.
        unsafe { self.resize(pointer, old, new, false, grow) }
    }

    unsafe fn grow_zeroed(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties are the same; `resize` calls this with the block still live.
        let grow = |handle: S::Handle<'a>| unsafe { handle.grow_zeroed(pointer, old, new) };
        // SAFETY: as above.
        unsafe { self.resize(pointer, old, new, true, grow) }
    }

    unsafe fn shrink(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties are the same; `resize` calls this with the block still live.
        let shrink = |handle: S::Handle<'a>| unsafe { handle.shrink(pointer, old, new) };
        // SAFETY: as above.
        unsafe { self.resize(pointer, old, new, false, shrink) }
    }
}

impl<'a, S: Strategy + 'a> Clone for CheckedHandle<'a, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, S: Strategy + 'a> Copy for CheckedHandle<'a, S> {}

impl<'a, S: Strategy + 'a> fmt::Debug for CheckedHandle<'a, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckedHandle")
    }
}
