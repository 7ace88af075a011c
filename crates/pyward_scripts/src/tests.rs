use super::Scripts;
use proptest::prelude::*;
use pyward_catalog::Catalog;

/// The lines, from 1, with a flow.
fn lines(code: &str) -> Vec<usize> {
    let flows = Scripts::new(&Catalog::builtin().models).flows(code).found;
    let line = |at: usize| code[..at].matches('\n').count() + 1;
    flows.iter().map(|flow| line(flow.span.start)).collect()
}

#[test]
fn what_comes_from_elsewhere() {
    for (code, expected) in [
        (
            "fetch('/x').then(r => r.json()).then(data => {\n  box.innerHTML = data.text;\n});",
            vec![2],
        ),
        (
            "$.ajax({success: function (rows) {\n$('#a').append(\n  '<li>' + rows[i].name + '</li>'\n);}});",
            vec![2],
        ),
        (
            "document.write('<b>' + decodeURIComponent(location.hash.slice(1)));",
            vec![1],
        ),
        (
            "x.onload = function () { a.innerHTML = this.responseText };",
            vec![1],
        ),
        (
            "fetch(u).then(d => {\nbox.innerHTML += `<td>\n ${d.name}</td>`;\nbox.innerHTML = d.name; box.innerHTML = d.name; });",
            vec![2, 4],
        ),
        // Through functions, members and variables.
        (
            "async function load() { const r = await fetch('/x'); return r.json(); }\n\
             const show = (rows) => rows.map(r => `<li>${r.name}</li>`).join('');\n\
             load().then(rows => { list.innerHTML = show(rows); });",
            vec![3],
        ),
        (
            "class Page {\n async load() { this.rows = await (await fetch(u)).json(); }\n\
             draw() { this.box.innerHTML = this.rows[0].name; }\n}",
            vec![3],
        ),
        (
            "const { hash } = window.location;\nbox.outerHTML = hash;",
            vec![2],
        ),
        (
            "const loc = document.location;\nbox.insertAdjacentHTML('beforeend', loc.search);",
            vec![2],
        ),
        (
            "let all = [];\n$.getJSON(u, rows => { for (const r of rows) all.push('<p>' + r.t); });\n$('#x').html(all.join(''));",
            vec![3],
        ),
        (
            "socket.addEventListener('message', e => {\n log.innerHTML += JSON.parse(e.data).text; });",
            vec![2],
        ),
        (
            "ws.onmessage = (e) => { log.innerHTML += '<p>' + e.data; };",
            vec![1],
        ),
        (
            "axios.get(u).then(({ data }) => { box.innerHTML = data.bio; });",
            vec![1],
        ),
        (
            "$.each(JSON.parse(xhr.responseText), function (i, row) {\n $('#t').append('<td>' + row.a + '</td>'); });",
            vec![2],
        ),
        // Template tags leave gaps.
        (
            "var a = ______;   var b = [ 1 2 ];\nfetch(a).then(x => x.text()).then(t => { box.innerHTML = t; });",
            vec![2],
        ),
    ] {
        assert_eq!(lines(code), expected, "{code}");
    }
}

#[test]
fn the_pages_own() {
    for code in [
        "fetch(u); box.innerHTML = '';",
        "fetch(u).then(theme => { box.innerHTML = theme === 'dark' ? 'a.b' : 'c.d'; });",
        "fetch(u).then(rows => { box.innerHTML = `<b>${rows.length}</b>`; });",
        "fetch(u).then(data => { box.innerHTML = escapeHtml(data.text); });",
        "fetch(u).then(data => { box.innerHTML = DOMPurify.sanitize(data.text); });",
        "fetch(u).then(data => { /* box.innerHTML = data.text */ });",
        "fetch(u).then(data => { box.textContent = data.text; });",
        "fetch(u).then(data => { form.append('ip', data.ip); });",
        "fetch(u).then(data => { if (box.innerHTML == data.text) {} });",
        "fetch(u).then(data => { box.innerHTML = row.text; });",
        "fetch(u).then(d => { box.innerHTML = d.text.replace(/[<>&]/g, c => map[c]); });",
        "fetch(u).then(d => { box.innerHTML = d.map(r => escape(r.name)).join(''); });",
        "fetch(u).then(d => d.map((r, i) => { box.innerHTML += '<td>' + i; }));",
        "$.get(u).done(d => { box.append($('<div>', {'class': 'a', text: d.text})); });",
        "fetch(u).catch(error => { box.innerHTML = error.message; });",
        "const fetch = () => local; fetch(u).then(d => { box.innerHTML = d.text; });",
        "function show(text) { box.innerHTML = text; } show('<b>ready</b>');",
        "const icons = {a: '<i>'}; fetch(u).then(d => { box.innerHTML = icons[d.kind]; });",
    ] {
        assert!(lines(code).is_empty(), "{code}");
    }
}

#[test]
fn what_is_cut_is_told() {
    let scripts = Scripts::new(&Catalog::builtin().models);
    let code = "box.innerHTML = location.hash;";
    let whole = scripts.flows(code);
    assert!(whole.found.len() == 1 && !whole.is_partial);
    let large = scripts.flows(&format!("{code}{}", " ".repeat(1 << 20)));
    assert!(large.found.is_empty() && large.is_partial);
    let deep = format!("{}1{}", "[".repeat(3_000), "]".repeat(3_000));
    assert!(scripts.flows(&format!("{code}x = {deep}")).is_partial);
}

#[test]
fn deep_nesting_is_bounded() {
    let deep = "(".repeat(20_000);
    assert!(lines(&format!("box.innerHTML = {deep}location.hash")).len() <= 1);
    let chain = ".a()".repeat(5_000);
    assert!(lines(&format!("box.innerHTML = location.hash{chain}")).len() <= 1);
}

proptest! {
    #[test]
    fn any_text_is_read(text in "\\PC{0,60}") {
        lines(&format!("{text}.innerHTML = {text}"));
    }

    #[test]
    fn any_code_is_read(parts in proptest::collection::vec(
        prop::sample::select(vec![
            "x", "fetch(u)", ".then(", "=>", "{", "}", "(", ")", "`${", "}`", ".innerHTML", "=", "location.hash", ";",
            "function", "class", "const", "[", "]", ",", "...", "<", "/", "'", "return ", "async ", "é",
        ]), 0..40)) {
        lines(&format!("{}.innerHTML = 1", parts.concat()));
    }
}
