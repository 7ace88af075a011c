//! The process runner from Rust; the escape attempts are in the Python tests, where programs for them are easy to write.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use pyward_guard::Error;
use pyward_guard::run::{Command, Ended, Exit, Files, Outcome, Sandbox, host, run};

fn command(argv: &[&str]) -> Command {
    Command {
        grace: Duration::from_millis(100),
        max_output: 1 << 16,
        ..Command::new(argv, Duration::from_secs(120))
    }
}

fn sh(script: &str) -> Command {
    command(&["/bin/sh", "-c", script])
}

fn go(command: &Command) -> Outcome {
    run(command, &mut || false).unwrap()
}

#[test]
fn runs_and_reports() {
    let mut cat = command(&["/bin/cat"]);
    cat.input = vec![b'x'; 60_000];
    let outcome = go(&cat);
    assert_eq!(
        (outcome.exit, outcome.ended, outcome.stdout.len()),
        (Exit::Code(0), Ended::Itself, 60_000)
    );
    let outcome = go(&sh("echo out; echo err >&2; pwd; umask; env; exit 3"));
    assert_eq!(outcome.exit, Exit::Code(3));
    assert_eq!(
        String::from_utf8_lossy(&outcome.stdout),
        "out\n/\n0077\nPATH=/usr/bin:/bin\nLANG=C.UTF-8\nPWD=/\n"
    );
    assert_eq!(outcome.stderr, b"err\n");
    assert_eq!(go(&sh("kill -9 $$")).exit, Exit::Signal(9));
}

#[test]
fn the_whole_group_ends() {
    let mut slow = sh("trap '' TERM; (trap '' TERM; sleep 600) & echo $!; sleep 600");
    // Long enough for the shell to say its number on a busy machine.
    slow.timeout = Duration::from_secs(2);
    let start = Instant::now();
    let outcome = go(&slow);
    assert_eq!(outcome.ended, Ended::Timeout);
    assert!(start.elapsed() < Duration::from_secs(300));
    let grandchild: i32 = String::from_utf8_lossy(&outcome.stdout)
        .trim()
        .parse()
        .unwrap();
    gone(grandchild);
    // Also after a normal end.
    let outcome = go(&sh("sleep 600 >/dev/null 2>&1 & echo $!"));
    assert_eq!(outcome.ended, Ended::Itself);
    gone(
        String::from_utf8_lossy(&outcome.stdout)
            .trim()
            .parse()
            .unwrap(),
    );
}

fn gone(pid: i32) {
    let until = Instant::now() + Duration::from_secs(60);
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    while !state().is_empty() && !state().contains(") Z ") {
        assert!(
            Instant::now() < until,
            "process {pid} still runs: {}",
            state()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn bounds_output_and_cancels() {
    let outcome = go(&sh("yes"));
    assert_eq!(
        (outcome.ended, outcome.stdout.len()),
        (Ended::Output, 1 << 16)
    );
    let mut ticks = 0;
    let outcome = run(&sh("sleep 600"), &mut || {
        ticks += 1;
        ticks > 2
    })
    .unwrap();
    assert_eq!(outcome.ended, Ended::Cancelled);
    // A child that never reads its input must not block.
    let mut deaf = sh("exit 0");
    deaf.input = vec![0; 1 << 20];
    assert_eq!(go(&deaf).exit, Exit::Code(0));
}

#[test]
fn refuses_what_it_cannot_or_should_not_do() {
    let refused = |change: &dyn Fn(&mut Command)| {
        let mut c = sh("true");
        change(&mut c);
        run(&c, &mut || false).unwrap_err()
    };
    assert!(matches!(
        refused(&|c| c.argv[0] = "sh".into()),
        Error::Refused(_)
    ));
    assert!(matches!(
        refused(&|c| c.argv.clear()),
        Error::InvalidInput(_)
    ));
    assert!(matches!(
        refused(&|c| c.argv.push("a\0b".into())),
        Error::InvalidInput(_)
    ));
    assert!(matches!(
        refused(&|c| c.environment.push(("LD_PRELOAD".into(), "/x".into()))),
        Error::Refused(_)
    ));
    assert!(matches!(
        refused(&|c| c.directory = Some("tmp".into())),
        Error::Refused(_)
    ));
    assert!(matches!(
        refused(&|c| c.argv[0] = "/does/not/exist".into()),
        Error::Io(_)
    ));
    let missing = Files {
        read: vec!["/does/not/exist".into()],
        ..Files::default()
    };
    let with = move |files: Files| {
        move |c: &mut Command| {
            c.sandbox = Some(Sandbox {
                files: Some(files.clone()),
                ..Sandbox::default()
            })
        }
    };
    assert!(matches!(refused(&with(missing)), Error::InvalidInput(_)));
    if host().effective_user == 0 {
        assert!(matches!(
            refused(&|c| c.limits.processes = Some(5)),
            Error::Unsupported(_)
        ));
    }
}
