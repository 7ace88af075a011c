//! Binding of `pyward_guard::validate`.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use pyward_guard::validate::{self, CardNetwork, Json, JsonLimits, Pattern, TextRules, UrlRules};

use crate::error::{InvalidInput, to_py};
use crate::number::whole;
use crate::text::Valid;

/// The validators of one text without options.
#[pyfunction]
fn validate_text(kind: &str, value: &str) -> PyResult<String> {
    let checked = match kind {
        "email" => validate::email(value),
        "iban" => validate::iban(value),
        "country" => validate::country(value),
        "locale" => validate::locale(value),
        "phone" => validate::phone(value),
        "colour" => validate::colour(value),
        "uuid" => validate::uuid(value),
        "ip" => validate::ip_address(value).map(|ip| ip.to_string()),
        "cidr" => validate::cidr(value).map(|(address, prefix)| format!("{address}/{prefix}")),
        _ => return Err(InvalidInput::new_err("there is no such validator")),
    };
    checked.map_err(to_py)
}

#[pyfunction]
fn validate_slug(value: &str, #[pyo3(from_py_with = whole)] max_bytes: usize) -> PyResult<String> {
    validate::slug(value, max_bytes).map_err(to_py)
}

#[pyfunction]
fn validate_user_name(
    value: &str,
    #[pyo3(from_py_with = whole)] min: usize,
    #[pyo3(from_py_with = whole)] max: usize,
    ascii: bool,
) -> PyResult<String> {
    validate::user_name(value, min, max, ascii).map_err(to_py)
}

#[pyfunction]
fn validate_plain_text(
    value: &str,
    #[pyo3(from_py_with = whole)] min: usize,
    #[pyo3(from_py_with = whole)] max: usize,
    multiline: bool,
    one_script_per_word: bool,
    compatibility: bool,
) -> PyResult<String> {
    validate::plain_text(
        value,
        &TextRules {
            min,
            max,
            multiline,
            one_script_per_word,
            compatibility,
        },
    )
    .map_err(to_py)
}

#[pyfunction]
fn validate_skeleton(value: &str) -> String {
    validate::confusable_skeleton(value)
}

#[pyfunction]
fn validate_url(
    value: &str,
    schemes: Vec<String>,
    hosts: Option<Vec<String>>,
    allow_ip: bool,
    allow_credentials: bool,
    allow_port: bool,
    #[pyo3(from_py_with = whole)] max_bytes: usize,
) -> PyResult<String> {
    let rules = UrlRules {
        schemes,
        hosts,
        allow_ip,
        allow_credentials,
        allow_port,
        max_bytes,
    };
    validate::url(value, &rules).map_err(to_py)
}

#[pyfunction]
fn validate_card_number(value: &str) -> PyResult<(String, &'static str)> {
    let (digits, network) = validate::card_number(value).map_err(to_py)?;
    let name = match network {
        CardNetwork::Visa => "visa",
        CardNetwork::Mastercard => "mastercard",
        CardNetwork::AmericanExpress => "american-express",
        CardNetwork::Discover => "discover",
        CardNetwork::DinersClub => "diners-club",
        CardNetwork::Jcb => "jcb",
        CardNetwork::UnionPay => "unionpay",
        CardNetwork::Maestro => "maestro",
        CardNetwork::Mir => "mir",
        CardNetwork::RuPay => "rupay",
        CardNetwork::Troy => "troy",
    };
    Ok((digits, name))
}

/// A pattern in linear time.
#[pyclass(frozen, module = "pyward_guard._core")]
struct ValidatePattern(Pattern);

#[pymethods]
impl ValidatePattern {
    #[new]
    fn new(source: Valid<'_>, #[pyo3(from_py_with = whole)] max_bytes: usize) -> PyResult<Self> {
        validate::pattern(source.0, max_bytes)
            .map(Self)
            .map_err(to_py)
    }

    fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }
}

fn json<'py>(py: Python<'py>, value: Json) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Json::Null => Ok(py.None().into_bound(py)),
        Json::Bool(b) => b.into_bound_py_any(py),
        Json::Int(i) => i.into_bound_py_any(py),
        Json::Unsigned(u) => u.into_bound_py_any(py),
        Json::Float(f) => f.into_bound_py_any(py),
        Json::Text(t) => t.into_bound_py_any(py),
        Json::Array(items) => {
            let items = items
                .into_iter()
                .map(|item| json(py, item))
                .collect::<PyResult<Vec<_>>>()?;
            Ok(PyList::new(py, items)?.into_any())
        }
        Json::Object(members) => {
            let dict = PyDict::new(py);
            for (name, member) in members {
                dict.set_item(name, json(py, member)?)?;
            }
            Ok(dict.into_any())
        }
    }
}

#[pyfunction]
fn validate_json<'py>(
    py: Python<'py>,
    text: &[u8],
    #[pyo3(from_py_with = whole)] max_bytes: usize,
    #[pyo3(from_py_with = whole)] max_depth: usize,
    #[pyo3(from_py_with = whole)] max_items: usize,
    #[pyo3(from_py_with = whole)] max_text: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let limits = JsonLimits {
        max_bytes,
        max_depth,
        max_items,
        max_text,
    };
    let value = if text.len() < 1024 {
        validate::parse_json(text, &limits)
    } else {
        py.detach(|| validate::parse_json(text, &limits))
    };
    json(py, value.map_err(to_py)?)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ValidatePattern>()?;
    module.add_function(wrap_pyfunction!(validate_text, module)?)?;
    module.add_function(wrap_pyfunction!(validate_slug, module)?)?;
    module.add_function(wrap_pyfunction!(validate_user_name, module)?)?;
    module.add_function(wrap_pyfunction!(validate_plain_text, module)?)?;
    module.add_function(wrap_pyfunction!(validate_skeleton, module)?)?;
    module.add_function(wrap_pyfunction!(validate_url, module)?)?;
    module.add_function(wrap_pyfunction!(validate_card_number, module)?)?;
    module.add_function(wrap_pyfunction!(validate_json, module)?)?;
    Ok(())
}
