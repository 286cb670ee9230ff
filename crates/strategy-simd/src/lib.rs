//! Buffers aligned for the widest vector unit, in power-of-two classes that are reused.
