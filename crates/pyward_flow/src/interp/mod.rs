//! The abstract interpreter: runs one function (and what it inlines) on abstract values.

mod assign;
mod builtins;
mod by_name;
mod call;
mod callback;
mod class;
mod condition;
mod expr;
mod external;
mod function;
mod hand_over;
mod kept;
mod lookup;
mod methods;
mod model_condition;
mod names;
mod proof;
mod refine;
mod refine_call;
mod regex;
mod root;
mod settings;
mod sink;
mod stmt;
mod template;
mod template_value;
mod text;
mod translate;

use std::cell::RefCell;
use std::sync::Arc;

use pyward_catalog::SensitiveNames;
use pyward_ir::{ExprId, FileIr, Span, Symbol};
use pyward_program::{ClassId, FileId, FunctionId, Program};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::api::ApiTable;
use crate::finding::RawFinding;
use crate::heap::{Class, Key, Object, State};
use crate::index::Index;
use crate::models::Compiled;
use crate::path;
use crate::regex_proof::RegexProofs;
use crate::summary::{ParamSink, Portable, SinkSite};
use crate::tables::{Base, ClassInfo, Entry, Tables};
use crate::value::{
    Contexts, Mark, Marks, ObjectId, Origin, PathId, Shape, Step, StepKind, Trace, Value, extend,
};

/// What every analysis of a run shares.
pub(crate) struct Context<'a> {
    pub(crate) program: &'a Program,
    pub(crate) templates: &'a pyward_templates::Library,
    pub(crate) api: &'a ApiTable<'a>,
    pub(crate) models: &'a Compiled,
    pub(crate) sensitive: &'a SensitiveNames,
    pub(crate) tables: &'a Tables,
    pub(crate) contexts: KnownContexts,
    pub(crate) index: &'a Index,
    pub(crate) regex: &'a RegexProofs,
    /// The kind of data that comes with requests.
    pub(crate) remote: Option<u8>,
    pub(crate) settings_by_name: &'a FxHashMap<Symbol, Vec<usize>>,
    /// What models say of `==`.
    pub(crate) compare_entry: Option<u32>,
    /// Source kinds that a name alone can tell.
    pub(crate) lexical_kinds: &'a [u8],
    /// Nothing is known of other functions yet, so running them in place is not worth it.
    pub(crate) is_first_round: bool,
    /// Sinks on any assignment, told apart by name.
    pub(crate) assign_anything: Option<u32>,
    pub(crate) assign_any_item: Option<u32>,
}

/// Bits of the contexts that the language itself speaks of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KnownContexts {
    pub(crate) path: Contexts,
    pub(crate) redirect: Contexts,
    pub(crate) url: Contexts,
    pub(crate) html: Contexts,
    pub(crate) xpath: Contexts,
    pub(crate) lines: Contexts,
    pub(crate) code: Contexts,
    /// Where a leading dash does the harm.
    pub(crate) argument: Contexts,
    /// Where the length of a text does the harm.
    pub(crate) backtracking: Contexts,
    /// Where a text does none.
    pub(crate) not_text: Contexts,
    /// Where it counts who made the data.
    pub(crate) genuine: Contexts,
}

impl Context<'_> {
    /// The source kind that a name tells.
    pub(crate) fn classify(&self, name: Symbol) -> Option<u8> {
        self.sensitive
            .classify(name.as_str())
            .and_then(|c| self.models.kind(&c.kind))
    }
}

/// What an analysis brings back.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) findings: Vec<RawFinding>,
    pub(crate) sinks: Vec<ParamSink>,
    pub(crate) classes: Vec<(ClassId, Arc<ClassInfo>)>,
    pub(crate) instance_writes: Vec<((ClassId, Symbol), Portable)>,
    pub(crate) module_writes: Vec<((FileId, Symbol), Portable)>,
    pub(crate) captured: Vec<((FileId, u32, u32), Portable)>,
    /// Whether the templates of an environment escape.
    pub(crate) escaping: Vec<(Symbol, Option<bool>)>,
    /// Variables of every template of an environment.
    pub(crate) template_variables: Vec<((Symbol, Symbol), Portable)>,
    pub(crate) entries: Vec<(FunctionId, Entry)>,
    /// Classes that are registered to handle requests.
    pub(crate) class_routes: Vec<crate::analysis::ClassRoute>,
    /// Classes of what was handed to parameters.
    pub(crate) arguments: Vec<((FunctionId, u16), Class)>,
    pub(crate) calls: Vec<FunctionId>,
    /// Calls that stand in the code under analysis itself, and the project's functions that they reach.
    pub(crate) call_sites: Vec<(ExprId, FunctionId)>,
    pub(crate) interesting: u64,
    /// What was left out because of a budget.
    pub(crate) truncated: bool,
}

/// A loop being run.
#[derive(Default)]
struct Loop {
    breaks: Option<State>,
    continues: Option<State>,
}

/// A function being run: the one under analysis or one inlined into it.
struct Frame {
    function: FunctionId,
    class: Option<ClassId>,
    returns: Option<Value>,
    yields: Option<Value>,
    exit: Option<State>,
    raises: Marks,
    loops: Vec<Loop>,
    /// Where each parameter of an inlined function was handed to it, and its marks then.
    received: Vec<(Option<hand_over::HandOver>, Marks)>,
    /// Conditions of the `if` statements around the statement at hand.
    tests: Vec<ExprId>,
    /// States at which an exception may leave each `try` body.
    handlers: Vec<Option<State>>,
    captured: Arc<FxHashMap<(u32, u32), Value>>,
    /// Variables of enclosing functions that it binds (`nonlocal`).
    rebound: Vec<(u32, u32)>,
    proofs: Proofs,
    /// Rules that look at what an entry point returns.
    response_rules: Vec<u16>,
    /// Templates rendered with what it returns.
    templates: Vec<(usize, Symbol)>,
    /// Environments whose every template gets what it returns.
    gives_context: Vec<Symbol>,
    loop_depth: u8,
}

/// Contexts that each parameter is proven safe for at every return.
#[derive(Default)]
struct Proofs {
    always: Option<Vec<Contexts>>,
    on_true: Option<Vec<Contexts>>,
    on_false: Option<Vec<Contexts>>,
}

/// Budgets of one analysis.
const MAX_STEPS: u32 = 15_000;
const MAX_OBJECTS: u32 = 8_000;
const MAX_INLINE_DEPTH: usize = 4;
/// Statements of other functions run in place, all told.
const MAX_INLINED: u32 = 24;
/// Budget of code that is not the product: tests.
const TEST_STEPS: u32 = 2_000;
const MAX_FINDINGS: usize = 400;

/// Runs one function.
pub(crate) struct Interp<'a> {
    cx: &'a Context<'a>,
    file: FileId,
    ir: &'a FileIr,
    state: State,
    frames: Vec<Frame>,
    pub(crate) out: Output,
    /// Classes defined by the code at hand.
    local_classes: FxHashMap<ClassId, Arc<ClassInfo>>,
    /// The bases of classes in the order of look-up, as far as they were asked for.
    linear: RefCell<FxHashMap<ClassId, Arc<[Base]>>>,
    sink_seen: FxHashSet<(u16, FileId, Span, OriginKey, u32)>,
    steps_left: u32,
    inline_left: u32,
    stack: Vec<FunctionId>,
    /// Names that give the value being evaluated its meaning (assignment target, keyword).
    used_as: Vec<Symbol>,
    /// Byte range of the expression at hand, for sources found on the way.
    current_span: Span,
    /// The receiver of a call by method name alone.
    receiver_expr: Option<ExprId>,
    /// Members of parameters that were read and are known from elsewhere, as they were then.
    read_members: FxHashMap<(ObjectId, Key), Value>,
    /// Fields declared by the class body being run.
    class_fields: Vec<(Symbol, Portable)>,
}

pub(crate) use sink::flow_finding;

type OriginKey = (u8, u32, u32, u32);

fn origin_key(origin: Origin) -> OriginKey {
    match origin {
        Origin::Param { index, path } => (255, u32::from(index), path.0, 0),
        Origin::Source { kind, file, span } => (kind, file.0, span.start, span.end),
    }
}

impl<'a> Interp<'a> {
    pub(crate) fn new(cx: &'a Context<'a>, function: FunctionId) -> Self {
        let ir = cx.program.ir(function.file);
        let is_test = cx.program.is_test(function.file);
        let mut interp = Self {
            cx,
            file: function.file,
            ir,
            state: State::start(),
            frames: Vec::new(),
            out: Output::default(),
            local_classes: FxHashMap::default(),
            linear: RefCell::default(),
            sink_seen: FxHashSet::default(),
            steps_left: if is_test { TEST_STEPS } else { MAX_STEPS },
            inline_left: if is_test || cx.is_first_round {
                0
            } else {
                MAX_INLINED
            },
            stack: vec![function],
            used_as: Vec::new(),
            current_span: Span::default(),
            receiver_expr: None,
            read_members: FxHashMap::default(),
            class_fields: Vec::new(),
        };
        interp.frames.push(interp.new_frame(function));
        let slots = ir.function(function.index).locals.len();
        interp.state.locals = vec![Value::unknown(); slots];
        interp
    }

    fn new_frame(&self, function: FunctionId) -> Frame {
        Frame {
            function,
            class: None,
            returns: None,
            yields: None,
            exit: None,
            raises: Marks::NONE,
            loops: Vec::new(),
            received: Vec::new(),
            tests: Vec::new(),
            handlers: Vec::new(),
            captured: Arc::default(),
            rebound: Vec::new(),
            proofs: Proofs::default(),
            response_rules: Vec::new(),
            templates: Vec::new(),
            gives_context: Vec::new(),
            loop_depth: 0,
        }
    }

    fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a function is being run")
    }

    fn frame_ref(&self) -> &Frame {
        self.frames.last().expect("a function is being run")
    }

    /// Whether the code being run is inlined rather than the function under analysis.
    fn is_inlined(&self) -> bool {
        self.frames.len() > 1
    }

    /// Counts a step; past the budget everything is dead, and the result says so.
    fn spend(&mut self) -> bool {
        if self.steps_left == 0 || self.state.allocated() > MAX_OBJECTS {
            self.out.truncated = true;
            self.state.alive = false;
            return false;
        }
        self.steps_left -= 1;
        true
    }

    /// Copies the state, for a branch; costs what it weighs.
    fn fork(&mut self) -> State {
        self.steps_left = self.steps_left.saturating_sub(self.state.weight());
        self.state.clone()
    }

    fn step(&self, kind: StepKind, span: Span, name: Symbol) -> Step {
        Step {
            kind,
            file: self.file,
            span,
            name,
        }
    }

    /// Marks of a new source.
    fn source(&self, kind: u8, span: Span, what: Symbol, except: Contexts) -> Marks {
        let step = self.step(StepKind::Source, span, what);
        Marks::one(Mark {
            origin: Origin::Source {
                kind,
                file: self.file,
                span,
            },
            cleaned: except,
            flags: if self.cx.models.is_sticky(kind) {
                crate::value::flag::STICKY
            } else {
                0
            },
            trace: extend(&None, step),
        })
    }

    /// The value of a parameter nobody described: an object that stands for it.
    fn param_value(&mut self, index: u16, path: PathId, class: Class, trace: Trace) -> Value {
        let mut object = Object::new(class);
        object.origin = Some((index, path));
        object.closed = false;
        let id = self.state.allocate(object);
        Value {
            shape: Shape::Object(id),
            marks: Marks::one(Mark {
                origin: Origin::Param { index, path },
                cleaned: 0,
                flags: 0,
                trace,
            }),
        }
    }

    /// What a parameter's object holds under a key: made on first use.
    fn param_member(&mut self, id: ObjectId, key: Key, of: &Marks) -> Option<Value> {
        let (index, at) = self.state.object(id).origin?;
        let value = match at.child(key) {
            Some(longer) if path::MAX_LENGTH > 0 => {
                let found = of
                    .iter()
                    .find(|m| m.origin == Origin::Param { index, path: at });
                let (trace, cleaned) = found.map_or((None, 0), |m| (m.trace.clone(), m.cleaned));
                let mut value = self.param_value(index, longer, Class::Unknown, trace);
                if cleaned != 0 {
                    value.marks = value.marks.cleaned(cleaned);
                }
                value
            }
            _ => Value::unknown().with_marks(of.clone()),
        };
        self.state.object_mut(id).set_field(key, value.clone());
        Some(value)
    }

    /// Notes that the outcome of something hangs on these values' parameters.
    fn note_interest(&mut self, marks: &Marks) {
        for mark in marks.iter() {
            if let Origin::Param { index, .. } = mark.origin
                && index < 64
            {
                self.out.interesting |= 1 << index;
            }
        }
    }

    fn expr_span(&self, id: ExprId) -> Span {
        self.ir.expr(id).span
    }

    fn new_object(&mut self, object: Object) -> Value {
        Value::of(Shape::Object(self.state.allocate(object)))
    }

    fn new_list(&mut self, class: crate::value::Builtin, items: Vec<Value>) -> Value {
        let mut object = Object::new(Class::Builtin(class));
        object.items = Some(items);
        self.new_object(object)
    }

    /// A container whose elements are all like `element`.
    fn new_sequence(&mut self, class: crate::value::Builtin, element: Value) -> Value {
        let mut object = Object::new(Class::Builtin(class));
        object.closed = false;
        object.rest = Some(element);
        self.new_object(object)
    }

    pub(crate) fn site(
        &self,
        rule: u16,
        span: Span,
        call_span: Span,
        what: Symbol,
        confidence: pyward_catalog::rule::Confidence,
    ) -> SinkSite {
        let function = self.frame_ref().function;
        SinkSite {
            rule,
            file: self.file,
            span,
            call_span,
            what,
            confidence,
            parameter: None,
            function: self
                .cx
                .program
                .ir(function.file)
                .function(function.index)
                .qualname,
            details: None,
            end: None,
            handed_on: None,
        }
    }
}
