use std::path::PathBuf;

use pyward_catalog::Catalog;
use pyward_program::{Program, ProgramFile};

/// What the stage says of a program.
fn outcome(files: &[(&str, &str)]) -> (Program, crate::Outcome) {
    let catalog = Catalog::builtin();
    let program = Program::new(
        files
            .iter()
            .map(|(path, text)| ProgramFile {
                path: PathBuf::from(path),
                ir: pyward_syntax::lower(text, Default::default()),
                is_test: false,
            })
            .collect(),
    );
    let library = pyward_templates::Library::default();
    let options = pyward_flow::Options::default();
    let analysis = pyward_flow::analyse(&program, catalog, &library, options);
    let outcome = crate::analyse(&program, &analysis, catalog);
    (program, outcome)
}

/// Files and lines that a rule reports. The rules' documents are tested elsewhere, with all stages.
fn lines(rule: &str, files: &[(&str, &str)]) -> Vec<(String, usize)> {
    let catalog = Catalog::builtin();
    let (program, outcome) = outcome(files);
    let findings = outcome.findings;
    let of_rule = findings
        .iter()
        .filter(|f| catalog.rules[usize::from(f.rule)].id == rule);
    of_rule
        .map(|finding| {
            let path = program.path(finding.file).to_string_lossy().into_owned();
            let text = files.iter().find(|f| f.0 == path).map_or("", |f| f.1);
            let start = finding.span.start as usize;
            (path, 1 + text[..start].matches('\n').count())
        })
        .collect()
}

const HANDLERS: &str = "
from aiohttp import web

async def add(request):
    form = await request.post()
    request.app['db'].session.add(form['name'])
    return web.Response()

async def login(request):
    form = await request.post()
    if form['password'] != request.app['password']:
        raise web.HTTPForbidden()
    return web.Response()
";

const MIDDLEWARE: &str = "
from aiohttp import web

@web.middleware
async def check(request, handler):
    if 'token' not in request.headers:
        raise web.HTTPUnauthorized()
    return await handler(request)
";

fn application(middlewares: &str) -> String {
    format!(
        "
from aiohttp import web
import handlers
{middlewares}
app.router.add_post('/things', handlers.add)
app.router.add_post('/login', handlers.login)
"
    )
}

#[test]
fn middleware_guards_where_it_is_used() {
    let unused = application("app = web.Application()");
    let used =
        application("import middleware\napp = web.Application(middlewares=[middleware.check])");
    for (app, expected) in [(unused, 1), (used, 0)] {
        let found = lines(
            "missing-authentication",
            &[
                ("app.py", &app),
                ("handlers.py", HANDLERS),
                ("middleware.py", MIDDLEWARE),
            ],
        );
        assert_eq!(found.len(), expected, "{found:?} in\n{app}");
    }
}

#[test]
fn what_a_function_does_is_seen_at_its_call() {
    let found = lines(
        "missing-authorization",
        &[
            (
                "app.py",
                "from flask import Flask
from flask_login import login_required
import store

app = Flask(__name__)

@app.route('/orders/<int:number>')
@login_required
def order(number):
    found = store.load(number)
    return {'total': found.total}
",
            ),
            (
                "store.py",
                "from models import Order

def load(key):
    return Order.query.get(key)
",
            ),
        ],
    );
    assert_eq!(found, [("app.py".to_owned(), 10)]);
}

#[test]
fn applications_are_told_apart() {
    let limited = "from flask import Flask, request
from flask_limiter import Limiter
app = Flask(__name__)
limiter = Limiter(app=app)
";
    let login = "
@app.post('/login')
def login():
    return {'ok': request.form['password'] == app.password}
";
    let open = format!("from flask import Flask, request\napp = Flask(__name__)\n{login}");
    let one = format!("{limited}{login}");
    let files = [("one/web.py", one.as_str()), ("two/app.py", open.as_str())];
    let found = lines("missing-rate-limit", &files);
    assert_eq!(found, [("two/app.py".to_owned(), 5)]);
}

/// Functions that call the next one several times with different labels, in both directions, and classes and values
/// that name each other: what is walked is bounded by steps, whatever calls what.
#[test]
fn no_web_of_calls_takes_long() {
    use std::fmt::Write as _;
    let mut text =
        String::from("from flask import Flask, request, session\napp = Flask(__name__)\n");
    for at in 0..120 {
        let callees = (1..20).map(|step| (at + step * 7) % 120);
        let calls = callees.map(|next| format!("f{next}(a, request.form, b, session, c)"));
        let calls: Vec<String> = calls.collect();
        write!(
            text,
            "def f{at}(a, b=None, c=None, d=None, e=None):\n    if a: return [{0}]\n    return f{1}(b, a, d, c, e) + f{1}(e, d, c, b, a)\n",
            calls.join(", "),
            (at + 1) % 120,
        )
        .unwrap();
        write!(
            text,
            "g{at} = [g{0}, g{1}, f{at}, g{0}]\n@app.route('/{at}')\n@g{at}\ndef r{at}(x, y=g{at}):\n    f{at}(x, y)\n",
            (at + 1) % 120,
            (at + 3) % 120,
        )
        .unwrap();
    }
    let started = std::time::Instant::now();
    lines("missing-authentication", &[("app.py", &text)]);
    let took = started.elapsed();
    assert!(took.as_secs() < 60, "{took:?}");
}

/// Handlers, their verbs and whole URL patterns.
fn routes(files: &[(&str, &str)]) -> Vec<String> {
    let (program, outcome) = outcome(files);
    let texts = |symbols: &[pyward_ir::Symbol]| {
        let texts: Vec<&str> = symbols.iter().map(|s| s.as_str()).collect();
        texts.join(" ")
    };
    let routes = outcome.routes.iter();
    let lines = routes.map(|route| {
        let function = program.function(route.function).qualname;
        let (verbs, paths) = (texts(&route.verbs), texts(&route.paths));
        format!("{function}: {verbs} {paths} [{}]", texts(&route.guards))
    });
    lines.collect()
}

#[test]
fn routers_lie_below_one_another() {
    let found = routes(&[
        (
            "app/main.py",
            "from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from . import api, health
PREFIX = '/v1'
def make():
    app = FastAPI()
    app.include_router(api.router, prefix=PREFIX, dependencies=[Depends(HTTPBearer())])
    app.include_router(health.router)
    return app
",
        ),
        (
            "app/api.py",
            "from fastapi import APIRouter
from .items import router as items
router = APIRouter(prefix='/api')
router.include_router(items, prefix='/items')
",
        ),
        (
            "app/items.py",
            "from fastapi import APIRouter
router = APIRouter()
@router.get('/{number}')
def item(number: int):
    return number
",
        ),
        (
            "app/health.py",
            "from fastapi import APIRouter
router = APIRouter()
@router.get('/health')
def health():
    return 'ok'
",
        ),
    ]);
    assert_eq!(
        found,
        [
            "health: GET /health []",
            "item: GET /v1/api/items/{number} [authentication]",
        ]
    );
}

#[test]
fn included_patterns_and_registered_classes_have_whole_addresses() {
    let found = routes(&[
        (
            "shop/urls.py",
            "from django.contrib.auth.decorators import login_required
from django.urls import include, path
from rest_framework.routers import DefaultRouter
from . import views
router = DefaultRouter()
router.register('tags', views.Tags)
inner = [path('<int:pk>', login_required(views.Detail.as_view()))]
urlpatterns = [path('notes/', include(inner)), path('api/', include(router.urls))]
",
        ),
        (
            "shop/views.py",
            "from django.views.generic import DetailView
from rest_framework.viewsets import ReadOnlyModelViewSet
from .models import Note, Tag
class Detail(DetailView):
    model = Note
class Tags(ReadOnlyModelViewSet):
    queryset = Tag.objects.all()
",
        ),
    ]);
    assert_eq!(
        found,
        [
            "Detail: GET notes/<int:pk> [authentication]",
            "Tags: GET api/tags []",
        ]
    );
}

#[test]
fn findings_tell_the_way() {
    let files = [
        (
            "app.py",
            "from flask import Flask
import store
app = Flask(__name__)
@app.post('/login')
def login():
    return ''
@app.post('/admin/reset')
def reset():
    store.reset()
",
        ),
        (
            "store.py",
            "import sqlite3
def reset():
    sqlite3.connect('x').execute('DELETE FROM things')
",
        ),
    ];
    let (program, outcome) = outcome(&files);
    let rules = &Catalog::builtin().rules;
    let found = outcome.findings.iter();
    let found = found.filter(|f| rules[usize::from(f.rule)].id == "missing-authentication");
    let steps: Vec<String> = found
        .flat_map(|finding| {
            let steps = finding.trace.iter();
            steps.map(|step| format!("{:?} {}", step.kind, step.name.as_str()))
        })
        .collect();
    let expected = [
        "Registered POST /admin/reset",
        "Handled reset",
        "Leads reset",
    ];
    assert_eq!(steps, expected);
    let (file, _) = outcome.findings[0].end.expect("the end of the way");
    assert_eq!(program.path(file).to_string_lossy(), "store.py");
}
