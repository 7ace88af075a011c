//! Binding of `pyward_guard::paths`.

use std::io::Cursor;
use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyward_guard::paths::{
    self, ArchiveLimits, Directory, Kind, Links, Mode, Symlinks, UploadPolicy,
};

use crate::error::{InvalidInput, to_py};
use crate::number::whole;

#[pyclass(frozen, module = "pyward_guard._core")]
struct PathsDirectory(Directory);

fn mode(name: &str) -> PyResult<Mode> {
    Ok(match name {
        "r" => Mode::Read,
        "r+" => Mode::ReadWrite,
        "w" => Mode::Write,
        "x" => Mode::CreateNew,
        "a" => Mode::Append,
        _ => return Err(InvalidInput::new_err("mode is one of r, r+, w, x, a")),
    })
}

/// Hands the file over: a descriptor on Unix, a handle on Windows.
fn into_raw(file: std::fs::File) -> i64 {
    #[cfg(unix)]
    return i64::from(std::os::fd::IntoRawFd::into_raw_fd(file));
    #[cfg(windows)]
    return std::os::windows::io::IntoRawHandle::into_raw_handle(file) as i64;
}

fn entry(entry: paths::Entry) -> (String, &'static str, u64) {
    let kind = match entry.kind {
        Kind::File => "file",
        Kind::Directory => "directory",
        Kind::Symlink => "symlink",
        Kind::Other => "other",
    };
    (entry.name, kind, entry.size)
}

#[pymethods]
impl PathsDirectory {
    #[new]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        follow_symlinks: bool,
        cross_mounts: bool,
    ) -> PyResult<Self> {
        let symlinks = if follow_symlinks {
            Symlinks::Beneath
        } else {
            Symlinks::Refuse
        };
        py.detach(|| Directory::open(&path, symlinks, cross_mounts))
            .map(Self)
            .map_err(to_py)
    }

    fn open_descriptor(
        &self,
        py: Python<'_>,
        path: &str,
        mode_name: &str,
        #[pyo3(from_py_with = whole)] permissions: u32,
    ) -> PyResult<i64> {
        let mode = mode(mode_name)?;
        py.detach(|| self.0.open_file(path, mode, permissions))
            .map(into_raw)
            .map_err(to_py)
    }

    fn open_directory(&self, py: Python<'_>, path: &str) -> PyResult<Self> {
        py.detach(|| self.0.open_directory(path))
            .map(Self)
            .map_err(to_py)
    }

    fn create_directory(
        &self,
        py: Python<'_>,
        path: &str,
        parents: bool,
        #[pyo3(from_py_with = whole)] permissions: u32,
    ) -> PyResult<()> {
        py.detach(|| {
            if parents {
                self.0.create_directories(path, permissions)
            } else {
                self.0.create_directory(path, permissions)
            }
        })
        .map_err(to_py)
    }

    fn list(
        &self,
        py: Python<'_>,
        path: &str,
        #[pyo3(from_py_with = whole)] max_entries: usize,
    ) -> PyResult<Vec<(String, &'static str, u64)>> {
        let entries = py
            .detach(|| self.0.list(path, max_entries))
            .map_err(to_py)?;
        Ok(entries.into_iter().map(entry).collect())
    }

    fn stat(&self, py: Python<'_>, path: &str) -> PyResult<Option<(String, &'static str, u64)>> {
        Ok(py.detach(|| self.0.stat(path)).map_err(to_py)?.map(entry))
    }

    fn remove_file(&self, py: Python<'_>, path: &str) -> PyResult<()> {
        py.detach(|| self.0.remove_file(path)).map_err(to_py)
    }

    fn remove_directory(&self, py: Python<'_>, path: &str, tree: bool) -> PyResult<()> {
        py.detach(|| self.0.remove_directory(path, tree))
            .map_err(to_py)
    }

    fn rename(&self, py: Python<'_>, source: &str, target: &str, replace: bool) -> PyResult<()> {
        py.detach(|| self.0.rename(source, target, replace))
            .map_err(to_py)
    }

    fn replace(
        &self,
        py: Python<'_>,
        path: &str,
        content: &[u8],
        #[pyo3(from_py_with = whole)] permissions: u32,
    ) -> PyResult<()> {
        py.detach(|| self.0.replace(path, content, permissions))
            .map_err(to_py)
    }

    fn read<'py>(
        &self,
        py: Python<'py>,
        path: &str,
        #[pyo3(from_py_with = whole)] max_bytes: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let content = py.detach(|| self.0.read(path, max_bytes)).map_err(to_py)?;
        Ok(PyBytes::new(py, &content))
    }

    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.0.sync()).map_err(to_py)
    }

    /// The archive is a path (trusted) or its content.
    #[pyo3(signature = (path, content, destination, limits))]
    fn extract(
        &self,
        py: Python<'_>,
        path: Option<PathBuf>,
        content: Option<&[u8]>,
        destination: &str,
        limits: &PathsArchiveLimits,
    ) -> PyResult<(String, Vec<String>, u64, u64, u64)> {
        let report = py
            .detach(|| match (path, content) {
                (Some(path), None) => {
                    paths::extract(std::fs::File::open(path)?, &self.0, destination, &limits.0)
                }
                (None, Some(content)) => {
                    paths::extract(Cursor::new(content), &self.0, destination, &limits.0)
                }
                _ => Err(pyward_guard::Error::InvalidInput(
                    "give a path or the content".into(),
                )),
            })
            .map_err(to_py)?;
        Ok((
            report.format,
            report.files,
            report.directories,
            report.total_bytes,
            report.skipped_links,
        ))
    }
}

#[pyclass(frozen, module = "pyward_guard._core")]
struct PathsArchiveLimits(ArchiveLimits);

#[pymethods]
impl PathsArchiveLimits {
    #[new]
    #[allow(clippy::too_many_arguments)] // one argument a bound, given by name
    #[pyo3(signature = (*, max_archive_bytes, max_entries, max_file_bytes, max_total_bytes, max_ratio, max_depth, skip_links, file_permissions, directory_permissions))]
    fn new(
        #[pyo3(from_py_with = whole)] max_archive_bytes: u64,
        #[pyo3(from_py_with = whole)] max_entries: u64,
        #[pyo3(from_py_with = whole)] max_file_bytes: u64,
        #[pyo3(from_py_with = whole)] max_total_bytes: u64,
        #[pyo3(from_py_with = whole)] max_ratio: u64,
        #[pyo3(from_py_with = whole)] max_depth: usize,
        skip_links: bool,
        #[pyo3(from_py_with = whole)] file_permissions: u32,
        #[pyo3(from_py_with = whole)] directory_permissions: u32,
    ) -> Self {
        Self(ArchiveLimits {
            max_archive_bytes,
            max_entries,
            max_file_bytes,
            max_total_bytes,
            max_ratio,
            max_depth,
            links: if skip_links {
                Links::Skip
            } else {
                Links::Refuse
            },
            file_permissions,
            directory_permissions,
        })
    }
}

#[pyclass(frozen, module = "pyward_guard._core")]
struct PathsUploadPolicy(UploadPolicy);

type AcceptedTuple = (String, String, String, Option<(u64, u64)>);

#[pymethods]
impl PathsUploadPolicy {
    #[new]
    fn new(
        types: Vec<String>,
        #[pyo3(from_py_with = whole)] max_bytes: u64,
        #[pyo3(from_py_with = whole)] max_pixels: u64,
    ) -> PyResult<Self> {
        let types: Vec<&str> = types.iter().map(String::as_str).collect();
        UploadPolicy::new(&types, max_bytes, max_pixels)
            .map(Self)
            .map_err(to_py)
    }

    fn check(
        &self,
        head: &[u8],
        #[pyo3(from_py_with = whole)] size: u64,
        name: &str,
        declared_type: Option<&str>,
    ) -> PyResult<AcceptedTuple> {
        let ok = paths::check_upload(&self.0, head, size, name, declared_type).map_err(to_py)?;
        Ok((
            ok.media_type,
            ok.stored_name,
            ok.display_name,
            ok.dimensions,
        ))
    }
}

#[pyfunction]
fn paths_check_relative(path: &str) -> PyResult<()> {
    paths::check_relative(path).map_err(to_py)
}

#[pyfunction]
fn paths_is_device_name(name: &str) -> bool {
    paths::is_device_name(name)
}

#[pyfunction]
fn paths_safe_name(name: &str, #[pyo3(from_py_with = whole)] max_bytes: usize) -> PyResult<String> {
    paths::safe_name(name, max_bytes).map_err(to_py)
}

#[pyfunction]
fn paths_sniff(content: &[u8]) -> Option<&'static str> {
    paths::sniff(content)
}

#[pyfunction]
fn paths_resolution() -> &'static str {
    paths::resolution()
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PathsDirectory>()?;
    module.add_class::<PathsArchiveLimits>()?;
    module.add_class::<PathsUploadPolicy>()?;
    module.add_function(wrap_pyfunction!(paths_check_relative, module)?)?;
    module.add_function(wrap_pyfunction!(paths_is_device_name, module)?)?;
    module.add_function(wrap_pyfunction!(paths_safe_name, module)?)?;
    module.add_function(wrap_pyfunction!(paths_sniff, module)?)?;
    module.add_function(wrap_pyfunction!(paths_resolution, module)?)?;
    Ok(())
}
