//! Every line of the contract catches a strategy that breaks it, and none that does not.

mod checked;
mod chunks;
mod fault;
mod leaky;
mod slots;

use std::env;
use std::process::Command;

use chunks::Chunks;
use leaky::Leaky;
use slots::Slots;
use strategy::Strategy;
use strategy::contract::{self, Binds, Finding, LINES};

/// What the test of line `number` found.
#[track_caller]
fn caught(number: usize, result: Result<(), Finding>) {
    match result {
        Ok(()) => panic!("line {number} was not seen to be broken"),
        Err(finding) => assert_eq!(finding.line.number, number, "{finding}"),
    }
}

/// Makes tests from `name: fault, line, function`, in which the function of a line catches a fault
/// of the strategy, by that line.
macro_rules! caught {
    ($strategy:ident: $($name:ident: $fault:ident, $number:literal $line:ident;)*) => { $(
        #[test]
        fn $name() {
            type Broken = $strategy<{ crate::fault::$fault }>;
            caught($number, contract::$line::<Broken>());
        }
    )* };
}

caught! { Slots:
    line_01_catches_an_alignment_that_is_not_kept: MISALIGNED, 1 aligned;
    line_01_catches_size_0_that_is_not_aligned: MISALIGNED_EMPTY, 1 aligned;
    line_02_catches_a_block_that_is_too_short: SHORT, 2 whole;
    line_02_catches_a_slice_that_is_too_long: LONG, 2 whole;
    line_03_catches_a_block_handed_out_twice: TWICE, 3 apart;
    line_03_catches_a_free_that_writes_elsewhere: SCRIBBLES, 3 apart;
    line_03_catches_blocks_that_overlap: OVERLAPS, 3 apart;
    line_03_catches_a_last_block_of_few_handed_out_twice: LAST_TWICE, 3 apart;
    line_04_catches_reused_blocks_that_are_not_zeroed: DIRTY, 4 zeroed;
    line_04_catches_a_last_byte_that_is_not_zeroed: DIRTY_LAST, 4 zeroed;
    line_04_catches_a_tail_that_is_not_zeroed: DIRTY_TAIL, 4 zeroed;
    line_05_catches_bytes_lost_on_growing: LOSES_TAIL, 5 resized;
    line_05_catches_an_alignment_that_does_not_change: KEEPS_ALIGNMENT, 5 resized;
    line_05_catches_a_block_lost_on_failing_to_grow: LOSES_ON_FAILURE, 5 resized;
    line_05_catches_bytes_lost_on_shrinking: SHRINKS_WRONG, 5 resized;
    line_06_catches_size_0_that_leaks: LEAKS_EMPTY, 6 empty;
    line_06_catches_size_0_that_is_refused: REFUSES_EMPTY, 6 empty;
    line_07_catches_frees_that_are_forgotten: LEAKS, 7 bounded;
    line_08_catches_a_reset_of_half: RESETS_HALF, 8 resets;
    line_08_catches_a_reset_that_the_profile_denies: RESETS_SECRETLY, 8 resets;
    line_08_catches_a_failed_reset_that_changes_blocks: WIPES_ON_FAILED_RESET, 8 resets;
    line_08_catches_a_reset_that_fails: RESET_FAILS, 8 resets;
    line_08_catches_a_reset_that_keeps_too_little: RESET_GIVES_BACK, 8 resets;
    line_08_catches_a_reset_that_counts_wrong: RESET_MISCOUNTS, 8 resets;
    line_09_catches_a_panic: PANICS, 9 too_large;
    line_09_catches_a_wrap_around: WRAPS, 9 too_large;
    line_09_catches_a_plan_that_panics: PANICS_ON_PLAN, 9 too_large;
    line_11_catches_a_block_that_is_smaller: SERVES_LESS, 11 excluded;
    line_11_catches_a_plan_that_is_excluded: TAKES_ANY_PLAN, 11 excluded;
    line_11_catches_an_alignment_that_is_excluded: ALIGNS_LESS, 11 excluded;
    line_12_catches_blocks_leaked_by_a_panic: LEAKS_IN_PANIC, 12 unwinds;
    line_12_catches_blocks_freed_twice_by_a_panic: TWICE_IN_PANIC, 12 unwinds;
    line_14_catches_blocks_that_move: MOVES, 14 movable;
    line_14_catches_handles_that_differ: HANDLES_DIFFER, 14 movable;
    line_15_catches_frees_lost_on_another_thread: THREAD_BOUND, 15 threads;
    line_15_catches_blocks_that_end_with_their_thread: ENDS_WITH_THREAD, 15 threads;
    line_16_catches_a_deadlock_in_a_child: HANGS_IN_CHILD, 16 fork_and_exit;
    line_16_catches_a_panic_at_the_end_of_a_thread: PANICS_AT_EXIT, 16 fork_and_exit;
    line_16_catches_a_deadlock_at_the_end_of_a_thread: HANGS_AT_EXIT, 16 fork_and_exit;
}

#[test]
fn line_07_catches_a_strategy_that_never_frees() {
    caught(7, contract::bounded::<Leaky<true>>());
    caught(7, contract::bounded::<Leaky<false>>());
}

/// As `caught!`, for strategies over a backing allocator.
macro_rules! caught_backed {
    ($($name:ident: $fault:ident, $number:literal $line:ident;)*) => { $(
        #[test]
        fn $name() {
            let build = Chunks::<{ chunks::fault::$fault }>::new_in;
            caught($number, contract::$line(build));
        }
    )* };
}

caught_backed! {
    line_08_catches_a_reset_that_keeps_the_wrong_chunk: KEEPS_SMALLEST, 8 given_back;
    line_10_catches_a_panic: PANICS, 10 out_of_memory;
    line_10_catches_giving_up_for_good: GIVES_UP, 10 out_of_memory;
    line_10_catches_blocks_that_change: WIPES, 10 out_of_memory;
    line_13_catches_a_build_that_leaks: LEAKS_UNBUILT, 13 out_of_memory;
    line_13_catches_a_chunk_that_is_kept: LEAKS_CHUNK, 13 given_back;
    line_13_catches_a_wrong_layout: WRONG_LAYOUT, 13 given_back;
    line_13_catches_blocks_out_that_keep_memory: WAITS_FOR_BLOCKS, 13 given_back;
}

#[track_caller]
fn keeps_every_line<S: Strategy>() {
    assert_eq!(contract::check::<S>(), [], "{}", S::NAME);
}

#[track_caller]
fn keeps_every_shared_line<S: Strategy + Sync>() {
    keeps_every_line::<S>();
    assert_eq!(contract::check_shared::<S>(), [], "{}", S::NAME);
}

#[test]
fn nothing_is_found_in_strategies_of_every_profile() {
    keeps_every_shared_line::<Slots<{ fault::NONE }>>();
    keeps_every_shared_line::<Slots<{ fault::NONE_ONE_BLOCK }>>();
    keeps_every_shared_line::<Slots<{ fault::NONE_TOGETHER }>>();
    keeps_every_shared_line::<Slots<{ fault::NONE_TOGETHER_RESET }>>();
    keeps_every_line::<Chunks<{ chunks::fault::NONE }>>();
    keeps_every_line::<Chunks<{ chunks::fault::NONE_KEEPS_LARGEST }>>();
}

#[test]
fn nothing_is_found_in_backed_strategies() {
    assert_eq!(contract::check_backed(Chunks::<{ chunks::fault::NONE }>::new_in), []);
    assert_eq!(contract::check_backed(Chunks::<{ chunks::fault::NONE_KEEPS_LARGEST }>::new_in), []);
}

#[test]
fn check_finds_the_line_that_is_broken() {
    let findings = contract::check::<Slots<{ fault::MISALIGNED }>>();
    assert_eq!(findings[0].line, &LINES[0]);
    let report = findings[0].to_string();
    assert!(report.starts_with("contract line 1 ("), "{report}");
    assert!(report.contains("slots: misaligned: block"), "{report}");
}

#[test]
fn a_random_sequence_reports_its_seed_which_runs_it_again() {
    let finding = contract::apart::<Slots<{ fault::LAST_TWICE }>>().unwrap_err();
    assert!(finding.seen.contains("overlaps block"), "{finding}");
    let (_, seed) = finding.seen.split_once("CONTRACT_SEED=").expect("a seed is named");
    let seed: u64 = seed.trim_end_matches(']').parse().unwrap();
    let caught_with = |variable, number: u64| {
        let test = "line_03_catches_a_last_block_of_few_handed_out_twice";
        let mut program = Command::new(env::current_exe().unwrap());
        program.args(["--exact", test]).env(variable, number.to_string());
        program.output().unwrap().status.success()
    };
    assert!(caught_with("CONTRACT_SEED", seed), "{finding}");
    assert!(caught_with("CONTRACT_SEQUENCES", seed), "{finding}");
    // It is the first seed that finds it; neither those before it nor a long sequence do.
    assert!(!caught_with("CONTRACT_SEED", seed - 1), "{finding}");
    assert!(!caught_with("CONTRACT_SEQUENCES", seed - 1), "{finding}");
}

#[test]
fn a_panic_in_a_random_sequence_reports_the_seed() {
    let finding = contract::apart::<Slots<{ fault::LAST_PANICS }>>().unwrap_err();
    assert!(finding.seen.contains("panicked: the last block [CONTRACT_SEED="), "{finding}");
}

#[test]
fn the_lines_are_in_order_and_each_binds_someone() {
    assert!(LINES.iter().enumerate().all(|(at, line)| line.number == at + 1));
    let bound = |binds| LINES.iter().filter(|line| line.binds == binds).count();
    let counts = [Binds::All, Binds::Shared, Binds::Backed, Binds::Global].map(bound);
    assert_eq!(counts, [12, 2, 2, 1]);
}
