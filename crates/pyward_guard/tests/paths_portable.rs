//! What every system has to do with a directory, over handles and without `openat2`. `scripts/check-targets --wine` runs
//! this for Windows.

use std::io::{Cursor, Read, Write};
use std::path::Path;

use pyward_guard::Error;
use pyward_guard::paths::{ArchiveLimits, Directory, Kind, Mode, Symlinks, extract};

fn base(at: &Path) -> Directory {
    Directory::open(at, Symlinks::Refuse, false)
        .unwrap()
        .into_portable()
}

fn names(directory: &Directory, path: &str) -> Vec<String> {
    let entries = directory.list(path, 100).unwrap();
    entries.into_iter().map(|e| e.name).collect()
}

fn exists(result: Result<(), Error>) -> bool {
    matches!(result, Err(Error::Io(e)) if e.kind() == std::io::ErrorKind::AlreadyExists)
}

#[test]
fn files() {
    let root = tempfile::tempdir().unwrap();
    let base = base(root.path());
    base.create_directories("a/b", 0o700).unwrap();
    let mut file = base.open_file("a/b/f", Mode::CreateNew, 0o600).unwrap();
    file.write_all(b"one").unwrap();
    drop(file);
    assert!(base.open_file("a/b/f", Mode::CreateNew, 0o600).is_err());
    let mut file = base.open_file("a/b/f", Mode::Append, 0o600).unwrap();
    file.write_all(b" two").unwrap();
    drop(file);
    assert_eq!(base.read("a/b/f", 100).unwrap(), b"one two");
    assert!(matches!(
        base.read("a/b/f", 3),
        Err(Error::LimitExceeded(_))
    ));
    base.open_file("a/b/f", Mode::Write, 0o600).unwrap();
    assert_eq!(base.read("a/b/f", 100).unwrap(), b"");
    // Readers that have the old file open keep it, where the system lets them.
    base.replace("a/b/f", b"new", 0o600).unwrap();
    base.replace("a/b/f", b"newer", 0o600).unwrap();
    let mut text = String::new();
    base.open_file("a/b/f", Mode::Read, 0)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "newer");
    assert_eq!(names(&base, "a/b"), ["f"]);
    assert!(base.open_file("a", Mode::Read, 0).is_err());
    let entry = base.stat("a").unwrap().unwrap();
    assert_eq!(entry.kind, Kind::Directory);
    assert_eq!(base.stat("none").unwrap(), None);
}

#[test]
fn renaming_and_removing() {
    let root = tempfile::tempdir().unwrap();
    let base = base(root.path());
    base.replace("one", b"1", 0o600).unwrap();
    base.replace("two", b"2", 0o600).unwrap();
    assert!(exists(base.rename("one", "two", false)));
    assert_eq!(base.read("two", 10).unwrap(), b"2");
    base.rename("one", "three", false).unwrap();
    base.rename("three", "two", true).unwrap();
    assert_eq!(base.read("two", 10).unwrap(), b"1");
    base.create_directories("d/e", 0o700).unwrap();
    base.create_directory("full", 0o700).unwrap();
    base.replace("full/f", b"", 0o600).unwrap();
    assert!(exists(base.rename("d", "full", false)));
    base.rename("d", "moved", false).unwrap();
    assert_eq!(names(&base, "."), ["full", "moved", "two"]);
    assert!(base.remove_directory("full", false).is_err());
    base.remove_directory("full", true).unwrap();
    base.create_directories(&format!("moved/{}x", "n/".repeat(100)), 0o700)
        .unwrap();
    base.remove_directory("moved", true).unwrap();
    base.remove_file("two").unwrap();
    assert_eq!(names(&base, "."), [""; 0]);
}

#[test]
fn names_that_leave_or_mean_something_else() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("base")).unwrap();
    std::fs::write(root.path().join("secret"), "secret").unwrap();
    let base = base(&root.path().join("base"));
    base.replace("f", b"text", 0o600).unwrap();
    for path in [
        "../secret",
        "..\\secret",
        "/secret",
        "\\secret",
        "C:secret",
        "C:\\secret",
        "\\\\server\\share",
        "nul",
        "con",
        "a/aux.txt",
        "com1",
        "lpt9.x",
        "conin$",
        "f\0",
        "",
    ] {
        assert!(base.open_file(path, Mode::Read, 0).is_err(), "{path:?}");
        assert!(base.replace(path, b"x", 0o600).is_err(), "{path:?}");
        assert!(base.create_directories(path, 0o700).is_err(), "{path:?}");
        assert!(base.stat(path).is_err(), "{path:?}");
    }
    if cfg!(windows) {
        for path in ["f:stream", "f::$DATA", "d:x/y"] {
            assert!(
                base.open_file(path, Mode::Write, 0o600).is_err(),
                "{path:?}"
            );
        }
    }
    assert_eq!(names(&base, "."), ["f"]);
    assert_eq!(base.read("f", 10).unwrap(), b"text");
}

#[test]
fn archives() {
    let root = tempfile::tempdir().unwrap();
    let base = base(root.path());
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for name in ["a/b/c.txt", "d.txt"] {
        zip.start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(name.as_bytes()).unwrap();
    }
    let zip = zip.finish().unwrap().into_inner();
    let limits = ArchiveLimits::default();
    let report = extract(Cursor::new(&zip), &base, "out", &limits).unwrap();
    assert_eq!(report.files, ["a/b/c.txt", "d.txt"]);
    assert_eq!(base.read("out/a/b/c.txt", 100).unwrap(), b"a/b/c.txt");
    assert!(extract(Cursor::new(&zip), &base, "out", &limits).is_err());
    let few = ArchiveLimits {
        max_entries: 3,
        ..limits
    };
    // Two files, and two directories that have no entries of their own.
    let refused = extract(Cursor::new(&zip), &base, "few", &few);
    assert!(
        matches!(refused, Err(Error::LimitExceeded(_))),
        "{refused:?}"
    );
    assert_eq!(names(&base, "."), ["out"]);
}
