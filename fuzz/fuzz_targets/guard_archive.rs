#![no_main]

use libfuzzer_sys::fuzz_target;
use pyward_guard::paths::{ArchiveLimits, Directory, Symlinks, extract};

fuzz_target!(|data: &[u8]| {
    let root = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(root.path().join("base")).expect("a directory");
    let base = Directory::open(&root.path().join("base"), Symlinks::Refuse, false).expect("a directory");
    let limits = ArchiveLimits { max_total_bytes: 1 << 20, max_entries: 100, ..Default::default() };
    let _ = extract(std::io::Cursor::new(data), &base, "out", &limits);
    assert_eq!(std::fs::read_dir(root.path()).expect("readable").count(), 1);
});
