//! Reads words, and loses them.

use std::cell::RefCell;
use std::rc::Rc;

/// A word, and the node after it.
struct Node {
    word: String,
    next: RefCell<Option<Rc<Node>>>,
}

/// Puts the words of a text into nodes, and returns how long they are together.
pub fn keep(text: &str) -> usize {
    text.split(' ').map(word_in_a_ring).sum()
}

/// Makes a node that is after itself, so that its count never comes to 0.
#[inline(never)]
fn word_in_a_ring(word: &str) -> usize {
    let node = Rc::new(Node { word: word.to_owned(), next: RefCell::new(None) });
    *node.next.borrow_mut() = Some(Rc::clone(&node));
    node.word.len()
}
