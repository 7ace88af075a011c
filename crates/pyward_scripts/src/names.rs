//! The variables and functions of a script, and the places where values move.

use rustc_hash::FxHashMap;
use tree_sitter::Node;

/// Nodes nested deeper than this are not looked at.
const MAX_DEPTH: usize = 1000;

/// A variable, by number.
pub(crate) type VariableId = usize;

/// The names of one function, or of the program.
#[derive(Debug)]
struct Scope<'t> {
    parent: Option<usize>,
    variables: FxHashMap<&'t str, VariableId>,
}

/// A function.
#[derive(Debug)]
pub(crate) struct Function {
    /// The variables that each of its parameters binds.
    pub(crate) parameters: Vec<Vec<VariableId>>,
}

/// A place where a value moves: an assignment, a call, a loop, a return.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move<'t> {
    pub(crate) node: Node<'t>,
    pub(crate) scope: usize,
    /// The node of the function that it stands in.
    pub(crate) function: Option<usize>,
}

/// Everything that has a name. Blocks have no names of their own: two variables of one function with one name are one.
#[derive(Debug)]
pub(crate) struct Names<'t> {
    code: &'t str,
    scopes: Vec<Scope<'t>>,
    /// By the function's node.
    pub(crate) functions: FxHashMap<usize, Function>,
    /// Functions that variables stand for.
    pub(crate) by_variable: FxHashMap<VariableId, usize>,
    /// Functions that are methods or were put into a member of that name.
    methods: FxHashMap<&'t str, Vec<usize>>,
    /// Values that each variable is given: the only one, where there is one.
    pub(crate) given: Vec<Vec<Node<'t>>>,
    pub(crate) moves: Vec<Move<'t>>,
    /// Nesting was too deep to be read in full.
    pub(crate) is_partial: bool,
}

/// A node that is still to be visited.
struct Open<'t> {
    node: Node<'t>,
    scope: usize,
    function: Option<usize>,
    depth: usize,
}

impl<'t> Names<'t> {
    pub(crate) fn new(root: Node<'t>, code: &'t str) -> Self {
        let mut names = Self {
            code,
            scopes: vec![Scope {
                parent: None,
                variables: FxHashMap::default(),
            }],
            functions: FxHashMap::default(),
            by_variable: FxHashMap::default(),
            methods: FxHashMap::default(),
            given: Vec::new(),
            moves: Vec::new(),
            is_partial: false,
        };
        let mut open = vec![Open {
            node: root,
            scope: 0,
            function: None,
            depth: 0,
        }];
        while let Some(next) = open.pop() {
            names.declare(next, &mut open);
        }
        names.moves.sort_by_key(|place| place.node.start_byte());
        names.name_functions();
        names
    }

    pub(crate) fn text(&self, node: Node<'_>) -> &'t str {
        self.code.get(node.byte_range()).unwrap_or("")
    }

    /// The variable that a name means there; none for a global name that no script declares.
    pub(crate) fn variable(&self, mut scope: usize, name: &str) -> Option<VariableId> {
        loop {
            let at = &self.scopes[scope];
            if let Some(found) = at.variables.get(name) {
                return Some(*found);
            }
            scope = at.parent?;
        }
    }

    /// The function of that name among methods and members, if there is one only.
    pub(crate) fn method(&self, name: &str) -> Option<usize> {
        match self.methods.get(name)?.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    fn declare(&mut self, at: Open<'t>, open: &mut Vec<Open<'t>>) {
        let Open {
            node,
            mut scope,
            mut function,
            depth,
        } = at;
        if depth > MAX_DEPTH {
            self.is_partial = true;
            return;
        }
        let kind = node.kind();
        if is_function(node) {
            let name = node.child_by_field_name("name");
            if let (Some(name), true) = (name, kind.ends_with("declaration")) {
                let variable = self.add(scope, self.text(name));
                self.by_variable.insert(variable, node.id());
            }
            self.scopes.push(Scope {
                parent: Some(scope),
                variables: FxHashMap::default(),
            });
            scope = self.scopes.len() - 1;
            function = Some(node.id());
            if let (Some(name), "function_expression" | "generator_function") = (name, kind) {
                let variable = self.add(scope, self.text(name));
                self.by_variable.insert(variable, node.id());
            }
            let parameters = self.parameters(node, scope);
            self.functions.insert(node.id(), Function { parameters });
            if node
                .child_by_field_name("body")
                .is_some_and(|body| body.kind() != "statement_block")
            {
                self.moves.push(Move {
                    node,
                    scope,
                    function,
                });
            }
            if let (Some(name), "method_definition") = (name, kind) {
                let method = self.methods.entry(self.text(name)).or_default();
                method.push(node.id());
            }
        }
        match kind {
            "variable_declarator" => {
                if let Some(name) = node.child_by_field_name("name") {
                    for name in bound(name) {
                        self.add(scope, self.text(name));
                    }
                }
                self.note(node, scope, function);
            }
            "for_in_statement" => {
                if let (Some(left), Some(_)) = (
                    node.child_by_field_name("left"),
                    node.child_by_field_name("kind"),
                ) {
                    for name in bound(left) {
                        self.add(scope, self.text(name));
                    }
                }
                self.note(node, scope, function);
            }
            "class_declaration" => {
                if let Some(name) = node.child_by_field_name("name") {
                    self.add(scope, self.text(name));
                }
            }
            "catch_clause" => {
                if let Some(parameter) = node.child_by_field_name("parameter") {
                    for name in bound(parameter) {
                        self.add(scope, self.text(name));
                    }
                }
            }
            "assignment_expression"
            | "augmented_assignment_expression"
            | "call_expression"
            | "return_statement"
            | "pair"
            | "field_definition" => self.note(node, scope, function),
            _ => {}
        }
        for child in children(node) {
            open.push(Open {
                node: child,
                scope,
                function,
                depth: depth + 1,
            });
        }
    }

    fn note(&mut self, node: Node<'t>, scope: usize, function: Option<usize>) {
        self.moves.push(Move {
            node,
            scope,
            function,
        });
    }

    fn add(&mut self, scope: usize, name: &'t str) -> VariableId {
        let number = self.given.len();
        let id = *self.scopes[scope].variables.entry(name).or_insert(number);
        if id == number {
            self.given.push(Vec::new());
        }
        id
    }

    fn parameters(&mut self, function: Node<'t>, scope: usize) -> Vec<Vec<VariableId>> {
        let patterns = match function.child_by_field_name("parameters") {
            Some(list) => children(list),
            None => function
                .child_by_field_name("parameter")
                .into_iter()
                .collect(),
        };
        let mut parameters = Vec::new();
        for pattern in patterns.into_iter().filter(|p| p.kind() != "comment") {
            let names = bound(pattern).into_iter();
            parameters.push(names.map(|name| self.add(scope, self.text(name))).collect());
        }
        parameters
    }

    /// What variables and members stand for, once all names are known.
    fn name_functions(&mut self) {
        for place in self.moves.clone() {
            let node = place.node;
            let (target, value) = match node.kind() {
                "variable_declarator" => ("name", "value"),
                "assignment_expression" | "augmented_assignment_expression" => ("left", "right"),
                "pair" => ("key", "value"),
                "field_definition" => ("property", "value"),
                _ => continue,
            };
            let target = node.child_by_field_name(target);
            let (Some(target), Some(value)) = (target, node.child_by_field_name(value)) else {
                continue;
            };
            let function = is_function(value).then(|| value.id());
            match target.kind() {
                "identifier" => {
                    if let Some(variable) = self.variable(place.scope, self.text(target)) {
                        self.given[variable].push(value);
                        if let Some(function) = function {
                            self.by_variable.insert(variable, function);
                        }
                    }
                }
                "member_expression" => {
                    if let (Some(name), Some(function)) =
                        (target.child_by_field_name("property"), function)
                    {
                        let name = self.text(name);
                        self.methods.entry(name).or_default().push(function);
                    }
                }
                "property_identifier" => {
                    if let Some(function) = function {
                        let name = self.text(target);
                        self.methods.entry(name).or_default().push(function);
                    }
                }
                // Bound in parts: not one value.
                _ => {
                    for name in bound(target) {
                        if let Some(variable) = self.variable(place.scope, self.text(name)) {
                            self.given[variable].extend([value, value]);
                        }
                    }
                }
            }
        }
    }
}

pub(crate) fn is_function(node: Node<'_>) -> bool {
    matches!(
        node.kind(),
        "function_declaration"
            | "function_expression"
            | "generator_function"
            | "generator_function_declaration"
            | "arrow_function"
            | "method_definition"
    )
}

/// The named parts of a node.
pub(crate) fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).collect()
}

/// The names that a pattern binds.
pub(crate) fn bound(pattern: Node<'_>) -> Vec<Node<'_>> {
    let mut found = Vec::new();
    let mut open = vec![pattern];
    while let Some(node) = open.pop() {
        match node.kind() {
            "identifier" | "shorthand_property_identifier_pattern" => found.push(node),
            "pair_pattern" => open.extend(node.child_by_field_name("value")),
            "assignment_pattern" | "object_assignment_pattern" => {
                open.extend(node.child_by_field_name("left"));
            }
            "object_pattern" | "array_pattern" | "rest_pattern" => open.extend(children(node)),
            _ => {}
        }
    }
    found
}
