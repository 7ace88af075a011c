//! Binding of `pyward_guard::privacy`.

use pyo3::prelude::*;
use pyward_guard::privacy;

use crate::error::{InvalidInput, to_py};
use crate::number::whole;
use crate::text::{Shown, Valid};

#[pyfunction]
fn privacy_mask(kind: &str, value: Shown<'_>) -> PyResult<String> {
    let value = &*value.0;
    Ok(match kind {
        "email" => privacy::mask_email(value),
        "card" => privacy::mask_card(value),
        "phone" => privacy::mask_phone(value),
        "iban" => privacy::mask_iban(value),
        "name" => privacy::mask_name(value),
        "ip" => privacy::mask_ip(value),
        _ => {
            return Err(InvalidInput::new_err(
                "the kind is one of email, card, phone, iban, name, ip, text",
            ));
        }
    })
}

#[pyfunction]
fn privacy_mask_text(value: Shown<'_>, #[pyo3(from_py_with = whole)] keep: usize) -> String {
    privacy::mask_text(&value.0, keep)
}

#[pyfunction]
fn privacy_pseudonym(key: &[u8], purpose: Valid<'_>, value: Valid<'_>) -> PyResult<String> {
    privacy::pseudonym(key, purpose.0, value.0).map_err(to_py)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(privacy_mask, module)?)?;
    module.add_function(wrap_pyfunction!(privacy_mask_text, module)?)?;
    module.add_function(wrap_pyfunction!(privacy_pseudonym, module)?)?;
    Ok(())
}
