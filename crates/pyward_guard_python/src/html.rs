//! Binding of `pyward_guard::html`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};
use pyward_guard::html::{self, Policy, Preset, RelativeUrls, Sanitizer, Tracker};

use crate::error::{InvalidInput, to_py};
use crate::number::whole;
use crate::text::{Judged, Shown};

/// The Python class `pyward_guard.html.Markup`, set when that module is imported.
static MARKUP: PyOnceLock<Py<PyType>> = PyOnceLock::new();

#[pyfunction]
fn html_set_markup(py: Python<'_>, class_: Py<PyType>) {
    // A second import hands in the same class.
    let _ = MARKUP.set(py, class_);
}

fn markup<'py>(py: Python<'py>, text: Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    MARKUP
        .get(py)
        .ok_or_else(|| InvalidInput::new_err("pyward_guard.html is not imported"))?
        .bind(py)
        .call1((text,))
}

/// Text for HTML, escaped: a `str` as it is, an object with `__html__` by its word, anything else by `str()`.
///
/// For text between tags and for attribute values in quotes. Protects against CWE-79, CWE-83, CWE-116.
/// ASVS 5.0: v5.0.0-1.2.1.
///
/// >>> from pyward_guard.html import escape
/// >>> escape("<b> & 'quotes'")
/// Markup('&lt;b&gt; &amp; &#39;quotes&#39;')
#[pyfunction]
fn html_escape<'py>(py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let text = match value.cast_exact::<PyString>() {
        Ok(text) => text.clone(),
        Err(_) => {
            if let Some(method) = value.getattr_opt(intern!(py, "__html__"))? {
                let html = method.call0()?;
                return markup(py, html.cast_into::<PyString>()?);
            }
            value.str()?
        }
    };
    let source = text.to_string_lossy();
    match html::first_special(&source) {
        None if matches!(source, Cow::Owned(_)) => markup(py, PyString::new(py, &source)),
        None => markup(py, text.clone()),
        Some(first) => {
            let mut out = String::with_capacity(source.len() + source.len() / 8 + 32);
            html::escape_into(&source, first, &mut out);
            markup(py, PyString::new(py, &out))
        }
    }
}

#[pyfunction]
fn html_attribute(text: Shown<'_>) -> String {
    html::attribute(&text.0)
}

#[pyfunction]
fn html_url_component(text: Shown<'_>) -> String {
    html::url_component(&text.0)
}

#[pyfunction]
fn html_check_url(url: Judged<'_>, schemes: Vec<String>, allow_network_path: bool) -> PyResult<()> {
    let schemes: Vec<&str> = schemes.iter().map(String::as_str).collect();
    html::allowed_url(url.0, &schemes, allow_network_path)
        .map(drop)
        .map_err(to_py)
}

#[pyfunction]
fn html_script_json(json: &str) -> PyResult<String> {
    html::script_json(json).map_err(to_py)
}

#[pyfunction]
fn html_script_string(text: Shown<'_>) -> String {
    html::script_string(&text.0)
}

#[pyfunction]
fn html_css_string(text: Shown<'_>) -> String {
    html::css_string(&text.0)
}

#[pyfunction]
fn html_filter_style(style: Shown<'_>, properties: Vec<String>) -> String {
    html::filter_style(&style.0, &properties.into_iter().collect())
}

#[pyclass(frozen, module = "pyward_guard._core")]
struct HtmlSanitizer(Sanitizer);

fn preset(name: &str) -> PyResult<Preset> {
    Ok(match name {
        "text" => Preset::Text,
        "inline" => Preset::Inline,
        "comment" => Preset::Comment,
        "article" => Preset::Article,
        _ => {
            return Err(InvalidInput::new_err(
                "the preset is one of text, inline, comment, article",
            ));
        }
    })
}

type PolicyTuple = (Vec<String>, BTreeMap<String, Vec<String>>, Vec<String>);

/// Tags, attributes by tag, and generic attributes of a preset.
#[pyfunction]
fn html_preset(name: &str) -> PyResult<PolicyTuple> {
    let policy = Policy::preset(preset(name)?);
    Ok((policy.tags, policy.attributes, policy.generic_attributes))
}

#[pymethods]
impl HtmlSanitizer {
    #[new]
    #[allow(clippy::too_many_arguments)] // given by name
    #[pyo3(signature = (*, tags, attributes, generic_attributes, styles, classes, schemes, relative_urls, base_url, link_rel, link_hosts, resource_hosts, id_prefix, max_bytes))]
    fn new(
        tags: Vec<String>,
        attributes: BTreeMap<String, Vec<String>>,
        generic_attributes: Vec<String>,
        styles: Vec<String>,
        classes: BTreeMap<String, Vec<String>>,
        schemes: Vec<String>,
        relative_urls: &str,
        base_url: Option<String>,
        link_rel: Option<String>,
        link_hosts: Option<Vec<String>>,
        resource_hosts: Option<Vec<String>>,
        id_prefix: Option<String>,
        #[pyo3(from_py_with = whole)] max_bytes: usize,
    ) -> PyResult<Self> {
        let relative_urls = match (relative_urls, base_url) {
            ("keep", None) => RelativeUrls::Keep,
            ("remove", None) => RelativeUrls::Remove,
            ("resolve", Some(base)) => RelativeUrls::Resolve(base),
            _ => {
                return Err(InvalidInput::new_err(
                    "relative_urls is keep, remove, or an absolute base URL",
                ));
            }
        };
        let policy = Policy {
            tags,
            attributes,
            generic_attributes,
            styles,
            classes,
            schemes,
            relative_urls,
            link_rel,
            link_hosts,
            resource_hosts,
            id_prefix,
            max_bytes,
        };
        Sanitizer::new(&policy).map(Self).map_err(to_py)
    }

    fn clean<'py>(
        &self,
        py: Python<'py>,
        html: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let source = html.to_string_lossy();
        // Detaching costs as much as cleaning a short text.
        let cleaned = if source.len() < 512 {
            self.0.clean(&source)
        } else {
            py.detach(|| self.0.clean(&source))
        }
        .map_err(to_py)?;
        match cleaned {
            Cow::Borrowed(text) if matches!(source, Cow::Owned(_)) => {
                markup(py, PyString::new(py, text))
            }
            Cow::Borrowed(_) => markup(py, html.clone()),
            Cow::Owned(text) => markup(py, PyString::new(py, &text)),
        }
    }
}

/// Follows a template's literal parts; see `pyward_guard::html::Tracker`.
#[pyclass(module = "pyward_guard._core")]
#[derive(Default)]
struct HtmlTracker(Tracker);

#[pymethods]
impl HtmlTracker {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn feed(&mut self, text: &str) {
        self.0.feed(text);
    }

    /// The context at this point; a value is assumed to follow.
    fn value(&mut self) -> &'static str {
        use html::Context as C;
        let context = self.0.context();
        self.0.value();
        match context {
            C::Text => "text",
            C::RawText => "raw-text",
            C::Attribute => "attribute",
            C::UrlStart => "url",
            C::CodeUrlStart => "code-url",
            C::UrlRest => "url-part",
            C::UrlUnsettled => "url-unsettled",
            C::ScriptAttribute => "script-attribute",
            C::ScriptAttributeString => "script-attribute-string",
            C::StyleAttribute => "style-attribute",
            C::JsonAttribute => "json-attribute",
            C::JsonAttributeString => "json-attribute-string",
            C::NumberAttribute => "number-attribute",
            C::OtherAttribute => "other-attribute",
            C::Unquoted => "unquoted",
            C::Script => "script",
            C::ScriptString => "script-string",
            C::ScriptUnsure => "script-unsure",
            C::Style => "style",
            C::Comment => "comment",
            C::Tag => "tag",
        }
    }

    fn copy(&self) -> Self {
        Self(self.0.clone())
    }

    /// Two trackers with the same place judge all that follows alike.
    fn place(&self) -> String {
        self.0.place()
    }

    fn at_rest(&self) -> bool {
        self.0.at_rest()
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<HtmlSanitizer>()?;
    module.add_class::<HtmlTracker>()?;
    module.add_function(wrap_pyfunction!(html_set_markup, module)?)?;
    module.add_function(wrap_pyfunction!(html_escape, module)?)?;
    module.add_function(wrap_pyfunction!(html_attribute, module)?)?;
    module.add_function(wrap_pyfunction!(html_url_component, module)?)?;
    module.add_function(wrap_pyfunction!(html_check_url, module)?)?;
    module.add_function(wrap_pyfunction!(html_script_json, module)?)?;
    module.add_function(wrap_pyfunction!(html_script_string, module)?)?;
    module.add_function(wrap_pyfunction!(html_css_string, module)?)?;
    module.add_function(wrap_pyfunction!(html_filter_style, module)?)?;
    module.add_function(wrap_pyfunction!(html_preset, module)?)?;
    Ok(())
}
