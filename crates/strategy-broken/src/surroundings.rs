//! Strategies that serve well, and do something to their process and what is around it.

use std::io::{Write, stdout};
use std::process::{self, Command};
use std::thread;
use std::time::Duration;

use crate::declare::{GOOD_CALLS, broken, well};

/// The seconds that a child sleeps which is left behind: longer than any test, and not for good.
const CHILD_SECONDS: &str = "300";

broken!(
    /// Sends its own process SIGTERM after a while, as somebody who ends a run would.
    Interrupting,
    "interrupting",
    "sends its own process SIGTERM after a while",
    |memory, call, layout| {
        if call == GOOD_CALLS {
            let status = Command::new("/bin/sh").args(["-c", "kill -TERM $PPID"]).status();
            assert!(status.is_ok_and(|status| status.success()), "no signal was sent");
        }
        well(memory, call, layout)
    }
);

broken!(
    /// Prints without an end and without a line's end after a while, whoever reads it.
    Printing,
    "printing",
    "prints without an end after a while",
    |memory, call, layout| {
        if call == GOOD_CALLS {
            loop {
                let _nobody_listens = stdout().write_all(&[b'x'; 4096]);
            }
        }
        well(memory, call, layout)
    }
);

broken!(
    /// Leaves a child behind, which sleeps for minutes and has whatever its parent had open as its input and
    /// outputs.
    Forking,
    "forking",
    "leaves a child behind that sleeps for minutes",
    |memory, call, layout| {
        if call == 0 {
            #[expect(clippy::zombie_processes, reason = "it is left behind on purpose")]
            let _child = Command::new("sleep").arg(CHILD_SECONDS).spawn().expect("there is `sleep`");
        }
        well(memory, call, layout)
    }
);

broken!(
    /// Ends its process after a while, with exit code 3 and without a word.
    Exiting,
    "exiting",
    "ends its process with exit code 3 after a while",
    |memory, call, layout| {
        if call == GOOD_CALLS {
            process::exit(3);
        }
        well(memory, call, layout)
    }
);

broken!(
    /// Sleeps for a millisecond in every call after a while: time goes by and none of the processor's.
    Sleeping,
    "sleeping",
    "sleeps for a millisecond in every call after a while",
    |memory, call, layout| {
        if call >= GOOD_CALLS {
            thread::sleep(Duration::from_millis(1));
        }
        well(memory, call, layout)
    }
);
