//! The program that leaks, and the two lines that have it say so.

mod words;

use tracking::Checking;

#[global_allocator]
static ALLOCATOR: Checking = Checking::system().with_backtraces();

fn main() {
    ALLOCATOR.report_at_exit();
    println!("{} letters", words::keep("the quick brown fox"));
}
