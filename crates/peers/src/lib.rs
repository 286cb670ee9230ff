#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod arenas;
mod buffers;
mod building;
mod contenders;
mod counting;
mod kernels;
mod list;
mod memory;
mod mixed;
mod objects;
mod sharing;
mod threads;

use workloads::Case;

/// Takes the cases one after another, each with its family.
pub type Visitor<'v> = dyn FnMut(&str, Case) + 'v;

/// Hands every case to `visitor`, in the order of the page: a family after the other, and in it a row
/// after the other.
pub fn visit(visitor: &mut Visitor<'_>) {
    objects::visit(visitor);
    mixed::visit(visitor);
    threads::visit(visitor);
    arenas::visit(visitor);
    memory::visit(visitor);
    buffers::visit(visitor);
    kernels::visit(visitor);
    sharing::visit(visitor);
    building::visit(visitor);
    counting::visit(visitor);
}
