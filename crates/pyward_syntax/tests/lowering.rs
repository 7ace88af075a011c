//! Snapshots of the IR of small snippets, one per construct.

use pyward_syntax::{Options, dump, lower};

macro_rules! snippets {
    ($($name:ident: $source:expr;)*) => {
        $(
            #[test]
            fn $name() {
                let source: &str = $source;
                let dumped = dump(&lower(source, Options::default()));
                let shown = format!("{}\n----\n{dumped}", source.trim());
                insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
                    insta::assert_snapshot!(stringify!($name), shown);
                });
            }
        )*
    };
}

snippets! {
    literals: r#"
x = [None, True, False, ..., 1, 0x10, 1_000, 99999999999999999999, 1.5, 2j, "a\tb", b"\xff\x00", "a" "b", b"a" b"b"]
"#;
    operators: "
x = a + b * c - d / e // f % g ** h @ i
x = a << 1 | b >> 2 & c ^ ~d
x = not a and b or -c
x = a < b <= c != d
x = a in b, a not in b, a is b, a is not b
x = 1 if a else 2
";
    collections: "
x = (1, *a), [1, *a], {1, *a}, {'k': 1, **a}
x = (), [], {}
x = a[1], a[1:2], a[::2], a[:, ..., 1], a[b, c]
";
    calls: "
f(1, *a, k=2, *b, **c)
f(x for x in y)
a.b.c(d)(e)[f].g()
";
    fstrings: r#"
x = f"a{b}c{{}}{d!r:>{width}.{n}}{e:%Y}" "tail" f"{g=}" f"{h = :.2f}"
x = f"plain" "and {not} this"
x = f"{f'{a}' + "b"}"
x = rf"\d{a}\n"
x = f"""
{a['k']}"""
"#;
    tstrings: r#"
x = t"a{b!s:c}" t"d"
x = t"plain"
"#;
    assignments: "
a = b = 1
a, (b, *c) = d
[a, b] = d
a.b = c[d] = 1
a += 1
a.b[c] @= 2
x: int = 1
y: str
a.b: int = 3
del a, b.c, d[0], (e, f)
";
    function_scopes: "
top = 1
def f(a, /, b, *args, c=top, d: int, **kw) -> str:
    local = a
    def g():
        nonlocal local
        global made
        local = b
        made = c
        return inner(d)
    def inner(x): return x, top, len, later
    later = 2
    return g
";
    closures_through_levels: "
def a():
    x = 1
    def b():
        def c():
            return x
        return c
    def d():
        x = 2
        return lambda: x
    return b, d
";
    class_scopes: "
limit = 1
class A(Base, metaclass=M, flag=True, **options):
    limit = limit
    other = limit
    size = [limit for _ in range(other)]
    def method(self, n=other):
        return limit, other, n
    class B:
        x = other
        def m(self): return B
    if flag:
        def conditional(self): pass
    f = lambda self: limit
def f():
    y = 1
    class C:
        z = y
        def y(self): return y
    return C
";
    mangling: "
class _Vault(__Base):
    __slots__ = ()
    __key = 1
    def __open(self, __arg):
        self.__key = __arg
        other.__x.__y__(__k=self.__open)
        def inner():
            return self.__z, __key
class __:
    def f(self): return self.__a
def g(o): return o.__b
";
    comprehensions: "
def f(rows):
    a = [x for x in rows if x if y]
    b = {k: v for k, v in rows.items()}
    c = {x for row in rows for x in row}
    d = (lambda: x for x in x)
    return [(last := x) for x in rows], last
z = [i for i in i]
w = [(n := i) for i in z]
fs = [lambda: i for i in z]
async def g(): return [x async for x in y if await x]
";
    comprehension_in_class: "
class A:
    xs = [1]
    ys = [lambda: x for x in xs if ys]
";
    walrus: "
if (n := len(a)) > 1: print(n)
def f():
    while chunk := read():
        use(chunk)
    any((hit := x) for x in y)
    g = lambda: (inner := 1)
    return hit, inner
";
    control_flow: "
def f():
    if a: b
    elif c: d
    elif e: pass
    else: g
    while a:
        break
    else: b
    for i, j in a:
        continue
    else:
        b
    with open(a) as f, b, c() as (d, e.f):
        pass
    assert a, b
    assert a
    raise
    raise A from b
    return
";
    try_statements: "
try:
    a
except A: pass
except (B, C) as e:
    use(e)
except:
    ...
else:
    b
finally:
    c
try:
    a
except* D as group:
    raise
for i in x:
    try: a
    except E: continue
    except F: log()
";
    matches: "
def f(command):
    match command.split(), 1:
        case [a, 'x' | 'y' as b, *rest] if a: one
        case {'k': v, C.D: None, **others}: two
        case Point(0, y=-1) | Point(x=1.5): three
        case str() | True: four
        case [*_]: five
        case (1 | 2): six
        case _: seven
";
    async_and_generators: "
async def f(a):
    async with a as b:
        async for c in b:
            await c
            yield c
    await d
def g():
    x = yield
    yield from x
    yield 1, 2
def h():
    return (lambda: (yield))
";
    decorators: "
@app.route('/x', methods=['GET'])
@login
def f(): pass
@dataclass(frozen=True)
class A:
    # comment
    @property
    def p(self): return 1
    @p.setter
    def p(self, value): ...
";
    imports: "
import os
import os.path
import a.b as c, d
from . import e
from ..f import g as h
from i.j import (k, l,)
from m import *
def f():
    import os, n.o
    from p import q
    return os, n, q
";
    annotations: r#"
from __future__ import annotations
x: "Foo[Bar]" = 1
y: Optional["a.Foo"]
def f(a: "list[int]", b: Literal["r", "w"], c: Annotated["T", "meta"], *d: "Foo", e: "not valid (") -> "Foo | None": pass
A: TypeAlias = "list[Foo]"
z: "\x46oo['\u00e9']"
w: """ A
| B"""
"#;
    type_parameters: "
def f[T: Bound, *Ts, **P = [int]](x: T, *args: P.args) -> T:
    y: T = x
    return y
class A[T](Base[T]):
    attr: T
    def m(self, t: T) -> 'T': return T
type Alias[K] = dict[K, 'A']
";
    globals_and_nonlocals: "
counter = 0
def bump():
    global counter, fresh
    counter += 1
    fresh = 1
    def inner(): return counter
def outer():
    global shared
    def inner(): return shared
    def other():
        shared = 1
class A:
    global in_class
    in_class = 1
    def m(self): return in_class
";
    exports: "
__all__ = ['a', 'b'] + ('c',)
__all__ += ['d']
__all__.extend(('e', 'f'))
__all__.append('g')
__all__.remove('a')
";
    unknown_exports: "
__all__ = ['a'] + other.__all__
";
    docstrings: r#"
"""Module."""
def f():
    """Function."""
    1
    f"{x}"
    ...
"#;
    default_arguments: "
def f(a=[], b=g(), c=lambda a: a):
    pass
h = lambda a, *b, c=1, **d: (a, b, c, d)
";
    syntax_errors: "
def f(:
    return 1
x = = 2
y = f(1,
class A:
    def g(self):
        self.
        return a +
z = 3
f() = 1
";
    bare_star_expressions: "
print(*a, sep='')
a = *b, c
for x in *a, b: pass
return_ = yield_
x[*a]
";
    unicode_names: "
naïve = 'ünï'
π = naïve
";
}

#[test]
fn stubs_read_names_bound_later() {
    let source = "class A:\n    x: B\n    def B(self): ...\n    y: B\n";
    let plain = dump(&lower(source, Options::default()));
    let options = Options {
        is_stub: true,
        ..Options::default()
    };
    let stub = dump(&lower(source, options));
    assert!(plain.contains("x.0: @B"), "{plain}");
    assert!(stub.contains("x.0: B.1"), "{stub}");
}

#[test]
fn notebooks_may_hold_escape_commands() {
    let source = "%matplotlib inline\nx = !ls\n!pip install a\ny = 1\n";
    let options = Options {
        is_notebook: true,
        ..Options::default()
    };
    let file = lower(source, options);
    assert_eq!(file.diagnostics, []);
    assert_eq!(file.stmts.len(), 2);
    assert!(!lower(source, Options::default()).diagnostics.is_empty());
}

#[test]
fn spans_point_at_headers() {
    let source = "@d\n# c\ndef f(a) -> int:\n    pass\nwhile  x :\n    y\nclass A(B):\n    z = 1\n";
    let file = lower(source, Options::default());
    let body = &file.functions[0].body;
    let texts: Vec<_> = body
        .iter()
        .map(|&id| file.stmt(id).span)
        .map(|s| &source[s.start as usize..s.end as usize])
        .collect();
    assert_eq!(texts, ["def f(a) -> int", "while  x", "class A(B)"]);
    let function = &file.functions[1];
    assert_eq!(function.span.start, 0);
    assert_eq!(function.name_span.start, 11);
}
