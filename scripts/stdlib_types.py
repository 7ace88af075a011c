#!/usr/bin/env python3
"""Writes crates/pyward_stubs/data/stdlib-types.txt: types of the standard library's functions and attributes.

usage: stdlib_types.py TYPESHED_STDLIB ORIGIN > stdlib-types.txt

TYPESHED_STDLIB is the `stdlib` directory of typeshed, such as `mypy/typeshed/stdlib` in the wheel that
`pip download --no-deps mypy` fetches; ORIGIN names it in the file's head. Only facts are taken: which class a
call returns, of which class an attribute is, which bases a class has. What has no single class is left out.
"""

import ast
import re
import sys
from pathlib import Path

# Graphical, historical or operating-system specific modules, and those about Python code itself.
LEFT_OUT = """
    _typeshed aifc antigravity ast audioop chunk crypt curses dis distutils ensurepip idlelib lib2to3 msilib
    msvcrt nis nt ntpath opcode ossaudiodev pickletools profiling pstats pydoc_data sndhdr spwd stringprep sunau
    symtable this tkinter token tracemalloc turtle turtledemo winreg winsound xxlimited _msi _tkinter _curses
    _curses_panel _winapi _ast encodings modulefinder pyclbr pydoc unittest bdb pdb doctest trace
    _remote_debugging _interpreters typing_extensions annotationlib posix sre_parse sre_compile sre_constants
    termios tokenize errno keyword
""".split()

# Special methods whose results programs see without calling them by name.
SPECIAL = "__enter__ __aenter__ __iter__ __aiter__ __next__ __anext__ __getitem__ __call__ __truediv__ __new__"

PRIMITIVES = {"str", "bytes", "int", "float", "bool", "complex", "bytearray", "memoryview"}
LISTS = {"builtins.list", "typing.Sequence", "typing.MutableSequence", "collections.deque", "typing.List"}
ITERATORS = {
    "typing." + n
    for n in """Iterable Iterator Collection Generator AsyncIterator AsyncIterable AsyncGenerator KeysView ValuesView
    Reversible""".split()
}
SETS = {"builtins.set", "builtins.frozenset", "typing.AbstractSet", "typing.MutableSet"}
DICTS = {
    "builtins.dict", "typing.Mapping", "typing.MutableMapping", "collections.OrderedDict",
    "collections.defaultdict", "typing.Dict",
}
AWAITABLES = {"typing.Awaitable", "typing.Coroutine"}
NOTHING = {
    "typing.Any", "builtins.object", "typing.NoReturn", "typing.Never", "typing.Callable", "typing.Hashable",
    "typing.Sized", "typing.Protocol", "typing.Generic", "_typeshed.Incomplete", "_typeshed.Unused",
    "_typeshed.MaybeNone", "typing.NamedTuple", "typing.TypedDict",
}


class Module:
    def __init__(self, name, path, is_package):
        self.name = name
        self.is_package = is_package
        self.names = {}  # name -> ("import", module, name | None) | ("def", [nodes]) | ("class", node) | ...
        self.stars = []
        self.exported = set()
        self.all = None
        self.fill(self, ast.parse(path.read_text()).body, top=True)

    def absolute(self, level, module):
        if not level:
            return module or ""
        parts = self.name.split(".")
        if not self.is_package:
            parts = parts[:-1]
        level -= 1
        parts = parts[: len(parts) - level]
        return ".".join(parts + ([module] if module else []))

    def fill(self, scope, body, top=False):
        names = scope.names
        for node in body:
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    old = names.get(node.name)
                    if old and old[0] == "def":
                        old[1].append(node)
                    elif not old:
                        names[node.name] = ("def", [node])
                case ast.ClassDef():
                    if node.name not in names:
                        names[node.name] = ("class", Class(self, node))
                case ast.AnnAssign(target=ast.Name(id=name)):
                    names.setdefault(name, ("var", node.annotation, node.value))
                case ast.Assign(targets=[ast.Name(id="__all__")]):
                    self.add_all(node.value)
                case ast.Assign(targets=[ast.Name(id=name)]):
                    names.setdefault(name, ("assign", node.value))
                case ast.AugAssign(target=ast.Name(id="__all__")):
                    self.add_all(node.value)
                case ast.Import():
                    for alias in node.names:
                        name = alias.asname or alias.name.split(".")[0]
                        names.setdefault(name, ("import", alias.name if alias.asname else name, None))
                case ast.ImportFrom():
                    module = self.absolute(node.level, node.module)
                    for alias in node.names:
                        if alias.name == "*":
                            self.stars.append(module)
                            continue
                        name = alias.asname or alias.name
                        names.setdefault(name, ("import", module, alias.name))
                        if alias.asname == alias.name:
                            self.exported.add(name)
                case ast.If():
                    test = ast.unparse(node.test)
                    first, second = node.body, node.orelse
                    if "win32" in test and "!=" not in test or "darwin" in test and "==" in test or "version_info <" in test:
                        first, second = second, first
                    self.fill(scope, first, top)
                    self.fill(scope, second, top)
                case ast.Try():
                    self.fill(scope, node.body, top)

    def add_all(self, value):
        self.all = self.all or set()
        for node in ast.walk(value):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.all.add(node.value)

    def is_public(self, name):
        if self.all is not None and name in self.all:
            return True
        if name.startswith("_"):
            return False
        kind = self.names[name][0]
        return kind != "import" or name in self.exported


class Class:
    def __init__(self, module, node):
        self.module = module
        self.node = node
        self.names = {}
        module.fill(self, node.body)


class World:
    def __init__(self, root):
        self.modules = {}
        for path in sorted(root.rglob("*.pyi")):
            parts = list(path.relative_to(root).with_suffix("").parts)
            is_package = parts[-1] == "__init__"
            if is_package:
                parts.pop()
            self.modules[".".join(parts)] = Module(".".join(parts), path, is_package)
        self.public = {}  # defining path -> public path
        self.others = {}  # other public path -> public path
        self.find_public()

    def lookup(self, module, name, seen=()):
        """What `name` of a module is: (module, kind tuple, name) after imports."""
        if (module, name) in seen or len(seen) > 20:
            return None
        seen = (*seen, (module, name))
        mod = self.modules.get(module)
        if mod is None:
            return None
        entry = mod.names.get(name)
        if entry is None:
            for star in mod.stars:
                if found := self.lookup(star, name, seen):
                    return found
            if f"{module}.{name}" in self.modules:
                return (f"{module}.{name}", ("module",), "")
            return None
        if entry[0] == "import":
            _, source, original = entry
            if original is None:
                return (source, ("module",), "") if source in self.modules else None
            found = self.lookup(source, original, seen)
            if found is None and f"{source}.{original}" in self.modules:
                return (f"{source}.{original}", ("module",), "")
            return found
        return (module, entry, name)

    def find_public(self):
        paths = {}
        for name, module in self.modules.items():
            parts = name.split(".")
            if any(p.startswith("_") for p in parts) or parts[0] in LEFT_OUT:
                continue
            visible = {n for n in module.names if module.is_public(n)}
            for star in module.stars:
                if other := self.modules.get(star):
                    visible |= other.all if other.all is not None else {n for n in other.names if other.is_public(n)}
            for own in visible:
                found = self.lookup(name, own)
                if found and found[1][0] == "assign":
                    # `fromstring = XML`
                    found = self.resolve(found[0], found[1][1])
                    if found and "." in found[2]:
                        # `open = TarFile.open`
                        self.others[f"{name}.{own}"] = f"{found[0]}.{found[2]}"
                        continue
                if found and found[1][0] in ("class", "def", "var"):
                    defining = f"{found[0]}.{found[2]}"
                    paths.setdefault(defining, set()).add(f"{name}.{own}")
        for defining, public in paths.items():
            top = defining.split(".")[0].lstrip("_")
            best = min(public, key=lambda p: (p.split(".")[0] != top, p.count("."), len(p), p))
            best = re.sub(r"^(posixpath|genericpath)\.", "os.path.", best)
            best = re.sub(r"^collections\.abc\.", "typing.", best) if top == "typing" else best
            self.public[defining] = best
            for other in public - {best}:
                if not other.startswith(("posixpath.", "genericpath.")):
                    self.others[other] = best

    def path(self, module, name):
        defining = f"{module}.{name}"
        if defining in self.public:
            return self.public[defining]
        first, _, rest = name.partition(".")
        if rest and f"{module}.{first}" in self.public:
            return f"{self.public[f'{module}.{first}']}.{rest}"
        return defining

    # ---- types

    def resolve(self, module, node, depth=0):
        """The defining path of a class or special form, ("var", name) of a type variable, or ("alias", ...)."""
        match node:
            case ast.Name(id=name):
                found = self.lookup(module, name) or self.lookup("builtins", name)
                return found
            case ast.Attribute(value=value, attr=attr):
                outer = self.resolve(module, value, depth + 1)
                if outer is None:
                    return None
                if outer[1][0] == "module":
                    return self.lookup(outer[0], attr)
                if outer[1][0] == "class" and (inner := outer[1][1].names.get(attr)):
                    return (outer[0], inner, f"{outer[2]}.{attr}")
        return None

    def type(self, module, node, owner=None, depth=0):
        """The type in the syntax of models, or None."""
        if depth > 12 or node is None:
            return None
        again = lambda n: self.type(module, n, owner, depth + 1)
        match node:
            case ast.Constant(value=None):
                return "None"
            case ast.Constant(value=str(text)):
                try:
                    return again(ast.parse(text, mode="eval").body)
                except SyntaxError:
                    return None
            case ast.BinOp(op=ast.BitOr()):
                return self.union(module, flatten(node), owner, depth)
            case ast.Subscript(value=value, slice=index):
                args = index.elts if isinstance(index, ast.Tuple) else [index]
                return self.generic(module, value, args, owner, depth)
            case ast.Name() | ast.Attribute():
                return self.plain(module, node, owner, depth)
        return None

    def union(self, module, members, owner, depth):
        kinds = []
        for member in members:
            if isinstance(member, ast.Constant) and member.value is None:
                continue
            name = ast.unparse(member)
            if name in ("Any", "MaybeNone", "typing.Any"):
                continue
            kind = self.type(module, member, owner, depth + 1)
            if kind is None:
                return None
            if kind not in kinds:
                kinds.append(kind)
        return kinds[0] if len(kinds) == 1 else None

    def plain(self, module, node, owner, depth):
        if isinstance(node, ast.Name) and node.id == "Self":
            return "self"
        found = self.resolve(module, node)
        if found is None:
            return None
        where, entry, name = found
        full = f"{where}.{name}"
        if full in ("typing.Self", "typing_extensions.Self"):
            return "self"
        if full in NOTHING or where == "_typeshed" and entry[0] == "class":
            return None
        if full in ("typing.Text", "typing.LiteralString"):
            return "str"
        if entry[0] == "assign":
            value = entry[1]
            if isinstance(value, ast.Call):
                # A type variable of strings and bytes.
                is_text = any(isinstance(a, ast.Name) and a.id == "str" for a in value.args[1:])
                return "str" if is_text else None
            if isinstance(value, (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp)):
                return self.type(where, value, None, depth + 1)
            return None
        if entry[0] == "var":
            is_alias = ast.unparse(entry[1]).endswith("TypeAlias")
            return self.type(where, entry[2], None, depth + 1) if is_alias else None
        if entry[0] != "class":
            return None
        return self.container(full, [], module, owner, depth) or self.class_path(where, name)

    def class_path(self, where, name):
        path = self.path(where, name)
        if path.split(".")[0] in LEFT_OUT:
            return None
        bare = path.removeprefix("builtins.")
        return bare if path.startswith("builtins.") else path

    def container(self, full, args, module, owner, depth):
        def word(head, arg):
            inner = self.type(module, arg, owner, depth + 1) if arg is not None else None
            return f"{head}[{inner}]" if inner and inner != "None" else head

        first = args[0] if args else None
        if full in LISTS:
            return word("list", first)
        if full in ITERATORS:
            return word("iter", first)
        if full in SETS:
            return word("set", first)
        if full in DICTS:
            return word("dict", args[-1] if args else None)
        return None

    def generic(self, module, value, args, owner, depth):
        found = self.resolve(module, value)
        if found is None:
            return None
        where, entry, name = found
        full = f"{where}.{name}"
        again = lambda n: self.type(module, n, owner, depth + 1)
        bare = name.split(".")[-1]
        if where in ("typing", "typing_extensions") and entry[0] != "class" or full == "typing.Union":
            match bare:
                case "Optional" | "ClassVar" | "Final" | "Annotated" | "Required" | "NotRequired" | "ReadOnly":
                    return again(args[0])
                case "Union":
                    return self.union(module, args, owner, depth)
                case "Literal":
                    kinds = {type(a.value).__name__ for a in args if isinstance(a, ast.Constant)} - {"NoneType"}
                    kind = kinds.pop() if len(kinds) == 1 else None
                    return kind if kind in PRIMITIVES else None
                case "Type":
                    inner = again(args[0])
                    return f"type[{inner}]" if inner and "[" not in inner and inner != "self" else None
                case "Tuple":
                    return self.tuple(args, again)
                case "List" | "Dict" | "Set" | "FrozenSet" | "Deque" | "DefaultDict" | "OrderedDict":
                    lower = {"List": "list", "Deque": "list", "Set": "set", "FrozenSet": "set"}.get(bare, "dict")
                    inner = again(args[-1])
                    return f"{lower}[{inner}]" if inner else lower
                case "TypeGuard" | "TypeIs":
                    return "bool"
            return None
        if full == "builtins.tuple":
            return self.tuple(args, again)
        if full == "builtins.type":
            inner = again(args[0])
            return f"type[{inner}]" if inner and "[" not in inner and inner not in ("self", "None") else None
        if full in AWAITABLES:
            return again(args[-1])
        if full in NOTHING:
            return None
        return self.container(full, args, module, owner, depth) or self.plain(module, value, owner, depth)

    def tuple(self, args, again):
        if len(args) == 2 and isinstance(args[1], ast.Constant) and args[1].value is ...:
            inner = again(args[0])
            return f"list[{inner}]" if inner and inner != "None" else "tuple"
        kinds = [again(a) or "?" for a in args]
        return f"tuple[{', '.join(kinds)}]" if any(k != "?" for k in kinds) else "tuple"

    # ---- output

    def returns(self, module, nodes, owner):
        kinds = []
        for node in nodes:
            names = {ast.unparse(d).split("(")[0].split(".")[-1] for d in node.decorator_list}
            if names & {"contextmanager", "asynccontextmanager"} or any(n.endswith("setter") for n in names):
                return None
            kind = self.type(module, node.returns, owner)
            # `def f(self: Self) -> Self` in the old style, by a type variable.
            if kind is None and isinstance(node.returns, ast.Name) and node.args.args:
                receiver = node.args.args[0]
                if receiver.annotation and ast.unparse(receiver.annotation) in (
                    node.returns.id, f"type[{node.returns.id}]",
                ):
                    kind = "self"
            kinds.append(kind)
        first = kinds[0]
        if first is None or all(k == first for k in kinds):
            return first
        if set(kinds) == {"str", "bytes"}:
            return "str"
        heads = {(k or "?").split("[")[0] for k in kinds}
        if len(heads) == 1:
            return first if first.count("[") <= 1 else first.split("[")[0]
        # Overloads that differ: the first is what the defaults give, unless they are plain data.
        plain = PRIMITIVES | {"None", "list", "dict", "iter", "set", "tuple"}
        if heads & plain or first.split("[")[0] in plain:
            return None
        return first

    def lines(self):
        out = {}
        pending = []
        for defining in sorted(self.public):
            module, _, name = defining.rpartition(".")
            found = self.lookup(module, name)
            if not found:
                continue
            where, entry, name = found
            path = self.path(where, name)
            if path.split(".")[0] in LEFT_OUT:
                continue
            if entry[0] == "class":
                pending.append((path, where, entry[1]))
            else:
                self.member(out, path, where, entry, None)
        done = set()
        while pending:
            path, where, cls = pending.pop()
            if path in done:
                continue
            done.add(path)
            self.of_class(out, path, where, cls)
            if not pending:
                pending = list(self.referenced(out, done))
        return out

    def referenced(self, out, done):
        """Private classes that public ones refer to."""
        paths = {p for _, text in out.values() for p in re.findall(r"[A-Za-z_][\w.]*\.\w+", text)}
        for path in sorted(paths - done):
            module, _, name = path.rpartition(".")
            found = self.lookup(module, name) if module in self.modules else None
            if found and found[1][0] == "class" and self.path(found[0], found[2]) == path:
                yield (path, found[0], found[1][1])

    def of_class(self, out, path, where, cls):
        bases = []
        for base in cls.node.bases:
            found = self.resolve(where, base.value if isinstance(base, ast.Subscript) else base)
            if found and found[1][0] == "class" and f"{found[0]}.{found[2]}" not in NOTHING:
                if base := self.class_path(found[0], found[2]):
                    bases.append(base if "." in base else f"builtins.{base}")
        out[path] = ("<", ", ".join(bases))
        for name, entry in cls.names.items():
            if name.startswith("_") and name not in SPECIAL.split():
                continue
            if entry[0] == "class":
                self.of_class(out, f"{path}.{name}", where, entry[1])
            elif name != "__new__":
                self.member(out, f"{path}.{name}", where, entry, cls)

    def member(self, out, path, where, entry, owner):
        match entry:
            case ("def", nodes):
                decorators = {ast.unparse(d).split(".")[-1] for d in nodes[0].decorator_list}
                is_property = owner and decorators & {"property", "cached_property", "_magic_enum_attr", "member"}
                # Setters share the name.
                if is_property:
                    nodes = nodes[:1]
                kind = self.returns(where, nodes, owner)
                if kind and "self" in kind and decorators & {"classmethod", "staticmethod"}:
                    cls = path.rpartition(".")[0]
                    kind = re.sub(r"\bself\b", cls, kind)
                if kind and kind != "None":
                    out[path] = (":" if is_property else "->", kind)
            case ("var", annotation, value):
                if ast.unparse(annotation).endswith("TypeAlias"):
                    return
                kind = self.type(where, annotation, owner)
                if owner is None and path.rpartition(".")[2].isupper():
                    return  # a constant
                if kind is None and isinstance(value, ast.Constant) and type(value.value).__name__ in PRIMITIVES:
                    kind = type(value.value).__name__
                if kind and kind != "None":
                    out[path] = (":", kind)


def flatten(node):
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return flatten(node.left) + flatten(node.right)
    return [node]


def main():
    root, origin = Path(sys.argv[1]), sys.argv[2]
    world = World(root)
    out = world.lines()
    for other, path in world.others.items():
        if path in out and other not in out:
            out[other] = ("=", path)
    print(f"# Types of the standard library, from typeshed ({origin}).")
    print("# typeshed is licensed under the Apache License 2.0: https://github.com/python/typeshed/blob/main/LICENSE")
    print("# Written by scripts/stdlib_types.py; do not edit.")
    print("# path -> type returned; path : type of an attribute; path < base classes; path = other name of")
    for path in sorted(out, key=str.encode):
        op, text = out[path]
        print(f"{path} {op} {text}".rstrip())


main()
