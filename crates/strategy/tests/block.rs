//! Blocks: the stamps at every size and stride, and what dropping and forgetting does.

use core::cell::{Cell, UnsafeCell};
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};
use strategy::contract::Probe;
use strategy::{
    Block, BlockError, BuildError, Fixed, Misserved, Plan, Profile, Shape, Strategy, Table, Zeroed,
};

/// The probe as a strategy.
struct Probed(Probe);

impl Strategy for Probed {
    const NAME: &'static str = "probed";
    const ABOUT: &'static str = "the probe, for tests";
    const PROFILE: Profile = Profile::GENERAL;
    type Handle<'a> = &'a Probe;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        Ok(Self(Probe::new()))
    }

    fn handle(&self) -> &Probe {
        &self.0
    }
}

fn probed() -> Probed {
    Probed::new(&Plan::default()).unwrap()
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

const STAMP: u64 = 0x8877_6655_4433_2211;

#[test]
fn a_stamp_is_cut_to_the_size_of_its_block() {
    let strategy = probed();
    for (size, stamp) in [
        (0, 0),
        (1, 0x11),
        (2, 0x2211),
        (7, 0x77_6655_4433_2211),
        (8, STAMP),
        (9, STAMP),
        (4096, STAMP),
    ] {
        let block = Block::<_>::new(&strategy, layout(size), STAMP).unwrap();
        assert_eq!(block.stamp(), stamp, "{size} bytes");
    }
    assert_eq!((strategy.0.bytes_out(), strategy.0.fault()), (0, None));
}

#[test]
fn a_stride_stamps_where_eight_bytes_fit() {
    let strategy = probed();
    // The size and the number of stamps at 0, 16, 32, …
    for (size, stamps) in [(0, 0), (8, 1), (16, 1), (23, 1), (24, 2), (39, 2), (40, 3), (64, 4)] {
        let block = Block::<_, Layout, 16>::stamped(&strategy, layout(size), 3).unwrap();
        assert_eq!(block.stamp(), 3 * stamps, "{size} bytes");
    }
    // A block of less than a stamp has a part of one.
    let block = Block::<_, Layout, 16>::stamped(&strategy, layout(1), 3).unwrap();
    assert_eq!(block.stamp(), 3);
}

#[test]
fn stamps_are_summed_without_overflow() {
    let strategy = probed();
    let block = Block::<_, _, 8>::stamped(&strategy, Fixed::<32, 8>, u64::MAX).unwrap();
    assert_eq!(block.stamp(), u64::MAX.wrapping_mul(4));
}

#[test]
fn a_page_stride_touches_every_page() {
    let strategy = probed();
    let block = Block::<_, _, 4096>::stamped(&strategy, Fixed::<20_000, 64>, 1).unwrap();
    assert_eq!(block.stamp(), 5);
}

#[test]
fn a_block_gives_itself_back_and_a_forgotten_one_does_not() {
    let strategy = probed();
    let block = Block::new(&strategy, Fixed::<64, 8>, 7).unwrap();
    assert_eq!(strategy.0.bytes_out(), 64);
    assert!(format!("{block:?}").starts_with("Block { pointer: 0x"), "{block:?}");
    drop(block);
    assert_eq!(strategy.0.bytes_out(), 0);

    let block = Block::new(&strategy, Fixed::<64, 8>, 7).unwrap();
    let (at, layout) = strategy.0.largest_out().unwrap();
    core::mem::forget(block);
    assert_eq!((strategy.0.bytes_out(), layout), (64, Fixed::<64, 8>.layout()));
    assert!(at.is_multiple_of(8));
}

#[test]
fn a_refused_block_says_what_was_asked_for() {
    let strategy = probed();
    strategy.0.fail_from(1);
    let refused = Block::new(&strategy, Fixed::<64, 8>, 7).unwrap_err();
    assert_eq!(refused.to_string(), "refused a block of 64 bytes aligned to 8");
    assert!(Zeroed::new(&strategy, Fixed::<64, 8>).is_err());
    assert_eq!(strategy.0.failed(), 2);
}

#[test]
fn a_zeroed_block_is_bytes() {
    let strategy = probed();
    for size in [0, 1, 9, 5000] {
        let mut block = Zeroed::new(&strategy, layout(size)).unwrap();
        assert_eq!(*block, *vec![0; size]);
        block.fill(1);
        assert_eq!(block.iter().map(|&byte| usize::from(byte)).sum::<usize>(), size);
    }
    assert_eq!((strategy.0.bytes_out(), strategy.0.fault()), (0, None));
}

#[test]
fn a_panic_drops_each_block_once() {
    let strategy = probed();
    let result = std::panic::catch_unwind(|| {
        let _blocks: Vec<_> =
            (0..10).map(|number| Block::new(&strategy, Fixed::<8, 8>, number).unwrap()).collect();
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(result.is_err());
    assert_eq!((strategy.0.bytes_out(), strategy.0.fault()), (0, None));
    assert!(strategy.handle().allocate(layout(1)).is_ok());
}

#[test]
fn a_table_frees_what_is_replaced_taken_and_left() {
    let strategy = probed();
    let mut table = Table::new(&strategy, 3);
    table.allocate(0, layout(10), 1).unwrap();
    table.allocate(1, layout(20), 2).unwrap();
    assert_eq!((strategy.0.blocks_out(), strategy.0.bytes_out()), (2, 30));

    table.allocate(1, layout(25), 3).unwrap();
    assert_eq!((strategy.0.blocks_out(), strategy.0.bytes_out()), (2, 35));

    let taken = table.take(1).unwrap();
    assert_eq!(taken.stamp(), 3);
    assert!(table.take(1).is_none() && table.take(2).is_none());
    drop(taken);
    assert_eq!(strategy.0.bytes_out(), 10);

    drop(table);
    assert_eq!(strategy.0.blocks_out(), 0);
}

#[test]
fn a_slot_keeps_its_block_when_another_is_refused() {
    let strategy = probed();
    let mut table = Table::new(&strategy, 1);
    table.allocate(0, Fixed::<64, 8>, 5).unwrap();
    strategy.0.fail_from(1);
    assert!(table.allocate(0, Fixed::<64, 8>, 6).is_err());
    assert_eq!(table.take(0).unwrap().stamp(), 5);
}

#[test]
fn a_slot_that_is_not_there_leaks_nothing() {
    let strategy = probed();
    let mut table = Table::new(&strategy, 1);
    let outside = std::panic::AssertUnwindSafe(|| table.allocate(1, Fixed::<64, 8>, 5));
    assert!(std::panic::catch_unwind(outside).is_err());
    assert_eq!(strategy.0.blocks_out(), 0);
}

/// A page of zeros, of which every block is a part.
#[repr(align(4096))]
struct Page(UnsafeCell<[u8; 4096]>);

/// Serves blocks that begin so many bytes into a page and are so many bytes longer than they were asked
/// for, or shorter; one at a time.
struct Wrong {
    page: Page,
    offset: Cell<usize>,
    longer: Cell<isize>,
    freed: Cell<usize>,
}

impl Strategy for Wrong {
    const NAME: &'static str = "wrong";
    const ABOUT: &'static str = "serves what it is told to, for tests";
    const PROFILE: Profile = Profile::GENERAL;
    type Handle<'a> = &'a Self;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        let page = Page(UnsafeCell::new([0; 4096]));
        Ok(Self { page, offset: Cell::new(0), longer: Cell::new(0), freed: Cell::new(0) })
    }

    fn handle(&self) -> &Self {
        self
    }
}

// SAFETY: it breaks the contract, which is its purpose. The tests use it for one block at a time, of bytes
// that lie inside the page and are initialized, and do not move it meanwhile.
unsafe impl Allocator for &Wrong {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let bytes = layout.size().checked_add_signed(self.longer.get()).unwrap();
        assert!(self.offset.get() + bytes.max(layout.size()) <= 4096);
        let page = NonNull::new(self.page.0.get()).unwrap().cast::<u8>();
        // SAFETY: the offset is inside the page (tested above).
        let start = unsafe { page.add(self.offset.get()) };
        Ok(NonNull::slice_from_raw_parts(start, bytes))
    }

    unsafe fn deallocate(&self, _pointer: NonNull<u8>, _layout: Layout) {
        self.freed.set(self.freed.get() + 1);
    }
}

/// What each way to get a block says, with a shape for the compiler and with one for run time.
fn served(wrong: &Wrong) -> [Result<(), BlockError>; 6] {
    const SHAPE: Fixed<64, 16> = Fixed;
    let layout = SHAPE.layout();
    let mut table = Table::new(wrong, 1);
    [
        Block::new(wrong, SHAPE, 1).map(drop),
        Block::<_, _>::new(wrong, layout, 1).map(drop),
        Block::<_, _, 16>::stamped(wrong, layout, 1).map(drop),
        Zeroed::new(wrong, SHAPE).map(drop),
        Zeroed::new(wrong, layout).map(drop),
        table.allocate(0, layout, 1),
    ]
}

#[test]
fn a_block_that_is_misaligned_or_short_is_none() {
    let wrong = Wrong::new(&Plan::default()).unwrap();
    // Where a block is, by how much it is longer, and what is wrong with it.
    for (offset, longer, fault) in [
        (1, 0, "misaligned"),
        (2, 0, "misaligned"),
        (4, 0, "misaligned"),
        (8, 0, "misaligned"),
        (24, 100, "misaligned"),
        (0, -1, "too short"),
        (16, -63, "too short"),
        (0, -64, "too short"),
    ] {
        wrong.offset.set(offset);
        wrong.longer.set(longer);
        for result in served(&wrong) {
            let Err(error @ BlockError::Misserved(Misserved { layout, address, bytes })) = result
            else {
                panic!("{offset}, {longer}: {result:?}")
            };
            assert_eq!(layout, Fixed::<64, 16>.layout());
            assert_eq!((address % 4096, bytes as isize), (offset, 64 + longer));
            let said = format!(
                "served {bytes} bytes at {address:#x} when asked for 64 bytes aligned to 16: {fault}"
            );
            assert_eq!(error.to_string(), said);
        }
    }
    assert_eq!(wrong.freed.get(), 0, "what is no block is left alone");
    for (offset, longer) in [(0, 0), (16, 0), (32, 1), (4096 - 64, 0), (0, 4096 - 64)] {
        wrong.offset.set(offset);
        wrong.longer.set(longer);
        assert_eq!(served(&wrong), [Ok(()); 6], "{offset}, {longer}");
    }
}

#[test]
fn a_slot_keeps_its_block_when_another_is_misserved() {
    let wrong = Wrong::new(&Plan::default()).unwrap();
    let mut table = Table::new(&wrong, 1);
    table.allocate(0, Fixed::<64, 16>, 5).unwrap();
    wrong.offset.set(8);
    assert!(table.allocate(0, Fixed::<64, 16>, 6).is_err());
    assert_eq!((table.take(0).unwrap().stamp(), wrong.freed.get()), (5, 0));
}
