//! Behaviour of `Directory` and `extract` on a real file system, including races.
#![cfg(unix)]

use std::io::{Cursor, Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use pyward_guard::Error;
use pyward_guard::paths::{ArchiveLimits, Directory, Kind, Links, Mode, Symlinks, extract};

/// A base with a secret next to it.
fn scene() -> (tempfile::TempDir, std::path::PathBuf) {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("secret"), "SECRET").unwrap();
    let base = root.path().join("base");
    std::fs::create_dir_all(base.join("sub")).unwrap();
    std::fs::write(base.join("sub/file"), "inside").unwrap();
    (root, base)
}

/// Both ways of resolving, for each policy.
fn openers(base: &Path) -> Vec<(Symlinks, Directory)> {
    [Symlinks::Refuse, Symlinks::Beneath]
        .into_iter()
        .flat_map(|policy| {
            let open = || Directory::open(base, policy, false).unwrap();
            [(policy, open()), (policy, open().into_portable())]
        })
        .collect()
}

fn text(directory: &Directory, path: &str) -> Result<String, Error> {
    let mut out = String::new();
    directory
        .open_file(path, Mode::Read, 0)?
        .read_to_string(&mut out)?;
    Ok(out)
}

#[test]
fn links_never_lead_outside() {
    let (_root, base) = scene();
    symlink("../secret", base.join("out")).unwrap();
    symlink("/", base.join("top")).unwrap();
    symlink("..", base.join("up")).unwrap();
    symlink("sub/file", base.join("in")).unwrap();
    symlink("loop", base.join("loop")).unwrap();
    symlink("/proc/self/cwd", base.join("magic")).unwrap();
    for (policy, directory) in openers(&base) {
        for path in [
            "out",
            "top/etc/passwd",
            "up/secret",
            "sub/../../secret",
            "loop",
            "magic/x",
            "sub/file/x",
        ] {
            for mode in [
                Mode::Read,
                Mode::Write,
                Mode::Append,
                Mode::CreateNew,
                Mode::ReadWrite,
            ] {
                assert!(
                    directory.open_file(path, mode, 0o600).is_err(),
                    "{policy:?} {path} {mode:?}"
                );
            }
            assert!(directory.open_directory(path).is_err());
            assert!(directory.list(path, 10).is_err());
        }
        assert!(directory.create_directories("up/made", 0o700).is_err());
        assert!(directory.replace("up/secret", b"x", 0o600).is_err());
        assert!(directory.rename("sub/file", "up/file", true).is_err());
        assert!(directory.remove_file("up/secret").is_err());
        assert!(directory.remove_directory("up", true).is_err());
        if policy == Symlinks::Refuse {
            // Said the same way, however paths are resolved.
            assert!(matches!(
                text(&directory, "up/secret"),
                Err(Error::Refused(_))
            ));
            assert!(matches!(directory.list("up", 10), Err(Error::Refused(_))));
        }
        assert!(matches!(
            directory.create_directories("up/made", 0o700),
            Err(Error::Refused(_))
        ));
        assert_eq!(text(&directory, "sub/file").unwrap(), "inside");
        assert_eq!(text(&directory, "in").is_ok(), policy == Symlinks::Beneath);
    }
    assert_eq!(
        std::fs::read_to_string(base.join("../secret")).unwrap(),
        "SECRET"
    );
    assert!(!base.join("../made").exists());
}

#[test]
fn only_regular_files_and_no_hang() {
    let (_root, base) = scene();
    let pipe = std::ffi::CString::new(base.join("pipe").to_str().unwrap()).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    for (_, directory) in openers(&base) {
        for mode in [Mode::Read, Mode::Write, Mode::ReadWrite, Mode::Append] {
            assert!(
                matches!(directory.open_file("pipe", mode, 0), Err(Error::Refused(_))),
                "{mode:?}"
            );
        }
        assert!(directory.open_file("sub", Mode::Read, 0).is_err());
        assert_eq!(directory.stat("pipe").unwrap().unwrap().kind, Kind::Other);
    }
}

#[test]
fn file_operations() {
    use std::os::unix::fs::PermissionsExt;
    let (_root, base) = scene();
    for (_, directory) in openers(&base) {
        directory.create_directories("a/b/c", 0o700).unwrap();
        directory
            .open_file("a/b/c/new", Mode::CreateNew, 0o600)
            .unwrap()
            .write_all(b"12345")
            .unwrap();
        assert!(
            directory
                .open_file("a/b/c/new", Mode::CreateNew, 0o600)
                .is_err()
        );
        let mode = std::fs::metadata(base.join("a/b/c/new"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o600);
        directory
            .open_file("a/b/c/new", Mode::Append, 0o600)
            .unwrap()
            .write_all(b"6")
            .unwrap();
        assert_eq!(directory.read("a/b/c/new", 6).unwrap(), b"123456");
        assert!(matches!(
            directory.read("a/b/c/new", 5),
            Err(Error::LimitExceeded(_))
        ));
        directory
            .open_file("a/b/c/new", Mode::Write, 0o600)
            .unwrap()
            .write_all(b"z")
            .unwrap();
        assert_eq!(directory.read("a/b/c/new", 6).unwrap(), b"z");
        directory.replace("a/b/c/new", b"replaced", 0o640).unwrap();
        assert_eq!(text(&directory, "a/b/c/new").unwrap(), "replaced");
        assert!(directory.rename("a/b/c/new", "sub/file", false).is_err());
        directory.rename("a/b/c/new", "a/moved", false).unwrap();
        assert_eq!(
            directory
                .list("a", 10)
                .unwrap()
                .iter()
                .map(|e| e.name.as_str())
                .collect::<Vec<_>>(),
            ["b", "moved"]
        );
        assert!(matches!(
            directory.list("a", 1),
            Err(Error::LimitExceeded(_))
        ));
        assert!(directory.remove_directory("a", false).is_err());
        directory.remove_directory("a", true).unwrap();
        assert_eq!(directory.stat("a").unwrap(), None);
        assert!(directory.open_file("x", Mode::CreateNew, 0o4755).is_err());
    }
}

/// A thread exchanges a directory with a link to the outside as fast as it can; a reader and a writer must
/// never end outside. The secret would be read at once by `open(realpath-checked name)`.
#[cfg(target_os = "linux")]
#[test]
fn symlink_swap_race() {
    let (root, base) = scene();
    std::fs::create_dir(base.join("target")).unwrap();
    std::fs::write(base.join("target/secret"), "inside").unwrap();
    symlink("..", base.join("evil")).unwrap();
    let stop = AtomicBool::new(false);
    let swaps = std::thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            let (target, evil) = (base.join("target"), base.join("evil"));
            let mut swaps = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &target, CWD, &evil, RenameFlags::EXCHANGE).unwrap();
                swaps += 1;
            }
            swaps
        });
        let (mut inside, mut refused) = (0_u64, 0_u64);
        for (_, directory) in openers(&base) {
            // Until enough was seen of both; on a busy machine the threads take turns slowly.
            let (start, before) = (std::time::Instant::now(), (inside, refused));
            while start.elapsed().as_millis() < 700
                || (start.elapsed().as_secs() < 60 && (inside == before.0 || refused == before.1))
            {
                match text(&directory, "target/secret") {
                    Ok(content) => {
                        assert_eq!(content, "inside");
                        inside += 1;
                    }
                    Err(_) => refused += 1,
                }
                let _ = directory
                    .open_file("target/made", Mode::Write, 0o600)
                    .map(|mut f| f.write_all(b"x"));
                let _ = directory.replace("target/made-too", b"x", 0o600);
                let _ = directory.create_directories("target/made-dir/x", 0o700);
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(
            inside > 0 && refused > 0,
            "the race did not happen: {inside} inside, {refused} refused"
        );
        swapper.join().unwrap()
    });
    assert!(swaps > 10, "{swaps} swaps");
    let outside: Vec<_> = std::fs::read_dir(root.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(outside.len(), 2, "something was made outside: {outside:?}");
}

fn tar_of(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_ustar();
        // Written raw: the builder itself refuses `..`.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o6777);
        if matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn try_extract(
    bytes: &[u8],
    limits: &ArchiveLimits,
) -> (
    tempfile::TempDir,
    Result<pyward_guard::paths::ExtractReport, Error>,
) {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("base")).unwrap();
    let base = Directory::open(&root.path().join("base"), Symlinks::Refuse, false).unwrap();
    let result = extract(Cursor::new(bytes), &base, "out", limits);
    if result.is_err() {
        assert_eq!(
            base.list(".", 10).unwrap(),
            [],
            "a failed extraction left something behind"
        );
    }
    assert_eq!(
        std::fs::read_dir(root.path()).unwrap().count(),
        1,
        "something outside of the base"
    );
    (root, result)
}

#[test]
fn extracts_plain_archives() {
    use std::os::unix::fs::PermissionsExt;
    use tar::EntryType as T;
    let tar = tar_of(&[
        ("d/", T::Directory, b""),
        ("d/a.txt", T::Regular, b"hello"),
        ("./b", T::Regular, b""),
    ]);
    let gz = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&tar).unwrap();
        encoder.finish().unwrap()
    };
    let bz = {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(&tar).unwrap();
        encoder.finish().unwrap()
    };
    for (bytes, format) in [
        (tar, "tar"),
        (gz, "tar.gz"),
        (bz, "tar.bz2"),
        (zip_of(&[("d/a.txt", b"hello"), ("b", b"")]), "zip"),
    ] {
        let (root, result) = try_extract(&bytes, &ArchiveLimits::default());
        let report = result.unwrap();
        assert_eq!((report.format.as_str(), report.total_bytes), (format, 5));
        assert_eq!(report.files, ["d/a.txt", "b"]);
        let file = root.path().join("base/out/d/a.txt");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "hello");
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777,
            0o600
        );
    }
}

#[test]
fn refuses_hostile_archives() {
    use tar::EntryType as T;
    let limits = ArchiveLimits {
        max_file_bytes: 1000,
        max_total_bytes: 1500,
        max_entries: 4,
        max_depth: 3,
        ..Default::default()
    };
    let big = vec![0_u8; 1001];
    let some = vec![0_u8; 900];
    let tars: &[&[(&str, T, &[u8])]] = &[
        &[("../evil", T::Regular, b"x")],
        &[("/etc/evil", T::Regular, b"x")],
        &[("a/../../evil", T::Regular, b"x")],
        &[("link", T::Symlink, b""), ("link/evil", T::Regular, b"x")],
        &[("hard", T::Link, b"")],
        &[("dev", T::Char, b"")],
        &[("pipe", T::Fifo, b"")],
        &[("same", T::Regular, b"1"), ("SAME", T::Regular, b"2")],
        &[("file", T::Regular, b"1"), ("file/below", T::Regular, b"2")],
        &[("big", T::Regular, &big)],
        &[("a", T::Regular, &some), ("b", T::Regular, &some)],
        &[("a/b/c/d", T::Regular, b"x")],
        &[
            ("1", T::Regular, b""),
            ("2", T::Regular, b""),
            ("3", T::Regular, b""),
            ("4", T::Regular, b""),
            ("5", T::Regular, b""),
        ],
        &[("x\ny", T::Regular, b"x")],
        &[("nul", T::Regular, b"x")],
    ];
    for (index, entries) in tars.iter().enumerate() {
        let (_root, result) = try_extract(&tar_of(entries), &limits);
        assert!(result.is_err(), "tar {index}");
    }
    for entries in [["a", "A/b"], ["a/b", "A"], ["a/b/c", "a/b"]] {
        let tar = tar_of(&entries.map(|name| (name, T::Regular, &b"x"[..])));
        let (_root, result) = try_extract(&tar, &limits);
        assert!(matches!(result, Err(Error::Refused(_))), "{entries:?}");
    }
    for entries in [
        &[("../evil", &b"x"[..])][..],
        &[("/evil", b"x")],
        &[("a\\..\\b", b"x")],
        &[("big", &big)],
    ] {
        let (_root, result) = try_extract(&zip_of(entries), &limits);
        assert!(result.is_err(), "zip {entries:?}");
    }
    let (_root, skipped) = try_extract(
        &tar_of(&[("link", T::Symlink, b""), ("ok", T::Regular, b"x")]),
        &ArchiveLimits {
            links: Links::Skip,
            ..limits
        },
    );
    assert_eq!(skipped.unwrap().skipped_links, 1);
}

/// As `tar --format=pax -S` writes them: what would come out is not the file.
#[test]
fn refuses_sparse_files_of_pax() {
    use tar::EntryType as T;
    let map = [b"1\n4096\n4\n".as_slice(), &[0; 503], b"data"].concat();
    let records: [&[u8]; 3] = [
        b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n21 GNU.sparse.name=f\n28 GNU.sparse.realsize=4100\n",
        b"9 mtime=\n24 GNU.sparse.size=4100\n",
        b"21 comment=no sparse\n22 GNU.sparse.map=0,4\n",
    ];
    for kind in [T::XHeader, T::XGlobalHeader] {
        for records in records {
            let tar = tar_of(&[
                ("h", kind, records),
                ("GNUSparseFile.0/f", T::Regular, &map),
            ]);
            let (_root, result) = try_extract(&tar, &ArchiveLimits::default());
            assert!(matches!(result, Err(Error::Refused(_))), "{result:?}");
        }
        let harmless = b"22 comment=GNU.sparse\n\nrest";
        let tar = tar_of(&[("h", kind, harmless), ("f", T::Regular, b"data")]);
        let (_root, result) = try_extract(&tar, &ArchiveLimits::default());
        assert_eq!(result.unwrap().files, ["f"]);
    }
}

#[test]
fn refuses_bombs() {
    let zeros = vec![0_u8; 64 << 20];
    let (_root, result) = try_extract(&zip_of(&[("zeros", &zeros)]), &ArchiveLimits::default());
    assert!(matches!(result, Err(Error::LimitExceeded(_))), "{result:?}");
    // A long-name record of 64 MiB: the reader would hold it in memory.
    let tar = tar_of(&[
        ("name", tar::EntryType::GNULongName, &zeros),
        ("a", tar::EntryType::Regular, b""),
    ]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&tar).unwrap();
    let (_root, result) = try_extract(&encoder.finish().unwrap(), &ArchiveLimits::default());
    assert!(matches!(result, Err(Error::LimitExceeded(_))), "{result:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn mutated_archives_never_panic(kind in 0_usize..5, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12), cut in any::<prop::sample::Index>()) {
        let tar = tar_of(&[("d/a", tar::EntryType::Regular, b"hello"), ("b", tar::EntryType::Regular, &[7; 700])]);
        let mut bytes = match kind {
            0 => tar,
            1 => { let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none()); e.write_all(&tar).unwrap(); e.finish().unwrap() }
            2 => { let mut e = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast()); e.write_all(&tar).unwrap(); e.finish().unwrap() }
            3 => { let mut v = b"\xfd7zXZ\0".to_vec(); v.extend(&tar[..600]); v }
            _ => zip_of(&[("d/a", b"hello"), ("b", &[7; 700])]),
        };
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if cut.index(4) == 0 {
            bytes.truncate(cut.index(bytes.len()));
        }
        let (_root, result) = try_extract(&bytes, &ArchiveLimits { max_total_bytes: 1 << 20, ..Default::default() });
        if let Ok(report) = result {
            prop_assert!(report.total_bytes <= 1 << 20);
        }
    }
}
