//! What is asked of the global allocator on one thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

/// What was asked of the global allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Blocks that were asked for, zeroed ones and those that a `realloc` moved aside.
    pub allocs: u32,
    /// Blocks that were asked for zeroed.
    pub zeroed: u32,
    /// Blocks that were resized by the allocator itself.
    pub reallocs: u32,
    /// Blocks that were asked for with a size of 0, which is undefined behaviour.
    pub size_0: u32,
    /// Blocks that were got and not freed.
    pub blocks_out: i32,
    /// Blocks that were freed with another size than the last one was asked for with.
    pub other_size: u32,
    /// Bytes of the last block that was asked for.
    pub size: usize,
    /// Its alignment.
    pub align: usize,
}

thread_local! {
    static RECORD: Cell<Record> = const {
        Cell::new(Record { allocs: 0, zeroed: 0, reallocs: 0, size_0: 0, blocks_out: 0, other_size: 0, size: 0, align: 0 })
    };
}

/// What new memory is filled with: nobody who was asked for it has written that.
pub const UNWRITTEN: u8 = 0xCD;

/// The system's allocator, with a record for each thread.
pub struct Recorder;

/// Runs `work`: what it returns, and what was asked of the [`Recorder`] meanwhile on this thread.
pub fn record<R>(work: impl FnOnce() -> R) -> (R, Record) {
    RECORD.set(Record::default());
    let result = work();
    (result, RECORD.get())
}

fn note(change: impl FnOnce(&mut Record)) {
    let mut record = RECORD.get();
    change(&mut record);
    RECORD.set(record);
}

fn asked(layout: Layout) {
    note(|record| {
        record.allocs += 1;
        record.blocks_out += 1;
        record.size_0 += u32::from(layout.size() == 0);
        record.size = layout.size();
        record.align = layout.align();
    });
}

unsafe impl GlobalAlloc for Recorder {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        asked(layout);
        if layout.size() == 0 {
            return ptr::without_provenance_mut(layout.align());
        }
        let block = unsafe { System.alloc(layout) };
        if !block.is_null() {
            unsafe { block.write_bytes(UNWRITTEN, layout.size()) };
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        asked(layout);
        note(|record| record.zeroed += 1);
        if layout.size() == 0 {
            return ptr::without_provenance_mut(layout.align());
        }
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(|record| record.reallocs += 1);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(|record| {
            record.blocks_out -= 1;
            record.other_size += u32::from(layout.size() != record.size);
        });
        if layout.size() > 0 {
            unsafe { System.dealloc(pointer, layout) };
        }
    }
}
