//! The shared buffers as a library: what their methods promise.

use std::alloc::Layout;
use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::mpsc;
use std::thread;

use buffers::{Count, CountedBuffer, LocalBuffer, OutOfMemory, SharedBuffer, UniqueBuffer};
use bytes::{Buf, Bytes};
use strategy::contract::Probe;

/// Each of these is called with the type of a buffer in the memory of a probe.
macro_rules! for_both {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            fn of<C: Count>() {
                let probe = Probe::new();
                both::$name(|bytes| CountedBuffer::<C, Probe>::copied_in(bytes, probe.clone()), &probe);
                assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
            }
            of::<buffers::AtomicCount>();
            of::<buffers::LocalCount>();
        }
    )*};
}

for_both! {
    count_allocator_and_bytes_are_one_block
    a_clone_and_a_slice_are_the_same_bytes_and_no_allocation
    a_slice_keeps_the_whole_alive
    ranges_are_those_of_a_slice
    a_borrowed_part_becomes_an_owner
    only_the_only_owner_writes
    the_only_owner_becomes_unique_without_a_copy
    the_only_part_becomes_unique_at_the_begin
    a_leaked_clone_is_a_leak_and_no_more
    it_is_read_from_the_front
    it_compares_and_hashes_like_its_bytes
}

mod both {
    use super::*;

    type Make<'a, C> = &'a dyn Fn(&[u8]) -> CountedBuffer<C, Probe>;

    /// The guide's sketch has two blocks and two counts: an `Arc` of a struct with a count that
    /// owns bytes.
    pub fn count_allocator_and_bytes_are_one_block<C: Count>(
        make: impl Fn(&[u8]) -> CountedBuffer<C, Probe>,
        probe: &Probe,
    ) {
        let buffer = make(&[7; 100]);
        assert_eq!((probe.calls(), probe.blocks_out()), (1, 1));
        let (block, layout) = probe.largest_out().unwrap();
        // The count, the layout and the allocator, which is a pointer, are in front.
        assert_eq!(layout.size(), 4 * size_of::<usize>() + 100);
        assert_eq!(buffer.as_ptr().addr(), block + 4 * size_of::<usize>());
        drop(buffer);
        assert_eq!((probe.calls(), probe.blocks_out()), (1, 0));
    }

    pub fn a_clone_and_a_slice_are_the_same_bytes_and_no_allocation<C: Count>(
        make: impl Fn(&[u8]) -> CountedBuffer<C, Probe>,
        probe: &Probe,
    ) {
        let buffer = make(b"one two three");
        let clones: Vec<_> = (0..100).map(|_| buffer.clone()).collect();
        let word = buffer.slice(4..7);
        let letter = word.slice(1..=1);
        assert_eq!(probe.calls(), 1);
        assert!(clones.iter().all(|clone| clone.as_ptr() == buffer.as_ptr() && *clone == buffer));
        assert_eq!((word.as_ptr(), letter.as_ptr()), (buffer[4..].as_ptr(), buffer[5..].as_ptr()));
        assert_eq!((&word[..], &letter[..]), (&b"two"[..], &b"w"[..]));
    }

    pub fn a_slice_keeps_the_whole_alive<C: Count>(
        make: impl Fn(&[u8]) -> CountedBuffer<C, Probe>,
        probe: &Probe,
    ) {
        for range in [0..13, 4..7, 12..13, 5..5, 13..13] {
            let buffer = make(b"one two three");
            let part = buffer.slice(range.clone());
            drop(buffer);
            assert_eq!((&part[..], probe.blocks_out()), (&b"one two three"[range], 1));
            drop(part);
            assert_eq!(probe.blocks_out(), 0);
        }
    }

    pub fn ranges_are_those_of_a_slice<C: Count>(
        make: impl Fn(&[u8]) -> CountedBuffer<C, Probe>,
        _: &Probe,
    ) {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let buffer = make(b"one two three");
        let part = buffer.slice(2..9);
        let places = [0, 1, 6, 7, 8, 13, usize::MAX - 1, usize::MAX];
        let bounds: Vec<_> = places
            .iter()
            .flat_map(|&place| [Included(place), Excluded(place)])
            .chain([Unbounded])
            .collect();
        for range in bounds.iter().flat_map(|&start| bounds.iter().map(move |&end| (start, end))) {
            let expected = buffer[2..9].get(range);
            let sliced = part.try_slice(range);
            assert_eq!(sliced.as_deref(), expected, "{range:?}");
            assert_eq!(sliced.map(|it| it.as_ptr()), expected.map(<[u8]>::as_ptr), "{range:?}");
        }
        drop(part);
        assert!(buffer.is_unique(), "what is not there is not counted");
    }

    pub fn a_borrowed_part_becomes_an_owner<C: Count>(
        make: impl Fn(&[u8]) -> CountedBuffer<C, Probe>,
        _: &Probe,
    ) {
        let (buffer, other) = (make(b"one two three"), make(b"one two three"));
        let words: Vec<_> =
            buffer.split(|&byte| byte == b' ').map(|it| buffer.slice_of(it).unwrap()).collect();
        assert_eq!(words, [&b"one"[..], b"two", b"three"]);
        assert!(other.slice_of(&buffer).is_none() && buffer.slice_of(&other[1..]).is_none());
        let middle = buffer.slice(4..7);
        for outside in [&buffer[3..7], &buffer[4..8], &buffer[..], &buffer[..3], &buffer[8..]] {
            assert!(middle.slice_of(outside).is_none(), "{outside:?}");
        }
        assert_eq!(middle.slice_of(&buffer[4..4]).unwrap(), b"");
    }

    pub fn only_the_only_owner_writes<C: Count>(
        make: impl Fn(&[u8]) -> CountedBuffer<C, Probe>,
        _: &Probe,
    ) {
        let mut buffer = make(b"bytes");
        buffer.get_mut().unwrap()[0] = b'B';
        let mut part = buffer.slice(1..3);
        assert!(buffer.get_mut().is_none() && part.get_mut().is_none());
        assert!(!buffer.is_unique() && !part.is_unique());
        assert_eq!(buffer, b"Bytes");
        drop(buffer);
        part.get_mut().unwrap()[0] = b'Y';
        assert_eq!(part, b"Yt");
    }

    pub fn the_only_owner_becomes_unique_without_a_copy<C: Count>(
        make: impl Fn(&[u8]) -> CountedBuffer<C, Probe>,
        probe: &Probe,
    ) {
        let buffer = make(b"bytes");
        let (place, clone) = (buffer.as_ptr(), buffer.clone());
        let buffer = buffer.try_into_unique().unwrap_err();
        assert_eq!((buffer.as_ptr(), &buffer[..]), (place, &b"bytes"[..]));
        drop(clone);
        let mut unique = buffer.try_into_unique().unwrap();
        assert_eq!((unique.as_ptr(), unique.capacity(), probe.calls()), (place, 5, 1));
        unique[0] = b'B';
        let local = unique.freeze_local();
        assert_eq!((local.as_ptr(), &local[..]), (place, &b"Bytes"[..]));
        let shared = local.try_into_unique().unwrap().freeze();
        assert_eq!((shared.as_ptr(), probe.calls()), (place, 1));
    }

    pub fn the_only_part_becomes_unique_at_the_begin<C: Count>(
        make: impl Fn(&[u8]) -> CountedBuffer<C, Probe>,
        probe: &Probe,
    ) {
        for range in [0..13, 0..5, 1..13, 4..7, 6..12, 13..13] {
            let buffer = make(b"one two three");
            let (place, part) = (buffer.as_ptr(), buffer.slice(range.clone()));
            drop(buffer);
            let mut unique = part.try_into_unique().unwrap();
            assert_eq!((unique.as_ptr(), unique.capacity()), (place, 13));
            assert_eq!(unique, b"one two three"[range.clone()]);
            unique.extend_from_slice(&b"one two three"[range.end..]);
            assert_eq!(unique, b"one two three"[range.start..]);
        }
        assert_eq!(probe.calls(), 6);
    }

    pub fn a_leaked_clone_is_a_leak_and_no_more<C: Count>(
        make: impl Fn(&[u8]) -> CountedBuffer<C, Probe>,
        probe: &Probe,
    ) {
        let buffer = make(b"bytes");
        let leaked = mem::ManuallyDrop::new(buffer.clone());
        drop(buffer);
        assert_eq!((probe.blocks_out(), &leaked[..]), (1, &b"bytes"[..]));
        drop(mem::ManuallyDrop::into_inner(leaked));
    }

    pub fn it_is_read_from_the_front<C: Count>(
        make: impl Fn(&[u8]) -> CountedBuffer<C, Probe>,
        _: &Probe,
    ) {
        let buffer = make(&[1, 0, 2, 3, 4]);
        let mut reader = buffer.clone();
        assert_eq!((reader.get_u8(), reader.get_u16(), reader.remaining()), (1, 2, 2));
        assert_eq!((reader.chunk(), &buffer[..]), (&[3, 4][..], &[1, 0, 2, 3, 4][..]));
        assert_eq!(reader.copy_to_bytes(1), [3][..]);
        drop(buffer);
        assert_eq!(reader.try_into_unique().unwrap(), [4]);
    }

    pub fn it_compares_and_hashes_like_its_bytes<C: Count>(
        make: impl Fn(&[u8]) -> CountedBuffer<C, Probe>,
        _: &Probe,
    ) {
        let make: Make<'_, C> = &make;
        let [one, two] = [b"one", b"two"].map(|bytes| make(bytes));
        assert!(one < two && one != two && one == one.clone() && one == "one");
        let unique = UniqueBuffer::from(b"one");
        assert!(one == make(b"drone").slice(2..) && one == unique);
        let sorted = BTreeSet::from([two.clone(), make(b"six"), one.clone()]);
        assert!(sorted.iter().eq(&[&b"one"[..], b"six", b"two"]));
        let numbers = HashMap::from([(one, 1), (two, 2)]);
        assert_eq!((numbers.get(&b"two"[..]), numbers.get(&b"six"[..])), (Some(&2), None));
    }
}

#[test]
fn an_owner_is_three_words_and_an_option_of_one_too() {
    let words = |bytes: usize| bytes / size_of::<usize>();
    assert_eq!(words(size_of::<SharedBuffer>()), 3);
    assert_eq!(words(size_of::<Option<SharedBuffer<Probe>>>()), 3);
    assert_eq!(words(size_of::<LocalBuffer>()), 3);
    assert_eq!(words(size_of::<UniqueBuffer>()), 4);
}

#[test]
fn what_is_empty_or_static_is_not_allocated() {
    static TEXT: [u8; 5] = *b"bytes";
    const CONSTANT: SharedBuffer = SharedBuffer::from_static(&TEXT);
    let mut buffer = CONSTANT;
    let part = buffer.slice(1..3);
    assert_eq!((buffer.as_ptr(), part.as_ptr()), (TEXT.as_ptr(), TEXT[1..].as_ptr()));
    assert!(buffer.get_mut().is_none() && !part.is_unique());
    assert_eq!(part.try_into_unique().unwrap_err(), b"yt");
    assert_eq!(LocalBuffer::from_static(&TEXT).clone(), b"bytes");

    let probe = Probe::new();
    probe.fail_from(1);
    let empty = UniqueBuffer::new_in(probe.clone());
    assert_eq!(empty.freeze(), b"");
    assert_eq!(UniqueBuffer::zeroed_in(Layout::new::<[u64; 0]>(), probe.clone()).freeze(), b"");
    assert_eq!(SharedBuffer::copied_in(b"", probe.clone()), SharedBuffer::new());
    assert_eq!(SharedBuffer::<Probe>::default(), LocalBuffer::<Probe>::default());
    assert_eq!((probe.calls(), probe.blocks_out()), (0, 0));
}

#[test]
fn bytes_are_copied_in_from_everywhere_and_collected() {
    let bytes = b"bytes";
    assert_eq!(SharedBuffer::from(&bytes[..]), bytes);
    assert_eq!(SharedBuffer::from(bytes.to_vec()), bytes);
    assert_eq!(LocalBuffer::from(Box::<[u8]>::from(&bytes[..])), bytes);
    assert_eq!(LocalBuffer::from(Bytes::from_static(bytes)), bytes);
    assert_eq!(SharedBuffer::from(UniqueBuffer::from(bytes)), bytes);
    assert_eq!(bytes.iter().copied().collect::<LocalBuffer>(), bytes);
    let large: SharedBuffer = (0..100_000_u32).map(|number| number as u8).collect();
    assert!(large.iter().zip(0_u32..).all(|(&byte, number)| byte == number as u8));
}

#[test]
fn it_becomes_bytes_without_a_copy_and_lives_as_long_as_they_do() {
    let probe = Probe::new();
    let buffer = SharedBuffer::copied_in(b"one two three", probe.clone());
    let word = Bytes::from(buffer.slice(4..7));
    assert_eq!((word.as_ptr(), probe.calls()), (buffer[4..].as_ptr(), 1));
    let clones = [word.clone(), word.slice(1..)];
    assert!(!buffer.is_unique());
    drop((buffer, word));
    assert_eq!((&clones[0][..], &clones[1][..], probe.blocks_out()), (&b"two"[..], &b"wo"[..], 1));
    drop(clones);
    assert_eq!((probe.blocks_out(), probe.fault()), (0, None));
}

#[test]
fn a_refusal_says_what_was_asked_for() {
    let probe = Probe::new();
    probe.fail_from(1);
    let refused = OutOfMemory { bytes: 5, align: 1 };
    assert_eq!(SharedBuffer::try_copied_in(b"bytes", probe.clone()).unwrap_err(), refused);
    assert_eq!(LocalBuffer::try_copied_in(b"bytes", probe.clone()).unwrap_err(), refused);
    assert_eq!(refused.to_string(), "no memory for 5 bytes aligned to 1");
}

#[test]
#[should_panic = "(Included(2), Excluded(6)) is no range of a buffer of 5 bytes"]
fn a_slice_beyond_the_end_is_a_panic() {
    drop(SharedBuffer::from(b"bytes").slice(2..6));
}

#[test]
#[should_panic = "(Included(6), Unbounded) is no range of a buffer of 5 bytes"]
fn more_than_there_is_cannot_be_read() {
    SharedBuffer::from(b"bytes").advance(6);
}

#[test]
fn a_panic_leaves_all_as_it_was() {
    let buffer = SharedBuffer::from(b"bytes");
    let mut reader = buffer.clone();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        drop(buffer.slice(3..9));
    }));
    assert!(caught.is_err());
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reader.advance(9)));
    assert!(caught.is_err());
    assert_eq!(reader, b"bytes");
    drop(reader);
    assert!(buffer.is_unique());
}

#[test]
fn its_contents_are_nobody_s_business() {
    assert_eq!(format!("{:?}", SharedBuffer::from(b"secret")), "SharedBuffer { len: 6, .. }");
    assert_eq!(format!("{:?}", LocalBuffer::from(b"secret")), "LocalBuffer { len: 6, .. }");
    assert_eq!(
        format!("{:?}", UniqueBuffer::from(b"secret")),
        "UniqueBuffer { len: 6, capacity: 6, align: 8, .. }"
    );
}

/// Many threads make owners of the same bytes, read them and hand them on; whoever is last frees.
#[test]
fn threads_share_it_and_the_last_one_gives_it_back() {
    const THREADS: usize = 8;
    let probe = Probe::new();
    for _ in 0..20 {
        let buffer = SharedBuffer::copied_in(&[7; 1000], probe.clone());
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| mpsc::channel()).unzip();
        let threads: Vec<_> = receivers
            .into_iter()
            .enumerate()
            .map(|(number, receiver)| {
                let (own, next) = (buffer.clone(), senders[(number + 1) % THREADS].clone());
                thread::spawn(move || {
                    for start in 0..100 {
                        // The neighbour may have ended, and then it is dropped here.
                        drop(next.send(own.slice(start..start + 900)));
                        let clone = own.clone();
                        assert!(clone.iter().all(|&byte| byte == 7));
                    }
                    drop((own, next));
                    for part in receiver.try_iter() {
                        assert_eq!(part, [7; 900]);
                    }
                })
            })
            .collect();
        drop((buffer, senders));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!((probe.blocks_out(), probe.fault()), (0, None));
    }
}

#[test]
fn it_is_frozen_on_one_thread_and_thawed_on_another() {
    let probe = Probe::new();
    let mut buffer = UniqueBuffer::copied_in(&[0; 64], probe.clone());
    for round in 1..=100_u8 {
        buffer = thread::spawn(move || {
            buffer.iter_mut().for_each(|byte| *byte += 1);
            let frozen = buffer.freeze();
            let reader = frozen.clone();
            let seen = thread::spawn(move || reader[0]).join().unwrap();
            assert_eq!(seen, round);
            frozen.try_into_unique().unwrap()
        })
        .join()
        .unwrap();
    }
    assert_eq!(buffer, [100; 64]);
    assert_eq!(probe.calls(), 1);
}
