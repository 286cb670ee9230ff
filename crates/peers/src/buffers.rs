//! One buffer at a time: got, written, dropped.

use std::alloc::Layout;
use std::mem::MaybeUninit;

use strategy::{Allocator, Plan, Refused, Role, escape, kept_apart};
use strategy_limit::with_buffer;
use strategy_raii::{BufferPool, ManagedBuffer, OutOfMemory, Raii, SharedBufferPool};
use workloads::{Case, Contender, Description, Failure, Measure, Stream, Tally, stamp};

use crate::Visitor;
use crate::list::{LIMIT, SYSTEM, SYSTEM_AGAIN, layout};

const FAMILY: &str = "Peers: buffers";

/// The bytes of a buffer.
pub(crate) const BYTES: usize = 4096;

/// Buffers of a pass.
const BUFFERS: u64 = 100;

/// The index of a message that is compared as a whole. It comes before the clock starts.
const WHOLE: u64 = u64::MAX;

/// The bytes of a stamp.
const STAMP: usize = size_of::<u64>();

const DESCRIPTION: Description = Description {
    name: "peers-buffer",
    about: "Gets a buffer of 4 KiB, copies a message into it, reads both ends of the message and drops the \
            buffer. The message is as long as the buffer, or of 8 bytes.",
    stands_for: "Reading and writing through a buffer: files, sockets, encoders.",
    operation: "one buffer got, written, read and dropped",
};

/// Bytes that can be written.
pub(crate) trait Bytes {
    /// Copies `message` to the front, and returns it there.
    fn written(&mut self, message: &[u8]) -> &mut [u8];
}

impl Bytes for [u8] {
    #[inline]
    fn written(&mut self, message: &[u8]) -> &mut [u8] {
        let front = &mut self[..message.len()];
        front.copy_from_slice(message);
        front
    }
}

impl Bytes for [MaybeUninit<u8>] {
    #[inline]
    fn written(&mut self, message: &[u8]) -> &mut [u8] {
        self[..message.len()].write_copy_of_slice(message)
    }
}

impl<A: Allocator> Bytes for ManagedBuffer<A> {
    #[inline]
    fn written(&mut self, message: &[u8]) -> &mut [u8] {
        self.extend_from_slice(message);
        self
    }
}

/// Messages of one length, each with a stamp at its start and its end.
pub(crate) struct Messages {
    message: Vec<u8>,
}

impl Messages {
    fn new(bytes: usize) -> Self {
        Self { message: (0..bytes).map(|index| stamp(index as u64) as u8).collect() }
    }

    /// Writes the message with this index to a buffer and reads its ends.
    #[inline]
    pub(crate) fn pass_through(&mut self, index: u64, buffer: &mut (impl Bytes + ?Sized)) -> u64 {
        let ends = |message: &[u8]| {
            let first = message.first_chunk::<STAMP>().expect("a message has a stamp");
            let last = message.last_chunk::<STAMP>().expect("a message has a stamp");
            u64::from_le_bytes(*first).wrapping_add(u64::from_le_bytes(*last))
        };
        *self.message.first_chunk_mut().expect("a message has a stamp") =
            stamp(index).to_le_bytes();
        *self.message.last_chunk_mut().expect("a message has a stamp") = stamp(index).to_le_bytes();
        let written = buffer.written(&self.message);
        escape(written);
        if index == WHOLE {
            same(written, &self.message);
        }
        ends(written)
    }
}

/// Demands that a message is what it was. Out of line, since it is for one message of a run.
#[cold]
#[inline(never)]
fn same(written: &[u8], message: &[u8]) {
    assert_eq!(written, message, "a message is not what it was");
}

/// Adds a contender, for messages of both lengths. `used` gets a buffer, has a message passed through
/// it, and drops it.
pub(crate) fn contender<F>(visitor: &mut Visitor<'_>, contender: Contender, used: fn() -> F)
where
    F: FnMut(u64, &mut Messages) -> Result<u64, Failure> + 'static,
{
    for (parameter, bytes) in [(format!("{BYTES}"), BYTES), (format!("{STAMP}-of-{BYTES}"), STAMP)]
    {
        let answer = |_: Stream| (0..BUFFERS).map(|index| stamp(index).wrapping_mul(2)).collect();
        let run = move |_: Stream, measure: &mut Measure<'_>| {
            let mut used = used();
            let mut messages = Messages::new(bytes);
            used(WHOLE, &mut messages)?;
            measure(&mut |passes| {
                let mut tally = Tally::default();
                for _ in 0..passes {
                    for index in 0..BUFFERS {
                        tally.add(used(index, &mut messages)?);
                    }
                }
                Ok(tally)
            })
        };
        let case = Case::new(DESCRIPTION, parameter, contender, answer, run);
        visitor(FAMILY, case.planned(&Plan::of(buffer())));
    }
}

/// What every buffer is asked for: the alignment that every allocator gives for free.
fn buffer() -> Layout {
    layout(BYTES, 16)
}

const RAW: Contender = Contender {
    name: "raw",
    about: "`alloc` and `dealloc` of the C library by hand, without an owner",
    role: Role::Contender,
    truth: None,
};

pub(crate) fn visit(visitor: &mut Visitor<'_>) {
    contender(visitor, SYSTEM, boxed::<0>);
    #[cfg(feature = "others")]
    contender(visitor, crate::contenders::OPOOL, crate::contenders::buffers);
    contender(visitor, Contender::of::<Raii>(), || {
        |index, messages: &mut Messages| {
            let mut buffer = ManagedBuffer::try_with_capacity(buffer()).map_err(refused)?;
            Ok(messages.pass_through(index, &mut buffer))
        }
    });
    contender(visitor, Contender::of::<BufferPool>(), || {
        let pool = BufferPool::new();
        move |index, messages: &mut Messages| {
            let mut buffer = pool.try_buffer(BYTES).map_err(refused)?;
            Ok(messages.pass_through(index, &mut buffer))
        }
    });
    contender(visitor, Contender::of::<SharedBufferPool>(), || {
        let pool = SharedBufferPool::new();
        move |index, messages: &mut Messages| {
            let mut buffer = pool.try_buffer(BYTES).map_err(refused)?;
            Ok(messages.pass_through(index, &mut buffer))
        }
    });
    contender(visitor, SYSTEM_AGAIN, boxed::<1>);
    contender(visitor, LIMIT, kept);
    contender(visitor, RAW, || {
        |index, messages: &mut Messages| {
            let used = with_buffer(buffer(), |buffer| messages.pass_through(index, buffer));
            Ok(used.ok_or(Refused { layout: buffer() })?)
        }
    });
}

/// One buffer that is kept for good: nothing is got and nothing dropped.
fn kept() -> impl FnMut(u64, &mut Messages) -> Result<u64, Failure> + 'static {
    let mut buffer = vec![0; BYTES];
    move |index, messages: &mut Messages| Ok(messages.pass_through(index, &mut buffer[..]))
}

/// That there is no memory for a buffer.
fn refused(_: OutOfMemory) -> Refused {
    Refused { layout: buffer() }
}

/// A box of the standard library for each buffer. Each `COPY` is code of its own.
fn boxed<const COPY: u32>() -> impl FnMut(u64, &mut Messages) -> Result<u64, Failure> + 'static {
    |index, messages: &mut Messages| {
        kept_apart::<COPY>();
        let mut buffer = Box::<[u8]>::new_uninit_slice(BYTES);
        Ok(messages.pass_through(index, &mut *buffer))
    }
}
