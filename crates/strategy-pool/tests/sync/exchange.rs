//! Random operations of several threads at once that hand blocks to each other, against a model
//! too simple to be wrong: each block is filled with a pattern, which has to be there at the end.

use std::ptr::NonNull;
use std::sync::Mutex;
use std::{env, thread};

use allocator_api2::alloc::{Allocator, Layout};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use strategy::contract::Probe;
use strategy_pool::SyncPool;

use crate::{Out, layout};

const THREADS: u64 = 3;

/// A block, and what its words are, of a large one the first and the last.
struct Filled {
    block: Out,
    words: usize,
    pattern: u64,
}

impl Filled {
    fn new(block: Out, words: usize, pattern: u64) -> Self {
        let filled = Self { block, words, pattern };
        for index in looked_at(words) {
            // SAFETY: a word of the block, which is this thread's.
            unsafe { filled.word(index).write(pattern ^ index as u64) };
        }
        filled
    }

    #[track_caller]
    fn check(&self) {
        for index in looked_at(self.words) {
            // SAFETY: `new` has written the word, and nobody else has the block.
            let found = unsafe { self.word(index).read() };
            assert_eq!(found, self.pattern ^ index as u64, "word {index} has changed");
        }
    }

    fn word(&self, index: usize) -> NonNull<u64> {
        assert!(index < self.words);
        // SAFETY: the block has `words` words, aligned to 8.
        unsafe { self.block.0.cast::<u64>().add(index) }
    }
}

/// The words of a block that are written and compared.
fn looked_at(words: usize) -> impl Iterator<Item = usize> {
    (0..words.min(8)).chain(words.saturating_sub(8).max(8)..words)
}

/// What one thread does: allocate, free, or swap a block with whatever lies in the middle.
fn work(allocator: &impl Allocator, block: Layout, middle: &Mutex<Vec<Filled>>, seed: u64) {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut mine = Vec::new();
    // Up and down, so that magazines are filled and emptied.
    let mut most = 1;
    for number in 0..30_000 {
        if number % 3000 == 0 {
            most = 1 << random.random_range(0..11);
        }
        let choice = random.random_range(0..8);
        if choice < 4 && mine.len() < most {
            let memory = allocator.allocate(block).unwrap().cast();
            mine.push(Filled::new(Out(memory), block.size() / 8, seed << 32 | number << 8));
        } else if choice == 4 {
            let mut middle = middle.lock().unwrap();
            if let Some(given) = mine.pop() {
                middle.push(given);
            }
            if middle.len() > 500 {
                let some = random.random_range(0..middle.len());
                mine.extend(middle.drain(some..));
            }
        } else if !mine.is_empty() {
            let filled: Filled = mine.swap_remove(random.random_range(0..mine.len()));
            filled.check();
            // SAFETY: the block is out, came from this pool, and is not used any more.
            unsafe { allocator.deallocate(filled.block.0, block) };
        }
    }
    middle.lock().unwrap().append(&mut mine);
}

#[test]
fn random_hand_overs_between_threads_keep_every_block_whole() {
    let seeds = match env::var("SYNC_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => vec![1, 2, 3],
    };
    for (seed, block) in
        seeds.into_iter().flat_map(|seed| [64, 2048, 16 << 10].map(|size| (seed, layout(size, 64))))
    {
        println!("{block:?}, SYNC_SEED={seed}");
        let probe = Probe::new();
        let pool = SyncPool::new_in(block, probe.clone());
        let middle = Mutex::new(Vec::new());
        for round in 0..2 {
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (pool, middle) = (&pool, &middle);
                    let seed = seed * 100 + round * 10 + thread;
                    scope.spawn(move || match thread {
                        0 => work(&&pool.thread_handle(), block, middle, seed),
                        _ => work(&pool, block, middle, seed),
                    });
                }
            });
            assert_eq!(pool.live(), middle.lock().unwrap().len());
        }
        for filled in middle.into_inner().unwrap() {
            filled.check();
            // SAFETY: the block is out, came from this pool, and is not used any more.
            unsafe { (&pool).deallocate(filled.block.0, block) };
        }
        assert_eq!((pool.live(), pool.reserved_bytes()), (0, probe.bytes_out()));
        drop(pool);
        assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
    }
}
