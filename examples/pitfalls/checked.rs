//! The same mistakes as `pitfalls`, under a global allocator that looks for them.

mod command_line;
mod mistakes;

use tracking::Checking;

#[global_allocator]
static ALLOCATOR: Checking = Checking::system().with_backtraces();

fn main() {
    ALLOCATOR.report_at_exit();
    command_line::main();
}
