//! Building in place: what the methods promise, and that whatever stops them half-way, every value
//! is dropped once and all memory is given back.

mod census;
mod model;
mod promises;
mod stops;
