//! Shared buffers of others.

use bytes::Bytes;
use triomphe::Arc;
use workloads::Contender;

use crate::Visitor;
use crate::list::other;
use crate::sharing::{HANDLES_ROW, SLICES_ROW, contender};

const BYTES: Contender = other("bytes", "`bytes::Bytes`: a view with a table of functions");
const TRIOMPHE: Contender =
    other("triomphe", "`triomphe::Arc<[u8]>`: a count without weak handles");

/// Adds them to the rows. triomphe has no parts.
pub(crate) fn sharing(visitor: &mut Visitor<'_>) {
    contender(visitor, HANDLES_ROW, TRIOMPHE, Arc::<[u8]>::from, |all, _| all.clone());
    contender(visitor, HANDLES_ROW, BYTES, shared, |all, _| all.clone());
    contender(visitor, SLICES_ROW, BYTES, shared, |all, part| all.slice(part));
}

/// As `Bytes` that have been cloned before: the first clone of those that were a vector allocates the count.
fn shared(bytes: Vec<u8>) -> Bytes {
    let bytes = Bytes::from(bytes);
    drop(bytes.clone());
    bytes
}
