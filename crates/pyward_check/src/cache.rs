//! The cache of whole results.
//!
//! An entry's name is a keyed hash of everything that a result depends on: the program itself, the catalogue, the
//! settings of the engine and every byte of every file. Any change misses. The key is a random one of the user's
//! own, kept outside the project: a project under check cannot bring entries that hide its findings.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use pyward_project::{Project, Settings};
use rayon::prelude::*;

use crate::engine::EngineResult;

/// Entries kept; the oldest go first.
const MAX_ENTRIES: usize = 16;

pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; 32],
    name: String,
}

impl Cache {
    /// The cache entry for these inputs; none where no key or folder can be had.
    pub(crate) fn open(
        settings: &Settings,
        project: &Project,
        templates: &HashMap<String, String>,
        options: pyward_flow::Options,
    ) -> Option<Self> {
        let key = user_key()?;
        let root = project.roots.first()?;
        let folder = root.path.join(&settings.config.cache_dir);
        let name = name(&key, settings, project, templates, options)?;
        Some(Self { folder, key, name })
    }

    pub(crate) fn load(&self) -> Option<EngineResult> {
        let bytes = fs::read(self.folder.join(&self.name)).ok()?;
        let (mac, content) = bytes.split_at_checked(64)?;
        // Content that was not written with this user's key is no content.
        let expected = blake3::keyed_hash(&self.key, content).to_hex();
        if expected.as_bytes() != mac {
            return None;
        }
        serde_json::from_slice(content).ok()
    }

    /// Keeps a result. A cache that cannot be written is no reason to complain.
    pub(crate) fn store(&self, result: &EngineResult) {
        let _ = self.try_store(result);
    }

    fn try_store(&self, result: &EngineResult) -> std::io::Result<()> {
        if !self.folder.is_dir() {
            fs::create_dir_all(&self.folder)?;
            fs::write(self.folder.join(".gitignore"), "*\n")?;
            fs::write(
                self.folder.join("CACHEDIR.TAG"),
                "Signature: 8a477f597d28d172789f06886806bc55\n",
            )?;
        }
        let content = serde_json::to_vec(result)?;
        let mac = blake3::keyed_hash(&self.key, &content).to_hex();
        let temporary = self
            .folder
            .join(format!("{}.{}.tmp", self.name, std::process::id()));
        let mut file = fs::File::create(&temporary)?;
        file.write_all(mac.as_bytes())?;
        file.write_all(&content)?;
        drop(file);
        fs::rename(&temporary, self.folder.join(&self.name))?;
        prune(&self.folder)
    }
}

/// Deletes the oldest entries.
fn prune(folder: &Path) -> std::io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("result-"))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    entries.sort();
    let surplus = entries.len().saturating_sub(MAX_ENTRIES);
    for (_, path) in entries.into_iter().take(surplus) {
        fs::remove_file(path)?;
    }
    Ok(())
}

fn name(
    key: &[u8; 32],
    settings: &Settings,
    project: &Project,
    templates: &HashMap<String, String>,
    options: pyward_flow::Options,
) -> Option<String> {
    let mut hasher = blake3::Hasher::new_keyed(key);
    let mut add = |part: &[u8]| {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    };
    add(env!("CARGO_PKG_VERSION").as_bytes());
    // The program itself, which holds the catalogue: a rebuilt one is another.
    let program = std::env::current_exe().ok()?;
    let metadata = program.metadata().ok()?;
    let modified = metadata.modified().ok()?;
    let age = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    add(&age.as_nanos().to_le_bytes());
    add(&metadata.len().to_le_bytes());
    add(format!("{options:?} {}", settings.config.tests).as_bytes());
    let config = &settings.config;
    add(format!("{:?}", config.inline_models()).as_bytes());
    for model in &config.models {
        add(model.get_ref().as_bytes());
        add(&fs::read(settings.resolve(model.get_ref())).unwrap_or_default());
    }
    add(format!("{:?}", config.import_roots).as_bytes());
    let hashes: Vec<_> = project
        .files
        .par_iter()
        .map(|file| blake3::hash(file.text.as_bytes()))
        .collect();
    for (file, hash) in project.files.iter().zip(hashes) {
        add(file.shown.as_bytes());
        add(file.path.as_os_str().as_encoded_bytes());
        add(file.relative.as_bytes());
        add(&[file.kind as u8]);
        add(hash.as_bytes());
    }
    let templates: BTreeMap<&String, &String> = templates.iter().collect();
    for (name, text) in templates {
        add(name.as_bytes());
        add(text.as_bytes());
    }
    Some(format!("result-{}", &hasher.finalize().to_hex()[..40]))
}

/// The user's key, made when there is none.
fn user_key() -> Option<[u8; 32]> {
    let folder = user_cache_folder()?.join("pyward");
    let path = folder.join("cache-key");
    if let Ok(bytes) = fs::read(&path) {
        return bytes.try_into().ok();
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).ok()?;
    fs::create_dir_all(&folder).ok()?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(mut file) => {
            file.write_all(&key).ok()?;
            Some(key)
        }
        // Another process was first.
        Err(_) => fs::read(&path).ok()?.try_into().ok(),
    }
}

fn user_cache_folder() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    if cfg!(windows) {
        return absolute("LOCALAPPDATA");
    }
    absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))
}
