//! Modules, imports and order of small projects.

use std::path::Path;

use pyward_ir::{FunctionKind, Symbol};
use pyward_program::{
    FileId, FunctionId, Imported, ModuleTarget, Program, ProgramFile, call_levels,
};
use pyward_syntax::{Options, lower};

fn program(files: &[(&str, &str)]) -> Program {
    let files = files.iter().map(|(path, text)| ProgramFile {
        path: path.into(),
        is_test: false,
        ir: lower(text, Options::default()),
    });
    Program::new(files.collect())
}

fn file(program: &Program, path: &str) -> FileId {
    program.file_at(Path::new(path)).expect("the file is there")
}

/// Path of what `import module` in a file means; `path/` for a namespace package.
fn import(program: &Program, from: &str, level: u32, module: &str) -> Option<String> {
    let module = (!module.is_empty()).then(|| Symbol::new(module));
    show(
        program,
        program.resolve_import(file(program, from), level, module),
    )
}

fn show(program: &Program, target: Option<ModuleTarget>) -> Option<String> {
    Some(match target? {
        ModuleTarget::File(file) => program.path(file).display().to_string(),
        ModuleTarget::Namespace(_) => "namespace".to_owned(),
    })
}

#[track_caller]
fn check(program: &Program, from: &str, level: u32, module: &str, expected: &str) {
    let found = import(program, from, level, module);
    let expected = (!expected.is_empty()).then(|| expected.to_owned());
    assert_eq!(
        found,
        expected,
        "{} {module} in {from}",
        ".".repeat(level as usize)
    );
}

fn name(program: &Program, path: &str) -> &'static str {
    program.module_name(file(program, path)).as_str()
}

#[test]
fn packages() {
    let p = program(&[
        ("app/__init__.py", ""),
        ("app/main.py", "import app.db\nfrom . import db"),
        ("app/db.py", ""),
        ("app/web/__init__.py", ""),
        ("app/web/views.py", ""),
        ("setup.py", ""),
    ]);
    check(&p, "app/main.py", 0, "app", "app/__init__.py");
    check(&p, "app/main.py", 0, "app.db", "app/db.py");
    check(&p, "app/main.py", 0, "app.web", "app/web/__init__.py");
    check(&p, "app/main.py", 0, "app.nothing", "");
    check(&p, "app/main.py", 0, "app.db.more", "");
    check(&p, "app/main.py", 0, "db", "");
    check(&p, "app/main.py", 0, "flask", "");
    check(&p, "app/main.py", 1, "", "app/__init__.py");
    check(&p, "app/main.py", 1, "web.views", "app/web/views.py");
    check(&p, "app/web/views.py", 2, "db", "app/db.py");
    check(&p, "app/web/__init__.py", 1, "views", "app/web/views.py");
    check(&p, "app/web/views.py", 9, "db", "");
    check(&p, "setup.py", 0, "app.web.views", "app/web/views.py");
    assert_eq!(name(&p, "app/web/views.py"), "app.web.views");
    assert_eq!(name(&p, "app/web/__init__.py"), "app.web");
    assert_eq!(name(&p, "setup.py"), "setup");
    assert_eq!(
        p.file_named(Symbol::new("app.db")),
        Some(file(&p, "app/db.py"))
    );
}

#[test]
fn source_directories_and_tests() {
    let p = program(&[
        ("src/pkg/__init__.py", ""),
        ("src/pkg/core.py", ""),
        ("tests/test_core.py", "import pkg.core"),
        ("tests/helpers.py", ""),
        ("tests/fixtures/flask/__init__.py", ""),
        ("docs/conf.py", ""),
    ]);
    check(&p, "tests/test_core.py", 0, "pkg.core", "src/pkg/core.py");
    check(&p, "tests/test_core.py", 0, "helpers", "tests/helpers.py");
    check(&p, "src/pkg/core.py", 0, "helpers", "");
    check(&p, "src/pkg/core.py", 0, "flask", "");
    check(&p, "src/pkg/core.py", 0, "conf", "");
    assert_eq!(name(&p, "src/pkg/core.py"), "pkg.core");
    assert_eq!(name(&p, "tests/test_core.py"), "tests.test_core");
}

#[test]
fn several_roots() {
    let p = program(&[
        ("services/a/main.py", "import utils"),
        ("services/a/utils.py", ""),
        ("services/b/main.py", "import utils, only"),
        ("services/b/utils.py", ""),
        ("services/b/only.py", ""),
        ("services/c/main.py", ""),
        ("packages/one/src/shared/__init__.py", ""),
        ("packages/two/src/tool/__init__.py", "import shared"),
    ]);
    check(&p, "services/a/main.py", 0, "utils", "services/a/utils.py");
    check(&p, "services/b/main.py", 0, "utils", "services/b/utils.py");
    check(&p, "services/c/main.py", 0, "utils", "");
    check(&p, "services/c/main.py", 0, "only", "services/b/only.py");
    let shared = "packages/one/src/shared/__init__.py";
    check(&p, "packages/two/src/tool/__init__.py", 0, "shared", shared);
    assert_eq!(name(&p, shared), "shared");
    assert_eq!(name(&p, "services/a/utils.py"), "services.a.utils");
}

#[test]
fn namespace_packages() {
    let p = program(&[
        ("packages/x/src/ns/x/__init__.py", ""),
        ("packages/x/src/ns/x/m.py", ""),
        ("packages/y/src/ns/y.py", "from ns import x"),
        ("app/api/users.py", "from app.db import models"),
        ("app/db/models.py", ""),
        ("flask/app.py", "from flask import Flask"),
    ]);
    check(
        &p,
        "packages/y/src/ns/y.py",
        0,
        "ns.x.m",
        "packages/x/src/ns/x/m.py",
    );
    check(&p, "packages/y/src/ns/y.py", 0, "ns", "namespace");
    let from = file(&p, "packages/y/src/ns/y.py");
    let ns = p.resolve_import(from, 0, Some(Symbol::new("ns"))).unwrap();
    let x = p.submodule(ns, Symbol::new("x"));
    assert_eq!(show(&p, x).unwrap(), "packages/x/src/ns/x/__init__.py");
    check(
        &p,
        "app/api/users.py",
        0,
        "app.db.models",
        "app/db/models.py",
    );
    let app = file(&p, "flask/app.py");
    let flask = Some(Symbol::new("flask"));
    assert_eq!(
        p.resolve_from_import(app, 0, flask, Symbol::new("Flask")),
        None
    );
    assert_eq!(name(&p, "packages/x/src/ns/x/m.py"), "ns.x.m");
    assert_eq!(name(&p, "app/api/users.py"), "app.api.users");
}

#[test]
fn names_of_libraries_are_not_siblings_in_packages() {
    let p = program(&[
        ("lib2/backends/__init__.py", "from .redis import Client"),
        ("lib2/backends/redis.py", "import redis"),
        ("lib2/backends/cache.py", "import redis"),
        ("lib2/__init__.py", ""),
        ("scripts/json.py", ""),
        ("scripts/run.py", "import json"),
        ("scripts/deep/other.py", "import json"),
        ("redis.py", "import redis"),
    ]);
    check(&p, "lib2/backends/cache.py", 0, "redis", "redis.py");
    check(&p, "redis.py", 0, "redis", "");
    check(&p, "scripts/run.py", 0, "json", "scripts/json.py");
    check(&p, "scripts/deep/other.py", 0, "json", "");
    check(&p, "lib2/backends/cache.py", 0, "json", "");
}

#[test]
fn packages_used_as_script_directories() {
    let p = program(&[
        ("web/__init__.py", ""),
        ("web/main.py", "from models import User"),
        ("web/models.py", ""),
        ("web/routes/__init__.py", ""),
        ("web/routes/users.py", "from models import User"),
    ]);
    check(&p, "web/main.py", 0, "models", "web/models.py");
    check(&p, "web/routes/users.py", 0, "models", "web/models.py");
}

#[test]
fn stubs() {
    let p = program(&[
        ("a.py", ""),
        ("a.pyi", ""),
        ("b.pyi", ""),
        ("pkg/__init__.pyi", ""),
        ("run", ""),
        ("use.py", "import a, b, pkg"),
    ]);
    check(&p, "use.py", 0, "a", "a.py");
    check(&p, "use.py", 0, "b", "b.pyi");
    check(&p, "use.py", 0, "pkg", "pkg/__init__.pyi");
    check(&p, "use.py", 0, "run", "");
    assert_eq!(p.stub_of(file(&p, "a.py")), Some(file(&p, "a.pyi")));
    assert_eq!(p.stub_of(file(&p, "use.py")), None);
}

#[test]
fn from_imports_prefer_what_the_package_defines() {
    let p = program(&[
        ("pkg/__init__.py", "def run(): pass\nx = 1\n"),
        ("pkg/run.py", ""),
        ("pkg/sub.py", ""),
        ("use.py", "from pkg import run, sub, x"),
    ]);
    let (use_, pkg) = (file(&p, "use.py"), Some(Symbol::new("pkg")));
    let of = |name| p.resolve_from_import(use_, 0, pkg, Symbol::new(name));
    let init = file(&p, "pkg/__init__.py");
    assert_eq!(of("run"), Some(Imported::Member(init)));
    assert_eq!(of("x"), Some(Imported::Member(init)));
    let sub = ModuleTarget::File(file(&p, "pkg/sub.py"));
    assert_eq!(of("sub"), Some(Imported::Module(sub)));
}

#[test]
fn imports_come_first() {
    let p = program(&[
        (
            "a.py",
            "import b\nclass A:\n    import e\ndef f():\n    import late\n",
        ),
        (
            "b.py",
            "from pkg import c\ntry:\n    import cycle1\nexcept E: pass",
        ),
        ("pkg/__init__.py", ""),
        ("pkg/c.py", "from .d import x"),
        ("pkg/d.py", ""),
        ("cycle1.py", "import cycle2"),
        ("cycle2.py", "import cycle1"),
        ("e.py", ""),
        ("late.py", "import a"),
    ]);
    let levels: Vec<Vec<_>> = p
        .import_levels()
        .iter()
        .map(|level| level.iter().map(|&f| p.path(f).to_str().unwrap()).collect())
        .collect();
    assert_eq!(
        levels,
        [
            vec![
                "cycle1.py",
                "cycle2.py",
                "e.py",
                "pkg/__init__.py",
                "pkg/d.py"
            ],
            vec!["pkg/c.py"],
            vec!["b.py"],
            vec!["a.py"],
            vec!["late.py"],
        ]
    );
    assert_eq!(p.import_order().count(), p.len());
}

/// Level of the function with a qualified name, such as `file.py:Class.method`.
struct Levels<'p>(&'p Program, Vec<Vec<FunctionId>>);

impl Levels<'_> {
    #[track_caller]
    fn of(&self, name: &str) -> usize {
        let (path, qualname) = name.split_once(':').unwrap();
        let file = file(self.0, path);
        let is_it =
            |f: &FunctionId| f.file == file && self.0.function(*f).qualname.as_str() == qualname;
        let found = self.1.iter().position(|level| level.iter().any(is_it));
        found.unwrap_or_else(|| panic!("{name} has a level"))
    }
}

#[test]
fn callees_come_first() {
    let p = program(&[
        (
            "app.py",
            "
from lib import helper, Base as B, make
import lib, pkg.deep
from star import *

class C(B):
    def __init__(self, x: B):
        self.other = x
        self.tool = lib.Tool()
    def run(self):
        self.step()
        self.inherited()
    def step(self): super().step()
    def through(self):
        self.other.step()
        self.tool.use()

def main():
    C(1).run()
    helper()
    pkg.deep.dive()
    starred()

def local_variable():
    t = lib.Tool()
    t.use()
    with make() as m: m.use()

def callback(xs): return map(main, xs)

def even(n): return odd(n - 1)
def odd(n): return even(n - 1)

def outer():
    def inner(): return leaf()
    return inner, (lambda: inner())
def leaf(): pass
",
        ),
        (
            "lib.py",
            "
def helper(): return low()
def low(): pass
class Base:
    def step(self): low()
    def inherited(self): helper()
class Tool:
    def use(self): helper()
def make() -> 'Tool': return Tool()
",
        ),
        ("pkg/__init__.py", ""),
        (
            "pkg/deep.py",
            "from lib import helper as h\ndef dive(): h()\n",
        ),
        ("star.py", "def starred(): pass\n"),
    ]);
    let levels = Levels(&p, call_levels(&p));
    let before = |a: &str, b: &str| assert!(levels.of(a) < levels.of(b), "{a} before {b}");
    before("lib.py:low", "lib.py:helper");
    before("lib.py:low", "lib.py:Base.step");
    before("lib.py:Base.step", "app.py:C.step");
    before("app.py:C.step", "app.py:C.run");
    before("lib.py:Base.inherited", "app.py:C.run");
    before("lib.py:Base.step", "app.py:C.through");
    before("lib.py:Tool.use", "app.py:C.through");
    before("app.py:C.run", "app.py:main");
    before("app.py:C.__init__", "app.py:main");
    before("pkg/deep.py:dive", "app.py:main");
    before("lib.py:helper", "pkg/deep.py:dive");
    before("star.py:starred", "app.py:main");
    before("lib.py:Tool.use", "app.py:local_variable");
    before("lib.py:make", "app.py:local_variable");
    before("app.py:main", "app.py:callback");
    before("app.py:outer", "app.py:outer.inner");
    before("app.py:leaf", "app.py:outer.inner");
    before("app.py:outer.inner", "app.py:outer.<lambda>");
    assert_eq!(levels.of("app.py:even"), levels.of("app.py:odd"));
    let total: usize = levels.1.iter().map(Vec::len).sum();
    let is_code = |f: &FunctionId| {
        let kind = p.function(*f).kind;
        matches!(kind, FunctionKind::Def | FunctionKind::Lambda)
    };
    assert_eq!(total, p.function_ids().filter(is_code).count());
}

#[test]
fn order_does_not_depend_on_the_input() {
    let files = [
        ("b/x.py", "import a\ndef f(): a.g()"),
        ("a.py", "def g(): pass"),
        ("c.py", "from b.x import f\ndef h(): f()"),
    ];
    let mut reversed = files;
    reversed.reverse();
    let (p, q) = (program(&files), program(&reversed));
    assert_eq!(p.import_levels(), q.import_levels());
    assert_eq!(call_levels(&p), call_levels(&q));
    assert_eq!(p.path(FileId(0)), Path::new("a.py"));
}
