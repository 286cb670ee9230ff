//! A memory pool: blocks of one size, free ones kept on a stack apart from the blocks.
