//! Mixed sizes on one thread.

use strategy_limit::Classes;
use strategy_pool::SizeClassPool;
use workloads::{Churn, Skew};

use crate::Visitor;
use crate::list::{Named, Row};

const FAMILY: &str = "Peers: mixed sizes";

pub(crate) fn visit(visitor: &mut Visitor<'_>) {
    let work = Named("peers-churn", Churn { skew: Skew::Uniform });
    let mut row = Row { family: FAMILY, work, visitor };
    row.general_purpose();
    row.strategy::<SizeClassPool>();
    row.again();
    row.strategy::<Classes>();
}
