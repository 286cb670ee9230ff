//! A program that leaks, in safe code: a ring of counts. GUIDE.md finds the leak with valgrind and heaptrack.

mod words;

fn main() {
    println!("{} letters", words::keep("the quick brown fox"));
}
