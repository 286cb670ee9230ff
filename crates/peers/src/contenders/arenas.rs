//! Arenas of others, for values of one type.

use bump_scope::BumpBox;

use crate::arenas::{Arena, BYTES, Value};

pub(crate) struct BumpaloArena(bumpalo::Bump);

impl Arena for BumpaloArena {
    type Kept<'a> = &'a mut Value;

    #[inline]
    fn fresh() -> Self {
        Self(bumpalo::Bump::with_capacity(BYTES))
    }

    #[inline]
    fn keep(&self, value: Value) -> &mut Value {
        self.0.alloc(value)
    }

    #[inline]
    fn reset(&mut self) {
        self.0.reset();
    }
}

pub(crate) struct BumpScopeArena(bump_scope::Bump);

impl Arena for BumpScopeArena {
    type Kept<'a> = &'a mut Value;

    #[inline]
    fn fresh() -> Self {
        Self(bump_scope::Bump::with_capacity(crate::list::layout(BYTES, 16)))
    }

    #[inline]
    fn keep(&self, value: Value) -> &mut Value {
        BumpBox::leak(self.0.alloc(value))
    }

    #[inline]
    fn reset(&mut self) {
        self.0.reset();
    }
}
