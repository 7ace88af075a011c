use super::*;

fn name(text: &str) -> Expr {
    Expr::Name(text.into())
}

#[test]
fn python_like_forms() {
    let jinja = |text| parse(text, Syntax::Jinja);
    assert_eq!(
        jinja("a.b['c']"),
        Expr::Index(
            Box::new(Expr::Attr(Box::new(name("a")), "b".into())),
            Box::new(Expr::Str("c".into()))
        )
    );
    assert_eq!(
        jinja("a if b else c"),
        Expr::Either(vec![name("a"), name("c")])
    );
    assert_eq!(
        jinja("a is defined and b"),
        Expr::Either(vec![Expr::Constant, name("b")])
    );
    assert_eq!(jinja("a is divisibleby 3"), Expr::Constant);
    assert_eq!(jinja("a not in b"), Expr::Constant);
    assert_eq!(
        jinja("'<b>' ~ a ~ b"),
        Expr::Concat(vec![Expr::Str("<b>".into()), name("a"), name("b")])
    );
    assert!(
        matches!(jinja("x|default('y')|safe"), Expr::Filter(inner, n, _) if n == "safe" && matches!(&*inner, Expr::Filter(_, n, _) if n == "default"))
    );
    assert!(
        matches!(jinja("f(a, b=c, *d, **e)"), Expr::Call(_, args) if args.positional.len() == 2 && args.named.len() == 2)
    );
    assert_eq!(
        parse("a | b", Syntax::Python),
        Expr::Concat(vec![name("a"), name("b")])
    );
    assert_eq!(
        parse("f'<b>{x!r:>{w}}</b>'", Syntax::Python),
        Expr::Concat(vec![name("x")])
    );
    assert!(matches!(
        parse("', '.join(x.y for x in xs)", Syntax::Python),
        Expr::Call(..)
    ));
    assert_eq!(jinja("a + ("), Expr::Unknown(vec![name("a")]));
}

#[test]
fn django_forms() {
    assert_eq!(
        parse_django(" a.b.0 "),
        Expr::Index(
            Box::new(Expr::Attr(Box::new(name("a")), "b".into())),
            Box::new(Expr::Constant)
        )
    );
    assert!(matches!(parse_django("a|default:\"x|y\"|safe"), Expr::Filter(_, n, _) if n == "safe"));
    assert_eq!(parse_django("'text'"), Expr::Str("text".into()));
    assert_eq!(parse_django("_('text')"), Expr::Str("text".into()));
}

#[test]
fn splitting() {
    assert_eq!(
        split_outside("a, (b, c), 'd, e'", ","),
        ["a", " (b, c)", " 'd, e'"]
    );
}
