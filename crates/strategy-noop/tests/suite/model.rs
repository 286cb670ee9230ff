//! Random operations against a model too simple to be wrong.

use std::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Layout};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// A block as the model knows it: every byte of `len` is `fill`.
struct Block {
    pointer: NonNull<u8>,
    layout: Layout,
    len: usize,
    fill: u8,
}

impl Block {
    fn new(memory: NonNull<[u8]>, layout: Layout, fill: u8) -> Self {
        assert!(memory.addr().get().is_multiple_of(layout.align()), "{layout:?}");
        assert!(memory.len() >= layout.size(), "{layout:?}");
        // SAFETY: the block was just handed out with this length.
        unsafe { memory.cast::<u8>().write_bytes(fill, memory.len()) };
        Self { pointer: memory.cast(), layout, len: memory.len(), fill }
    }

    fn bytes(&self) -> &[u8] {
        let bytes = NonNull::slice_from_raw_parts(self.pointer, self.len);
        // SAFETY: the block is live, and `new` wrote all of it.
        unsafe { bytes.as_ref() }
    }

    fn check(&self) {
        assert!(filled(self.bytes(), self.fill), "{:?}", self.layout);
    }

    /// A layout that fits the block: its size may be anything from the one asked for to `len`.
    fn fitting(&self, random: &mut Pcg64Mcg) -> Layout {
        let size = random.random_range(self.layout.size()..=self.len);
        Layout::from_size_align(size, self.layout.align()).unwrap()
    }
}

/// Runs random operations on `allocator` and on a list of blocks that remembers what is in each.
/// All blocks are freed in the end. `layout` draws a request, and `served` says whether it
/// has to be served or refused.
pub fn drive(
    allocator: impl Allocator,
    seed: u64,
    operations: usize,
    most_live: usize,
    mut layout: impl FnMut(&mut Pcg64Mcg) -> Layout,
    served: impl Fn(Layout) -> bool,
) {
    println!("seed {seed}");
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut live: Vec<Block> = Vec::new();
    for operation in 0..operations {
        let fill = operation as u8 | 1; // never 0
        let choice = random.random_range(0..6);
        if live.is_empty() || choice < 2 && live.len() < most_live {
            let layout = layout(&mut random);
            let zeroed = choice == 0;
            let memory =
                if zeroed { allocator.allocate_zeroed(layout) } else { allocator.allocate(layout) };
            assert_eq!(memory.is_ok(), served(layout), "{layout:?}");
            let Ok(memory) = memory else { continue };
            if zeroed {
                // SAFETY: all bytes of zeroed memory are initialized.
                assert!(filled(unsafe { memory.as_ref() }, 0), "{layout:?}");
            }
            live.push(Block::new(memory, layout, fill));
            continue;
        }
        let index = random.random_range(0..live.len());
        let block = live.swap_remove(index);
        block.check();
        let old = block.fitting(&mut random);
        let new = layout(&mut random);
        if choice < 4 {
            // SAFETY: the block is live, and `old` fits it.
            unsafe { allocator.deallocate(block.pointer, old) };
            continue;
        }
        let kept = old.size().min(new.size());
        let (grows, zeroed) = (new.size() >= old.size(), choice == 4);
        let memory = match (grows, zeroed) {
            // SAFETY: the block is live, `old` fits it, and `new` is not smaller.
            (true, true) => unsafe { allocator.grow_zeroed(block.pointer, old, new) },
            // SAFETY: the block is live, `old` fits it, and `new` is not smaller.
            (true, false) => unsafe { allocator.grow(block.pointer, old, new) },
            // SAFETY: the block is live, `old` fits it, and `new` is smaller.
            (false, _) => unsafe { allocator.shrink(block.pointer, old, new) },
        };
        assert_eq!(memory.is_ok(), served(new), "{old:?} to {new:?}");
        let Ok(memory) = memory else {
            block.check();
            live.push(block);
            continue;
        };
        let start = NonNull::slice_from_raw_parts(memory.cast::<u8>(), kept);
        // SAFETY: the first `kept` bytes were written by `Block::new`, and were to be kept.
        assert!(filled(unsafe { start.as_ref() }, block.fill), "{new:?}");
        if grows && zeroed {
            // SAFETY: the old bytes were written by `Block::new`, the others are zeroed.
            let tail = &unsafe { memory.as_ref() }[kept..];
            assert!(filled(tail, 0), "{old:?} to {new:?}");
        }
        live.push(Block::new(memory, new, fill));
    }
    for block in live {
        block.check();
        // SAFETY: the block is live, with this layout.
        unsafe { allocator.deallocate(block.pointer, block.layout) };
    }
}

/// Whether all bytes are `fill`; a comparison of slices is fast without optimization, too.
fn filled(bytes: &[u8], fill: u8) -> bool {
    bytes == vec![fill; bytes.len()]
}
