//! Mistakes with memory, each really made, and beside it the type that rules it out.
//!
//! `cargo run --example pitfalls -- double-free bad` makes one; `--list` says which there are. What
//! happens then is anybody's guess, unless a tool looks on. GUIDE.md says which tool finds which.

mod command_line;
mod mistakes;

fn main() {
    command_line::main();
}
