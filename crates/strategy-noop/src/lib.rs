//! A control: blocks carved and touched beforehand, handed out at the price of an index.
