//! A bump arena: chunks filled downward, given up all at once.
