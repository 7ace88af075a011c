//! The cases of the rule documents that this crate alone has to satisfy.

use pyward_catalog::Catalog;
use pyward_catalog::rule::Confidence;
use pyward_ir::LineIndex;
use pyward_secrets::Scanner;

fn lines(path: &str, text: &str) -> Vec<(u32, &'static str, Confidence)> {
    let scanner = Scanner::new(Catalog::builtin()).expect("compiles");
    let index = LineIndex::new(text);
    let ir = pyward_syntax::lower(text, pyward_syntax::Options::default());
    scanner
        .scan(path, &ir)
        .into_iter()
        .map(|secret| {
            (
                index.line_column(secret.span.start).0,
                secret.rule,
                secret.confidence,
            )
        })
        .collect()
}

#[test]
fn documents() {
    // What only library models can tell: positional keys.
    let by_model = ["Arguments, defaults, comparisons", "Flask"];
    let mut tested = 0;
    for rule in ["hardcoded-secret", "default-credentials"] {
        let document = Catalog::builtin().document(rule).expect("is there");
        for case in &document.cases {
            for file in &case.files {
                let mut found: Vec<usize> = lines(&file.path, &file.text)
                    .into_iter()
                    .filter(|(_, _, confidence)| *confidence > Confidence::Low)
                    .map(|(line, _, _)| line as usize)
                    .collect();
                found.dedup();
                let mut expected: Vec<usize> =
                    file.expected.iter().map(|(line, _)| *line).collect();
                let known_by_model = |line: &usize| {
                    by_model.contains(&case.name.as_str())
                        || file
                            .text
                            .lines()
                            .nth(line - 1)
                            .is_some_and(|text| text.contains("create_superuser"))
                };
                expected.retain(|line| !known_by_model(line) || found.contains(line));
                assert_eq!(found, expected, "{rule}: {}\n{}", case.name, file.text);
                tested += 1;
            }
        }
    }
    assert!(tested > 10, "{tested}");
}

#[test]
fn values() {
    for (text, expected) in [
        ("password = os.getenv('PASSWORD') or 'hunter2x'", 1),
        ("password = os.environ.get('DB_PASSWORD', 'hunter2x')", 1),
        ("KEY = 'x'; secret_key = b'0123456789abcdef'", 1),
        (
            "class A:\n    def f(self):\n        self.api_key = 'zx81b2c3d4e5'",
            1,
        ),
        ("a, password = 'x', 'hunter2x'", 1),
        ("if form.get('password') == 'hunter2x':\n    pass", 1),
        ("connect(user='x', password='swordfish')", 1),
        ("connect(user='admin', password='admin')", 1),
        ("password = 'password'", 0),
        ("password = 'your-password-here'", 0),
        ("TOKEN_URL = 'https://a.example/1'", 0),
        ("ACCESS_TOKEN = 'access_token'", 0),
        ("password: str = ''", 0),
        ("headers = {'Authorization': 'Bearer'}", 0),
        ("assert password != ''", 0),
        ("secret = 'secret'", 0),
        ("password = f'{user}1'", 0),
        ("api_key = 'xxxxxxxxxxxxxxxx'", 0),
        ("x = 'ghp_' + name", 0),
        ("x = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a'", 1),
    ] {
        let found: Vec<_> = lines("a.py", text)
            .into_iter()
            .filter(|(_, _, c)| *c > Confidence::Low)
            .collect();
        assert_eq!(found.len(), expected, "{text}: {found:?}");
    }
}

#[test]
fn dummies_in_tests() {
    let text = "password = 'hunter2x'";
    assert_eq!(lines("a.py", text)[0].2, Confidence::Medium);
    assert_eq!(lines("tests/test_a.py", text)[0].2, Confidence::Low);
}
