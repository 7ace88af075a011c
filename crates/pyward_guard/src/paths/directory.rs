//! A directory handle through which nothing outside of it can be reached.
//!
//! On Linux every path is resolved by one `openat2` call with `RESOLVE_BENEATH`, so that there is no
//! moment between check and use; elsewhere `cap-std` walks the path component by component over handles.

use std::fs::File;
use std::io::{Read, Write};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions};

use super::names::{check_relative, random_name};
use crate::{Error, Result};

/// What to do with symbolic links in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Symlinks {
    /// A link anywhere in the path is an error.
    #[default]
    Refuse,
    /// Links are followed as long as they stay beneath the base directory.
    Beneath,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Existing file, for reading.
    Read,
    /// Existing file, for reading and writing.
    ReadWrite,
    /// For writing; made if missing, emptied if not.
    Write,
    /// For writing; it must not exist.
    CreateNew,
    /// For writing at the end; made if missing.
    Append,
}

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link (not followed).
    Symlink,
    /// Pipe, socket, device.
    Other,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name without directory.
    pub name: String,
    /// What it is; links are not followed.
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
}

/// A handle on a base directory.
#[derive(Debug)]
pub struct Directory {
    dir: Dir,
    symlinks: Symlinks,
    cross_mounts: bool,
    portable: bool,
}

/// The parent of a path: the base itself, or a directory opened beneath it.
enum Parent<'a> {
    Base(&'a Dir),
    Below(Dir),
}

impl Parent<'_> {
    fn dir(&self) -> &Dir {
        match self {
            Parent::Base(dir) => dir,
            Parent::Below(dir) => dir,
        }
    }
}

/// Name of the mechanism that resolves paths on this host: `openat2` or `walk`.
#[must_use]
pub fn resolution() -> &'static str {
    #[cfg(target_os = "linux")]
    if linux::available() {
        return "openat2";
    }
    "walk"
}

impl Directory {
    /// Opens `path` (trusted, may be absolute) as a base directory.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be opened.
    pub fn open(path: &std::path::Path, symlinks: Symlinks, cross_mounts: bool) -> Result<Self> {
        let dir = Dir::open_ambient_dir(path, cap_std::ambient_authority())?;
        Ok(Self {
            dir,
            symlinks,
            cross_mounts,
            portable: resolution() == "walk",
        })
    }

    /// Resolves by walking even where `openat2` exists; for tests and comparison.
    #[doc(hidden)]
    #[must_use]
    pub fn into_portable(mut self) -> Self {
        self.portable = true;
        self
    }

    /// Opens a regular file. `permissions` (Unix mode bits, at most 0o777) apply when the file is made; elsewhere a new
    /// file takes the access list of its directory.
    ///
    /// Anything but a regular file (pipe, device, directory) is refused, and opening never blocks.
    ///
    /// # Errors
    /// [`Error::Refused`] and [`Error::InvalidInput`] for a path that [`check_relative`] refuses
    /// or that leads out of the base directory or, where they are refused, through links; [`Error::Refused`] for what
    /// is no regular file; [`Error::InvalidInput`] for permissions beyond 0o777; [`Error::Io`] when the system says no.
    pub fn open_file(&self, path: &str, mode: Mode, permissions: u32) -> Result<File> {
        check_relative(path)?;
        if path.ends_with('/') {
            return Err(Error::InvalidInput("the path names a directory".into()));
        }
        if permissions & !0o777 != 0 {
            return Err(Error::InvalidInput(
                "permissions are mode bits up to 0o777".into(),
            ));
        }
        #[cfg(target_os = "linux")]
        if !self.portable {
            return linux::open_file(self, path, mode, permissions);
        }
        self.open_file_portable(path, mode, permissions)
    }

    #[cfg_attr(
        not(unix),
        expect(unused_variables, reason = "no mode bits: see `open_file`")
    )]
    fn open_file_portable(&self, path: &str, mode: Mode, permissions: u32) -> Result<File> {
        let mut options = OpenOptions::new();
        match mode {
            Mode::Read => options.read(true),
            Mode::ReadWrite => options.read(true).write(true),
            Mode::Write => options.write(true).create(true),
            Mode::CreateNew => options.write(true).create_new(true),
            Mode::Append => options.append(true).create(true),
        };
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt;
            options
                .mode(permissions)
                .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        }
        let file = match self.symlinks {
            Symlinks::Beneath => self.dir.open_with(path, &options),
            Symlinks::Refuse => {
                let (parent, last) = self.parent(path)?;
                options.follow(FollowSymlinks::No);
                parent.dir().open_with(last, &options)
            }
        }
        .map_err(resolve_error)?
        .into_std();
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(not_a_file());
        }
        if mode == Mode::Write && metadata.len() > 0 {
            file.set_len(0)?;
        }
        Ok(file)
    }

    /// Opens a directory beneath this one as a base of its own, with the same policy.
    ///
    /// # Errors
    /// As [`Directory::open_file`].
    pub fn open_directory(&self, path: &str) -> Result<Self> {
        check_relative(path)?;
        let dir = self.open_dir(path)?;
        Ok(Self {
            dir,
            symlinks: self.symlinks,
            cross_mounts: self.cross_mounts,
            portable: self.portable,
        })
    }

    fn open_dir(&self, path: &str) -> Result<Dir> {
        #[cfg(target_os = "linux")]
        if !self.portable {
            return linux::open_dir(self, path);
        }
        match self.symlinks {
            Symlinks::Beneath => self.dir.open_dir(path).map_err(resolve_error),
            Symlinks::Refuse => {
                let mut dir = self.dir.try_clone()?;
                for part in path.split('/').filter(|p| !p.is_empty() && *p != ".") {
                    dir = walk_into(&dir, part.as_ref())?;
                }
                Ok(dir)
            }
        }
    }

    /// A directory by its name in `dir`: no link, and on another file system only where that is allowed.
    fn enter(&self, dir: &Dir, name: &std::path::Path) -> Result<Dir> {
        #[cfg(target_os = "linux")]
        if !self.portable {
            return linux::enter(dir, name, self.cross_mounts);
        }
        walk_into(dir, name)
    }

    /// The directory a path is in, and its last name.
    fn parent<'a, 'p>(&'a self, path: &'p str) -> Result<(Parent<'a>, &'p str)> {
        check_relative(path)?;
        let path = path.trim_end_matches('/');
        let (before, last) = match path.rsplit_once('/') {
            Some((before, last)) => (before, last),
            None => ("", path),
        };
        if last.is_empty() || last == "." {
            return Err(Error::InvalidInput("the path has no last name".into()));
        }
        let parent = if before.is_empty() {
            Parent::Base(&self.dir)
        } else {
            Parent::Below(self.open_dir(before)?)
        };
        Ok((parent, last))
    }

    /// Makes a directory; its parent has to exist.
    ///
    /// # Errors
    /// As [`Directory::open_file`]; [`Error::Io`] also when there is one of that name.
    pub fn create_directory(&self, path: &str, permissions: u32) -> Result<()> {
        let (parent, last) = self.parent(path)?;
        make_dir(parent.dir(), last, permissions).map_err(resolve_error)
    }

    /// Makes a directory and its missing parents; existing directories are fine, links are not.
    ///
    /// # Errors
    /// As [`Directory::open_file`].
    pub fn create_directories(&self, path: &str, permissions: u32) -> Result<()> {
        check_relative(path)?;
        let mut at = Self {
            dir: self.dir.try_clone()?,
            symlinks: self.symlinks,
            cross_mounts: self.cross_mounts,
            portable: self.portable,
        };
        for part in path.split('/').filter(|p| !p.is_empty() && *p != ".") {
            match make_dir(&at.dir, part, permissions) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(resolve_error(e)),
            }
            // With links allowed the walk still cannot leave `self`: a link is refused here, not followed.
            at.dir = self.enter(&at.dir, part.as_ref())?;
        }
        Ok(())
    }

    /// The entries of a directory, sorted by name; more than `max_entries` is an error.
    /// Names that are not UTF-8 are given with replacement characters and cannot be opened.
    ///
    /// # Errors
    /// As [`Directory::open_file`]; [`Error::LimitExceeded`] for more entries.
    pub fn list(&self, path: &str, max_entries: usize) -> Result<Vec<Entry>> {
        check_relative(path)?;
        let mut out = Vec::new();
        for entry in self.open_dir(path)?.entries()? {
            if out.len() == max_entries {
                return Err(Error::LimitExceeded(format!(
                    "more than {max_entries} directory entries"
                )));
            }
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            out.push(Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                kind: kind(&metadata),
                size: metadata.len(),
            });
        }
        out.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(out)
    }

    /// Kind and size of what a path names; a link at the end is not followed. `None` if it does not exist.
    ///
    /// # Errors
    /// As [`Directory::open_file`].
    pub fn stat(&self, path: &str) -> Result<Option<Entry>> {
        let found = self.parent(path).and_then(|(parent, last)| {
            let metadata = parent.dir().symlink_metadata(last).map_err(resolve_error)?;
            Ok(Entry {
                name: last.to_owned(),
                kind: kind(&metadata),
                size: metadata.len(),
            })
        });
        match found {
            Err(Error::Io(e)) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Removes a file or a link.
    ///
    /// # Errors
    /// As [`Directory::open_file`].
    pub fn remove_file(&self, path: &str) -> Result<()> {
        let (parent, last) = self.parent(path)?;
        parent
            .dir()
            .remove_file_or_symlink(last)
            .map_err(resolve_error)
    }

    /// Removes a directory; with `tree` all that is in it, never following a link.
    ///
    /// # Errors
    /// As [`Directory::open_file`]; [`Error::Refused`] for a link; [`Error::Io`] for a directory that is not empty,
    /// without `tree`.
    pub fn remove_directory(&self, path: &str, tree: bool) -> Result<()> {
        let (parent, last) = self.parent(path)?;
        let dir = parent.dir();
        if tree {
            if dir
                .symlink_metadata(last)
                .map_err(resolve_error)?
                .is_symlink()
            {
                return Err(Error::Refused("the path is a symbolic link".into()));
            }
            self.remove_tree(dir, last)
        } else {
            dir.remove_dir(last).map_err(resolve_error)
        }
    }

    /// Empties and removes directories. What lies very deep is moved up first, so that depth costs neither descriptors nor
    /// stack.
    fn remove_tree(&self, parent: &Dir, name: &str) -> Result<()> {
        let mut pending = vec![name.to_owned()];
        while let Some(name) = pending.pop() {
            self.remove_below(parent, name.as_ref(), parent, 0, &mut pending)?;
        }
        Ok(())
    }

    fn remove_below(
        &self,
        dir: &Dir,
        name: &std::path::Path,
        top: &Dir,
        depth: usize,
        pending: &mut Vec<String>,
    ) -> Result<()> {
        const DEEPEST: usize = 64;
        let child = self.enter(dir, name)?;
        for entry in child.entries()? {
            let entry = entry?;
            let inner = std::path::PathBuf::from(entry.file_name());
            if !entry.file_type()?.is_dir() {
                child
                    .remove_file_or_symlink(&inner)
                    .map_err(resolve_error)?;
            } else if depth < DEEPEST {
                self.remove_below(&child, &inner, top, depth + 1, pending)?;
            } else {
                let moved = format!(".{}.tmp", random_name(12)?);
                child.rename(&inner, top, &moved).map_err(resolve_error)?;
                pending.push(moved);
            }
        }
        // Windows keeps a directory as long as there is a handle on it.
        drop(child);
        dir.remove_dir(name).map_err(resolve_error)
    }

    /// Renames within the base; without `replace` an existing target is an error.
    ///
    /// # Errors
    /// As [`Directory::open_file`]; [`Error::Io`] for an existing target, without `replace`.
    pub fn rename(&self, from: &str, to: &str, replace: bool) -> Result<()> {
        let (from_parent, from_last) = self.parent(from)?;
        let (to_parent, to_last) = self.parent(to)?;
        if replace {
            return from_parent
                .dir()
                .rename(from_last, to_parent.dir(), to_last)
                .map_err(resolve_error);
        }
        #[cfg(target_os = "linux")]
        if !self.portable {
            return linux::rename_new(from_parent.dir(), from_last, to_parent.dir(), to_last);
        }
        rename_new(from_parent.dir(), from_last, to_parent.dir(), to_last)
    }

    /// Replaces the content of a file at once: readers see the old or the new content, nothing between,
    /// also after a crash. A link at the end is replaced, not followed.
    ///
    /// # Errors
    /// As [`Directory::open_file`].
    pub fn replace(&self, path: &str, content: &[u8], permissions: u32) -> Result<()> {
        let (parent, last) = self.parent(path)?;
        let here = Self {
            dir: parent.dir().try_clone()?,
            symlinks: self.symlinks,
            cross_mounts: self.cross_mounts,
            portable: self.portable,
        };
        let temporary = format!(".{}.tmp", random_name(12)?);
        let written = (|| {
            let mut file = here.open_file(&temporary, Mode::CreateNew, permissions)?;
            file.write_all(content)?;
            file.sync_all()?;
            here.rename(&temporary, last, true)
        })();
        match written {
            Ok(()) => here.sync(),
            Err(first) => Err(match here.remove_file(&temporary) {
                // Where the file could not even be made, there is nothing to remove.
                Ok(()) | Err(Error::Refused(_) | Error::InvalidInput(_)) => first,
                Err(Error::Io(e)) if e.kind() == std::io::ErrorKind::NotFound => first,
                Err(left) => Error::Io(std::io::Error::other(format!(
                    "{first}; and {temporary} is left behind: {left}"
                ))),
            }),
        }
    }

    /// Flushes the directory itself, so that names made in it survive a crash.
    ///
    /// # Errors
    /// [`Error::Io`] when the system says no.
    pub fn sync(&self) -> Result<()> {
        #[cfg(unix)]
        {
            use rustix::fs::{Mode as Bits, OFlags};
            // The handle itself may be a path-only one, which cannot be flushed.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::openat(&self.dir, ".", flags, Bits::empty())
                .and_then(rustix::fs::fsync)
                .map_err(|e| Error::Io(e.into()))?;
        }
        Ok(())
    }

    /// Reads a whole file of at most `max_bytes` bytes.
    ///
    /// # Errors
    /// As [`Directory::open_file`]; [`Error::LimitExceeded`] for a larger file.
    pub fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>> {
        let file = self.open_file(path, Mode::Read, 0)?;
        let size = file.metadata()?.len();
        let too_large =
            || Error::LimitExceeded(format!("the file is larger than {max_bytes} bytes"));
        if size > max_bytes {
            return Err(too_large());
        }
        let mut out = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        // The file may grow between the two calls.
        file.take(max_bytes.saturating_add(1))
            .read_to_end(&mut out)?;
        if out.len() as u64 > max_bytes {
            return Err(too_large());
        }
        Ok(out)
    }
}

/// A directory by its name in `dir`. For a link the systems say that it is no directory.
fn walk_into(dir: &Dir, name: &std::path::Path) -> Result<Dir> {
    dir.open_dir_nofollow(name).map_err(|error| {
        let link = error.kind() == std::io::ErrorKind::NotADirectory
            && dir.symlink_metadata(name).is_ok_and(|m| m.is_symlink());
        if link {
            Error::Refused("the path has a symbolic link".into())
        } else {
            resolve_error(error)
        }
    })
}

#[cfg_attr(
    not(unix),
    expect(unused_variables, reason = "no mode bits: see `open_file`")
)]
fn make_dir(dir: &Dir, name: &str, permissions: u32) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        rustix::fs::mkdirat(
            dir,
            name,
            rustix::fs::Mode::from_raw_mode((permissions & 0o777) as _),
        )
        .map_err(Into::into)
    }
    #[cfg(not(unix))]
    {
        dir.create_dir(name)
    }
}

fn rename_new(from: &Dir, from_name: &str, to: &Dir, to_name: &str) -> Result<()> {
    if from
        .symlink_metadata(from_name)
        .map_err(resolve_error)?
        .is_dir()
    {
        // Directories have no hard links. A directory that appears meanwhile is replaced by the system only if it is empty.
        return match to.symlink_metadata(to_name) {
            Ok(_) => Err(Error::Io(std::io::ErrorKind::AlreadyExists.into())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                from.rename(from_name, to, to_name).map_err(resolve_error)
            }
            Err(e) => Err(resolve_error(e)),
        };
    }
    // A hard link fails when the target exists, which a rename does not promise everywhere.
    from.hard_link(from_name, to, to_name)
        .map_err(resolve_error)?;
    from.remove_file(from_name).map_err(resolve_error)
}

fn kind(metadata: &cap_std::fs::Metadata) -> Kind {
    if metadata.is_symlink() {
        Kind::Symlink
    } else if metadata.is_dir() {
        Kind::Directory
    } else if metadata.is_file() {
        Kind::File
    } else {
        Kind::Other
    }
}

fn not_a_file() -> Error {
    Error::Refused("the path is not a regular file".into())
}

/// Says plainly which errors mean an attempt to leave the base.
fn resolve_error(error: std::io::Error) -> Error {
    #[cfg(unix)]
    match error.raw_os_error() {
        Some(libc::EXDEV) => return Error::Refused("the path leaves the base directory".into()),
        Some(libc::ELOOP) => return Error::Refused("the path has a symbolic link".into()),
        Some(libc::ENXIO) => return not_a_file(),
        _ => {}
    }
    if error.raw_os_error().is_none() && error.kind() == std::io::ErrorKind::PermissionDenied {
        return Error::Refused("the path leaves the base directory".into());
    }
    Error::Io(error)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::sync::OnceLock;

    use rustix::fs::{FileType, Mode as Bits, OFlags, ResolveFlags};
    use rustix::io::Errno;

    use super::{Dir, Directory, Mode, Symlinks, not_a_file, resolve_error};
    use crate::{Error, Result};

    /// `openat2` came with Linux 5.6, and some container profiles refuse it.
    pub(super) fn available() -> bool {
        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        *AVAILABLE.get_or_init(|| {
            rustix::fs::openat2(
                rustix::fs::CWD,
                "/",
                OFlags::PATH | OFlags::CLOEXEC,
                Bits::empty(),
                ResolveFlags::NO_MAGICLINKS,
            )
            .is_ok()
        })
    }

    fn open(directory: &Directory, path: &str, flags: OFlags, bits: Bits) -> Result<OwnedFd> {
        let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if directory.symlinks == Symlinks::Refuse {
            resolve |= ResolveFlags::NO_SYMLINKS;
        }
        if !directory.cross_mounts {
            resolve |= ResolveFlags::NO_XDEV;
        }
        // EAGAIN: something was renamed while the kernel followed a link upwards, and it could not be sure.
        for _ in 0..16 {
            match rustix::fs::openat2(&directory.dir, path, flags | OFlags::CLOEXEC, bits, resolve)
            {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other.map_err(|e| resolve_error(e.into())),
            }
        }
        Err(Error::Refused(
            "the path changed while it was resolved".into(),
        ))
    }

    pub(super) fn open_file(
        directory: &Directory,
        path: &str,
        mode: Mode,
        permissions: u32,
    ) -> Result<File> {
        let (flags, creates) = match mode {
            Mode::Read => (OFlags::RDONLY, false),
            Mode::ReadWrite => (OFlags::RDWR, false),
            Mode::Write => (OFlags::WRONLY | OFlags::CREATE, true),
            Mode::CreateNew => (OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, true),
            Mode::Append => (OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE, true),
        };
        let bits = if creates {
            Bits::from_raw_mode(permissions)
        } else {
            Bits::empty()
        };
        // NONBLOCK: a pipe put in the file's place must not hang the caller; it does nothing to a file.
        let fd = open(
            directory,
            path,
            flags | OFlags::NONBLOCK | OFlags::NOCTTY,
            bits,
        )?;
        let stat = rustix::fs::fstat(&fd).map_err(|e| Error::Io(e.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(not_a_file());
        }
        // Emptied only now, when it is known to be a regular file.
        if mode == Mode::Write && stat.st_size > 0 {
            rustix::fs::ftruncate(&fd, 0).map_err(|e| Error::Io(e.into()))?;
        }
        Ok(File::from(fd))
    }

    /// A directory by its name in `dir`.
    pub(super) fn enter(dir: &Dir, name: &std::path::Path, cross_mounts: bool) -> Result<Dir> {
        let mut resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        if !cross_mounts {
            resolve |= ResolveFlags::NO_XDEV;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat2(dir, name, flags, Bits::empty(), resolve)
            .map(|fd| Dir::from_std_file(File::from(fd)))
            .map_err(|e| resolve_error(e.into()))
    }

    pub(super) fn rename_new(from: &Dir, from_name: &str, to: &Dir, to_name: &str) -> Result<()> {
        rustix::fs::renameat_with(
            from,
            from_name,
            to,
            to_name,
            rustix::fs::RenameFlags::NOREPLACE,
        )
        .map_err(|e| resolve_error(e.into()))
    }

    pub(super) fn open_dir(directory: &Directory, path: &str) -> Result<Dir> {
        let fd = open(
            directory,
            path,
            OFlags::RDONLY | OFlags::DIRECTORY,
            Bits::empty(),
        )?;
        Ok(Dir::from_std_file(File::from(fd)))
    }
}
