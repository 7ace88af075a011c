"""Scopes of the files named on the command line, by CPython's `symtable`.

Writes, for each file, its source without annotations and type parameters (which have scopes of their own in newer versions) to
DIRECTORY/N.py, and one line per scope to standard output:
path, kind, line, local names, free names, global names, separated by tabs. Comprehensions count as part of the
function around them.
"""

import ast
import pathlib
import symtable
import sys

COMPREHENSIONS = {"listcomp", "setcomp", "dictcomp", "genexpr"}


class Strip(ast.NodeTransformer):
    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        node.returns = None
        node.type_params = []
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        self.generic_visit(node)
        node.type_params = []
        return node

    def visit_TypeAlias(self, node):
        return ast.Pass()

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        value = node.value or ast.Constant(0)
        return ast.Assign(targets=[node.target], value=value, lineno=node.lineno)


def is_comprehension(table):
    return table.get_type() == "function" and table.get_name() in COMPREHENSIONS


def take(table, bound, sets):
    local, free, globals_ = sets
    own = {s.get_name() for s in table.get_symbols() if s.is_local()}
    for symbol in table.get_symbols():
        name = symbol.get_name()
        is_used = symbol.is_referenced() or symbol.is_assigned() or symbol.is_parameter() or symbol.is_imported()
        # `__class__` is there for the compiler's sake.
        if name.startswith(".") or name == "__class__" or not (is_used or symbol.is_namespace()):
            continue
        if symbol.is_local() or name in bound:
            local.add(name)
        elif symbol.is_free():
            free.add(name)
        else:
            globals_.add(name)
    # Comprehensions do not see the names of a class body around them.
    visible = bound if table.get_type() == "class" else bound | own
    for child in table.get_children():
        if is_comprehension(child):
            take(child, visible, sets)


def emit(path, table):
    if not is_comprehension(table):
        local, free, globals_ = sets = set(), set(), set()
        take(table, frozenset(), sets)
        kind = str(table.get_type())
        line = table.get_lineno()
        if kind == "module":
            globals_ |= local
            line = 0
        print(path, kind, line, *(",".join(sorted(s)) for s in sets), sep="\t")
    for child in table.get_children():
        emit(path, child)


def main():
    directory = pathlib.Path(sys.argv[1])
    for i, source in enumerate(sys.argv[2:]):
        try:
            tree = Strip().visit(ast.parse(pathlib.Path(source).read_bytes()))
            text = ast.unparse(ast.fix_missing_locations(tree))
            table = symtable.symtable(text, source, "exec")
        except (SyntaxError, RecursionError):
            continue
        path = directory / f"{i}.py"
        path.write_text(text, encoding="utf-8")
        emit(path, table)


main()
