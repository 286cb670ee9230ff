//! Random operations on buffers, against vectors of bytes and a count by hand.
//!
//! Each operation may find the backing allocator failing. After each, every buffer has the bytes
//! that its vector has, is unique exactly if no other buffer is of its block, and the allocator has
//! given out what the blocks need and not a byte more.

use std::alloc::Layout;

use buffers::{AtomicCount, Count, CountedBuffer, LocalCount, UniqueBuffer};
use bytes::{Buf, BufMut};
use proptest::prelude::*;
use proptest::sample::Index;
use strategy::contract::Probe;

/// An operation. A number says which of the buffers or which byte, and means one that is there.
#[derive(Clone, Debug)]
enum Operation {
    Make { bytes: usize, align: u32, zeroed: bool },
    Copy { bytes: Vec<u8> },
    Write { bytes: Vec<u8> },
    Put { bytes: usize, byte: u8 },
    Resize { len: usize, byte: u8 },
    Reserve { bytes: usize },
    Truncate { len: usize },
    Shrink,
    Poke { at: Index, byte: u8 },
    DropUnique,
    Freeze,
    Clone,
    Slice { from: Index, to: Index },
    SliceOf { from: Index, to: Index },
    Advance { bytes: Index },
    PokeShared { at: Index, byte: u8 },
    Thaw,
    Drop,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let len = || prop_oneof![3 => 0..20_usize, 1 => 0..300_usize];
    let some_bytes = || proptest::collection::vec(any::<u8>(), 0..100);
    let place = any::<Index>;
    prop_oneof![
        1 => (len(), 0..9_u32, any::<bool>())
            .prop_map(|(bytes, align, zeroed)| Make { bytes, align, zeroed }),
        1 => some_bytes().prop_map(|bytes| Copy { bytes }),
        1 => some_bytes().prop_map(|bytes| Write { bytes }),
        1 => (len(), any::<u8>()).prop_map(|(bytes, byte)| Put { bytes, byte }),
        1 => (len(), any::<u8>()).prop_map(|(len, byte)| Resize { len, byte }),
        1 => len().prop_map(|bytes| Reserve { bytes }),
        1 => len().prop_map(|len| Truncate { len }),
        1 => Just(Shrink),
        1 => (place(), any::<u8>()).prop_map(|(at, byte)| Poke { at, byte }),
        1 => Just(DropUnique),
        2 => Just(Freeze),
        3 => Just(Clone),
        3 => (place(), place()).prop_map(|(from, to)| Slice { from, to }),
        1 => (place(), place()).prop_map(|(from, to)| SliceOf { from, to }),
        1 => place().prop_map(|bytes| Advance { bytes }),
        1 => (place(), any::<u8>()).prop_map(|(at, byte)| PokeShared { at, byte }),
        2 => Just(Thaw),
        4 => Just(Drop),
    ]
}

/// A buffer beside the bytes that it should have.
struct Unique {
    buffer: UniqueBuffer<Probe>,
    bytes: Vec<u8>,
}

/// A buffer beside the bytes that it should have and its block, if it has one.
struct Owner<C: Count> {
    buffer: CountedBuffer<C, Probe>,
    bytes: Vec<u8>,
    block: Option<Block>,
}

/// A frozen block.
#[derive(Clone, Copy)]
struct Block {
    number: usize,
    capacity: usize,
    align: usize,
}

struct Scene<C: Count> {
    probe: Probe,
    uniques: Vec<Unique>,
    owners: Vec<Owner<C>>,
    blocks: usize,
}

impl<C: Count> Scene<C> {
    fn new() -> Self {
        Self { probe: Probe::new(), uniques: Vec::new(), owners: Vec::new(), blocks: 0 }
    }

    /// Does `operation` to the buffers that `which` picks.
    fn apply(&mut self, operation: Operation, which: Index) {
        let any_unique = (!self.uniques.is_empty()).then(|| which.index(self.uniques.len()));
        let any_owner = (!self.owners.is_empty()).then(|| which.index(self.owners.len()));
        match operation {
            Operation::Make { bytes, align, zeroed } => {
                let layout = Layout::from_size_align(bytes, 1 << align).unwrap();
                let made = if zeroed {
                    UniqueBuffer::try_zeroed_in(layout, self.probe.clone())
                } else {
                    UniqueBuffer::try_with_layout_in(layout, self.probe.clone())
                };
                if let Ok(buffer) = made {
                    assert!(buffer.align() >= 1 << align && buffer.capacity() == bytes);
                    let bytes = if zeroed { vec![0; bytes] } else { Vec::new() };
                    self.uniques.push(Unique { buffer, bytes });
                }
            }
            Operation::Copy { bytes } => {
                if let Ok(buffer) = UniqueBuffer::try_copied_in(&bytes, self.probe.clone()) {
                    assert_eq!(buffer.capacity(), bytes.len());
                    self.uniques.push(Unique { buffer, bytes });
                }
            }
            Operation::DropUnique => drop(any_unique.map(|it| self.uniques.swap_remove(it))),
            Operation::Freeze => {
                if let Some(Unique { buffer, bytes }) =
                    any_unique.map(|it| self.uniques.swap_remove(it))
                {
                    let (capacity, align) = (buffer.capacity(), buffer.align());
                    self.blocks += 1;
                    let block =
                        (capacity > 0).then_some(Block { number: self.blocks, capacity, align });
                    let place = buffer.as_ptr();
                    let buffer = CountedBuffer::from(buffer);
                    assert!(block.is_none() || buffer.as_ptr() == place);
                    self.owners.push(Owner { buffer, bytes, block });
                }
            }
            Operation::Thaw => {
                if let Some(owner) = any_owner.map(|it| self.owners.swap_remove(it)) {
                    self.thaw(owner);
                }
            }
            Operation::Drop => drop(any_owner.map(|it| self.owners.swap_remove(it))),
            Operation::Clone
            | Operation::Slice { .. }
            | Operation::SliceOf { .. }
            | Operation::Advance { .. }
            | Operation::PokeShared { .. } => {
                if let Some(owner) = any_owner {
                    self.share(owner, operation);
                }
            }
            _ => {
                if let Some(it) = any_unique {
                    write(&mut self.uniques[it], operation);
                }
            }
        }
    }

    fn thaw(&mut self, owner: Owner<C>) {
        let only = owner.block.is_some_and(|block| self.owners_of(block) == 0);
        let Owner { buffer, bytes, block } = owner;
        match buffer.try_into_unique() {
            Ok(buffer) => {
                assert!(only && block.is_some_and(|block| block.capacity == buffer.capacity()));
                self.uniques.push(Unique { buffer, bytes });
            }
            Err(buffer) => {
                assert!(!only);
                self.owners.push(Owner { buffer, bytes, block });
            }
        }
    }

    /// Does what is done to an owner.
    fn share(&mut self, at: usize, operation: Operation) {
        let only = self.owners[at].block.is_some_and(|block| self.owners_of(block) == 1);
        let Owner { buffer, bytes, block } = &mut self.owners[at];
        let (block, len) = (*block, bytes.len());
        let range = |from: Index, to: Index| {
            let [from, to] = [from, to].map(|it| it.index(len + 1));
            from.min(to)..from.max(to)
        };
        let (buffer, bytes) = match operation {
            Operation::Clone => (buffer.clone(), bytes.clone()),
            Operation::Slice { from, to } => {
                let range = range(from, to);
                assert!(buffer.try_slice(range.start..len + 1).is_none());
                (buffer.slice(range.clone()), bytes[range].to_vec())
            }
            Operation::SliceOf { from, to } => {
                let range = range(from, to);
                let part = buffer.slice_of(&buffer[range.clone()]).unwrap();
                (part, bytes[range].to_vec())
            }
            Operation::Advance { bytes: by } => {
                let by = by.index(len + 1);
                buffer.advance(by);
                bytes.drain(..by);
                return;
            }
            Operation::PokeShared { at, byte } => {
                let writable = buffer.get_mut();
                assert_eq!(writable.is_some(), only);
                if let Some(writable) = writable.filter(|it| !it.is_empty()) {
                    let at = at.index(len);
                    (writable[at], bytes[at]) = (byte, byte);
                }
                return;
            }
            other => unreachable!("{other:?} is for a unique buffer"),
        };
        self.owners.push(Owner { buffer, bytes, block });
    }

    fn owners_of(&self, block: Block) -> usize {
        self.owners.iter().filter_map(|it| it.block).filter(|it| it.number == block.number).count()
    }

    fn check(&self) {
        let mut blocks: Vec<_> =
            self.uniques.iter().map(|it| (it.buffer.capacity(), it.buffer.align())).collect();
        blocks.retain(|&(capacity, _)| capacity > 0);
        for Unique { buffer, bytes } in &self.uniques {
            assert_eq!((&buffer[..], buffer.len()), (&bytes[..], bytes.len()));
            assert!(buffer.as_ptr().addr().is_multiple_of(buffer.align()));
        }
        let mut seen = Vec::new();
        for Owner { buffer, bytes, block } in &self.owners {
            assert_eq!((&buffer[..], buffer.len()), (&bytes[..], bytes.len()));
            let only = block.is_some_and(|block| self.owners_of(block) == 1);
            assert_eq!(buffer.is_unique(), only);
            if let Some(Block { number, capacity, align }) = *block
                && !seen.contains(&number)
            {
                seen.push(number);
                blocks.push((capacity, align));
            }
        }
        assert_eq!(self.probe.blocks_out(), blocks.len());
        // In front of the contents lie a count, a layout and the probe, which is a pointer.
        let header = 4 * size_of::<usize>();
        let needed = |(capacity, align): (usize, usize)| header.next_multiple_of(align) + capacity;
        assert_eq!(self.probe.bytes_out(), blocks.into_iter().map(needed).sum::<usize>());
        assert_eq!(self.probe.fault(), None);
    }
}

/// Does what is done to a unique buffer. What fails leaves it as it was.
fn write(Unique { buffer, bytes }: &mut Unique, operation: Operation) {
    match operation {
        Operation::Write { bytes: more } => {
            if buffer.try_extend_from_slice(&more).is_ok() {
                bytes.extend(more);
            }
        }
        Operation::Put { bytes: count, byte } => {
            if buffer.try_reserve(count).is_ok() {
                buffer.put_bytes(byte, count);
                bytes.resize(bytes.len() + count, byte);
            }
        }
        Operation::Resize { len, byte } => {
            if buffer.try_resize(len, byte).is_ok() {
                bytes.resize(len, byte);
            }
        }
        Operation::Reserve { bytes: count } => {
            if buffer.try_reserve(count).is_ok() {
                assert!(buffer.capacity() - buffer.len() >= count);
                assert_eq!(buffer.spare_capacity_mut().len(), buffer.capacity() - buffer.len());
            }
        }
        Operation::Truncate { len } => {
            buffer.truncate(len);
            bytes.truncate(len);
        }
        Operation::Shrink => {
            if buffer.try_shrink_to_fit().is_ok() {
                assert_eq!(buffer.capacity(), bytes.len());
            }
        }
        Operation::Poke { at, byte } => {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                (buffer[at], bytes[at]) = (byte, byte);
            }
        }
        other => unreachable!("{other:?} is not for a unique buffer"),
    }
}

/// Each operation with the buffers that it is done to, and whether the allocator fails meanwhile.
type Steps = Vec<(Operation, Index, bool)>;

fn steps() -> impl Strategy<Value = Steps> {
    let fails = prop_oneof![3 => Just(false), 1 => Just(true)];
    proptest::collection::vec((operation(), any::<Index>(), fails), 1..60)
}

fn agree<C: Count>(steps: Steps) {
    let mut scene = Scene::<C>::new();
    for (operation, which, fails) in steps {
        if fails {
            scene.probe.fail_from(1);
        }
        scene.apply(operation, which);
        scene.probe.heal();
        scene.check();
    }
    let probe = scene.probe.clone();
    drop(scene);
    assert_eq!((probe.bytes_out(), probe.blocks_out(), probe.fault()), (0, 0, None));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn shared_buffers_agree_with_the_model_whichever_call_fails(steps in steps()) {
        agree::<AtomicCount>(steps);
    }

    #[test]
    fn local_buffers_agree_with_the_model_whichever_call_fails(steps in steps()) {
        agree::<LocalCount>(steps);
    }
}
