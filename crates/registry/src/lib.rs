//! The one list of contenders.
