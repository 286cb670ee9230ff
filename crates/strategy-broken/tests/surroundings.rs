//! What those do that serve well: each in a process of its own, which is this program with one test.
#![cfg(target_os = "linux")]

use std::env;
use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use strategy::{Block, Fixed, Plan, Strategy};
use strategy_broken::{Exiting, Forking, Interrupting, Printing};

/// The environment variable that names the strategy of a process.
const NAME: &str = "STRATEGY_BROKEN";

/// A process in which the strategy with this name serves 4000 blocks.
fn process(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "--nocapture", "serves_in_this_process"]).env(NAME, name);
    command
}

/// The part of the process; without a name it does nothing.
#[test]
fn serves_in_this_process() {
    match env::var(NAME).as_deref() {
        Ok("exiting") => serve::<Exiting>(),
        Ok("interrupting") => serve::<Interrupting>(),
        Ok("printing") => serve::<Printing>(),
        _ => {}
    }
}

fn serve<S: Strategy>() {
    let strategy = S::new(&Plan::sizes(64, 64)).unwrap();
    for stamp in 0..4_000 {
        assert_eq!(Block::new(&strategy, Fixed::<64, 8>, stamp).unwrap().stamp(), stamp);
        if stamp == 2_999 {
            eprintln!("served 3000");
        }
    }
}

#[test]
fn one_ends_its_process_and_one_is_interrupted_after_3000_blocks() {
    for (name, code, signal) in [("exiting", Some(3), None), ("interrupting", None, Some(15))] {
        let output = process(name).output().unwrap();
        assert_eq!((output.status.code(), output.status.signal()), (code, signal), "{output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "served 3000\n", "{name}");
    }
}

#[test]
fn one_prints_on_and_on() {
    let mut child =
        process("printing").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut printed = vec![0; 4 << 20];
    child.stdout.as_mut().unwrap().read_exact(&mut printed).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let line = printed.rsplit(|&byte| byte == b'\n').next().unwrap();
    assert!(line.len() > 3 << 20 && line.ends_with(b"xxxx"), "{} bytes", line.len());
}

#[test]
fn one_leaves_a_child_behind() {
    serve::<Forking>();
    let children = fs::read_to_string("/proc/thread-self/children").unwrap();
    let [child] = children.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("the children are {children:?}")
    };
    // Between fork and exec it has the name of this program.
    let sleeps = || fs::read_to_string(format!("/proc/{child}/comm")).unwrap() == "sleep\n";
    let started = (0..10_000).any(|_| {
        std::thread::yield_now();
        sleeps()
    });
    assert!(Command::new("/bin/sh").args(["-c", "kill $0", child]).status().unwrap().success());
    assert!(started);
}
