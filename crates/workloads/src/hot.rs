//! The hot paths of one thread: the family's one list.

use crate::{
    Aligned, Batch, Churn, Fragment, Grow, Order, Pair, PairOpaque, Request, Skew, Workload,
    ZeroedPair,
};

/// The family's name, a heading of the page.
pub const FAMILY: &str = "Hot paths, one thread";

/// Takes the workloads of a family one after another.
pub trait Visitor {
    /// Takes one.
    fn visit<W: Workload + Copy + 'static>(&mut self, workload: W);
}

/// Hands the workloads of this family to `visitor`, in the order of the page.
pub fn visit(visitor: &mut impl Visitor) {
    visitor.visit(Pair::<16>);
    visitor.visit(Pair::<64>);
    visitor.visit(Pair::<256>);
    visitor.visit(Pair::<1024>);
    visitor.visit(Pair::<4096>);
    for size in [16, 64, 256, 1024, 4096] {
        visitor.visit(PairOpaque { size });
    }
    for order in [Order::Lifo, Order::Fifo, Order::Random] {
        visitor.visit(Batch { order });
    }
    visitor.visit(ZeroedPair::<64>);
    visitor.visit(ZeroedPair::<4096>);
    visitor.visit(ZeroedPair::<{ 1 << 20 }>);
    visitor.visit(Aligned::<4096, 32>);
    visitor.visit(Aligned::<4096, 64>);
    visitor.visit(Aligned::<4096, 4096>);
    visitor.visit(Aligned::<{ 64 << 10 }, 64>);
    visitor.visit(Aligned::<{ 1 << 20 }, 64>);
    visitor.visit(Grow);
    for skew in [Skew::Uniform, Skew::Pareto] {
        visitor.visit(Churn { skew });
    }
    visitor.visit(Request);
    visitor.visit(Fragment);
}
