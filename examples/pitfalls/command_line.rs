//! What is asked for: one mistake, made or ruled out.

use clap::{Parser, ValueEnum};

use crate::mistakes::Mistake;

/// Makes a mistake with memory, or does the same with the type that rules it out.
#[derive(Parser)]
struct Arguments {
    /// What to do.
    #[arg(required_unless_present = "list")]
    mistake: Option<Mistake>,
    /// Make the mistake, or not.
    #[arg(required_unless_present = "list")]
    way: Option<Way>,
    /// Say which mistakes there are: name, what it is, what rules it out, with tabs between.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Way {
    /// With raw pointers, and wrong.
    Bad,
    /// With a type that does not let it happen.
    Good,
}

/// Does what the command line asks for.
pub fn main() {
    let Arguments { mistake, way, list } = Arguments::parse();
    if list {
        for mistake in Mistake::value_variants() {
            let value = mistake.to_possible_value().expect("no mistake is hidden");
            let what = value.get_help().expect("every mistake says what it is");
            println!("{}\t{what}\t{}", value.get_name(), mistake.ruled_out_by());
        }
    }
    match (mistake, way) {
        (Some(mistake), Some(Way::Bad)) => mistake.make(),
        (Some(mistake), Some(Way::Good)) => mistake.avoid(),
        _ => (),
    }
}
