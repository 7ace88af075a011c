//! Parsing and lowering speed, on one core.
//!
//! `PYWARD_BENCH_DIR=dir cargo bench -p pyward_syntax` measures all `.py` files below `dir` as well.

use std::path::Path;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use pyward_syntax::{Options, lower};

fn main() {
    divan::main();
}

fn collect(dir: &Path, out: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && !path.is_symlink() {
            collect(&path, out);
        } else if path.extension().is_some_and(|e| e == "py") {
            out.extend(std::fs::read_to_string(&path));
        }
    }
}

fn run(bencher: Bencher<'_, '_>, texts: &[String]) {
    let bytes: usize = texts.iter().map(String::len).sum();
    let lines: usize = texts.iter().map(|t| t.lines().count()).sum();
    bencher
        .counter(BytesCount::new(bytes))
        .counter(ItemsCount::new(lines))
        .bench(|| {
            for text in texts {
                divan::black_box(lower(text, Options::default()));
            }
        });
}

/// Lines a second of ordinary code.
#[divan::bench(sample_count = 20)]
fn ordinary(bencher: Bencher<'_, '_>) {
    let unit = "
class Store(Base):
    '''Keeps rows.'''
    table: str = 'rows'
    def __init__(self, path, *, timeout=5):
        self.path = path
        self._rows = {}
    def load(self, name):
        with open(os.path.join(self.path, f'{name}.json')) as file:
            data = json.load(file)
        for key, value in data.items():
            if key not in self._rows and value is not None:
                self._rows[key] = [Row(x, key=lambda r: r.id) for x in value if x]
        try:
            return self._rows[name]
        except KeyError as error:
            raise LookupError(name) from error
";
    run(bencher, &[unit.repeat(1000)]);
}

/// A directory of real code.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn directory(bencher: Bencher<'_, '_>) {
    let mut texts = Vec::new();
    if let Some(dir) = std::env::var_os("PYWARD_BENCH_DIR") {
        collect(Path::new(&dir), &mut texts);
    }
    run(bencher, &texts);
}
