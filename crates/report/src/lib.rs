//! A run folder, and the page that is drawn from it.

pub mod record;
