//! JWK, JWT and JWE.

use std::sync::{PoisonError, RwLock};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use pyward_guard::tokens::jose::{Algorithm, Jwk, JwkSet, jwe, jwt};
use pyward_guard::tokens::unix_now;

use crate::error::{VerificationFailed, to_py};
use crate::json;
use crate::keys::secret;
use crate::text::{Token, Valid};
use crate::tokens::payload;

/// A JSON web key (RFC 7517): a shared secret, or an RSA, NIST or Ed25519 key, private or public. Its repr shows no secret.
///
/// Protects against CWE-326, CWE-347. ASVS 5.0: v5.0.0-9.1.3. Raises InvalidInput for keys that are malformed or weak, and
/// for public keys given as secrets; secrets that are too short for an algorithm are refused where it is named.
///
/// >>> from pyward_guard.tokens import Jwk
/// >>> key = Jwk.generate("ES256")
/// >>> key.is_private, key.to_public().is_private
/// (True, False)
/// >>> Jwk.from_secret(b"-----BEGIN PUBLIC KEY-----")
/// Traceback (most recent call last):
/// pyward_guard.InvalidInput: ...
#[pyclass(name = "Jwk", module = "pyward_guard._core", frozen)]
struct PyJwk(Jwk);

fn with_id(mut key: Jwk, key_id: Option<String>) -> Jwk {
    if key_id.is_some() {
        key.kid = key_id;
    }
    key
}

#[pymethods]
impl PyJwk {
    /// A new random key for an algorithm: ``"EdDSA"``, ``"ES256"``, ``"RS256"``, ``"HS256"``, ``"ECDH-ES"``, ...
    ///
    /// Raises InvalidInput for other names.
    #[staticmethod]
    fn generate(py: Python<'_>, algorithm: &str) -> PyResult<Self> {
        py.detach(|| Jwk::generate(algorithm))
            .map(Self)
            .map_err(to_py)
    }

    /// A key from a shared secret; the algorithms say how many bytes they want. Raises InvalidInput for a public key.
    #[staticmethod]
    #[pyo3(signature = (value, key_id=None))]
    fn from_secret(value: &Bound<'_, PyAny>, key_id: Option<String>) -> PyResult<Self> {
        Jwk::from_secret(&secret(value)?)
            .map(|k| Self(with_id(k, key_id)))
            .map_err(to_py)
    }

    /// A key from its JSON form (RFC 7517). Raises InvalidInput for malformed and for weak keys.
    #[staticmethod]
    fn from_json(text: Valid<'_>) -> PyResult<Self> {
        Jwk::from_json(text.0).map(Self).map_err(to_py)
    }

    /// A key from PEM: SubjectPublicKeyInfo, PKCS #8, PKCS #1 or SEC 1, not encrypted. Raises InvalidInput for others.
    #[staticmethod]
    #[pyo3(signature = (text, key_id=None))]
    fn from_pem(text: &Bound<'_, PyAny>, key_id: Option<String>) -> PyResult<Self> {
        let text = secret(text)?;
        let text = String::from_utf8_lossy(&text);
        Jwk::from_pem(&text)
            .map(|k| Self(with_id(k, key_id)))
            .map_err(to_py)
    }

    /// The public part. Raises InvalidInput for a shared secret, which has none.
    fn to_public(&self) -> PyResult<Self> {
        self.0.to_public().map(Self).map_err(to_py)
    }

    /// The public part as PEM (SubjectPublicKeyInfo). Raises InvalidInput for a shared secret.
    fn to_public_pem(&self) -> PyResult<String> {
        self.0.to_public_pem().map_err(to_py)
    }

    /// The whole key as JSON, the private part in the clear (CWE-312); publish :meth:`to_public` of it.
    fn to_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        PyString::new(py, &self.0.to_json())
    }

    /// SHA-256 over the key's required members (RFC 7638), in base64url.
    fn thumbprint(&self) -> String {
        self.0.thumbprint()
    }

    /// The ``kid``, None when it has none.
    #[getter]
    fn key_id(&self) -> Option<&str> {
        self.0.kid.as_deref()
    }

    /// The ``alg`` that the key is bound to, None when it is not.
    #[getter]
    fn algorithm(&self) -> Option<&str> {
        self.0.alg.as_deref()
    }

    /// ``"oct"``, ``"RSA"``, ``"EC"`` or ``"OKP"``.
    #[getter]
    fn key_type(&self) -> &'static str {
        self.0.kty()
    }

    /// Whether it can sign or decrypt.
    #[getter]
    fn is_private(&self) -> bool {
        self.0.is_private()
    }

    fn __repr__(&self) -> String {
        let kid = self
            .0
            .kid
            .as_deref()
            .map_or("None".to_owned(), |k| format!("{k:?}"));
        let private = if self.0.is_private() { "True" } else { "False" };
        format!(
            "Jwk(key_type={:?}, key_id={kid}, is_private={private})",
            self.0.kty()
        )
    }
}

fn keys(list: &[PyRef<'_, PyJwk>]) -> Vec<Jwk> {
    list.iter().map(|k| k.0.clone()).collect()
}

#[pyfunction]
fn jwks_from_json(text: Valid<'_>) -> PyResult<Vec<PyJwk>> {
    Ok(JwkSet::from_json(text.0)
        .map_err(to_py)?
        .keys
        .into_iter()
        .map(PyJwk)
        .collect())
}

#[pyfunction]
fn jwks_to_public_json(list: Vec<PyRef<'_, PyJwk>>) -> String {
    JwkSet { keys: keys(&list) }.to_public_json()
}

#[pyclass(module = "pyward_guard._core", frozen)]
struct JwtSigner(jwt::Signer);

#[pymethods]
impl JwtSigner {
    #[new]
    fn new(key: &PyJwk, algorithm: &str, token_type: &str) -> PyResult<Self> {
        let algorithm = Algorithm::from_name(algorithm).map_err(to_py)?;
        jwt::Signer::new(&key.0, algorithm, token_type)
            .map(Self)
            .map_err(to_py)
    }

    fn sign(&self, py: Python<'_>, claims: &Bound<'_, PyAny>) -> PyResult<String> {
        let payload = json::dumps(claims)?;
        if self.0.algorithm().is_symmetric() {
            return self.0.sign(&payload).map_err(to_py);
        }
        py.detach(|| self.0.sign(&payload)).map_err(to_py)
    }

    fn sign_bytes(&self, py: Python<'_>, payload: &[u8]) -> PyResult<String> {
        py.detach(|| self.0.sign(payload)).map_err(to_py)
    }
}

#[pyclass(module = "pyward_guard._core", frozen)]
struct JwtVerifier {
    inner: RwLock<jwt::Verifier>,
    asymmetric: bool,
    revoked: Option<Py<PyAny>>,
}

#[pymethods]
impl JwtVerifier {
    #[new]
    #[pyo3(signature = (keys, algorithms, issuers, audiences, required, token_type, clock_skew, max_age, subject, revoked))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        keys: Vec<PyRef<'_, PyJwk>>,
        algorithms: Vec<String>,
        issuers: Option<Vec<String>>,
        audiences: Option<Vec<String>>,
        required: Vec<String>,
        token_type: Option<String>,
        clock_skew: f64,
        max_age: Option<f64>,
        subject: Option<String>,
        revoked: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let algorithms = algorithms
            .iter()
            .map(|a| Algorithm::from_name(a))
            .collect::<Result<_, _>>()
            .map_err(to_py)?;
        let policy = jwt::Policy {
            algorithms,
            issuers,
            audiences,
            required,
            typ: token_type,
            clock_skew,
            max_age,
            subject,
        };
        let inner = jwt::Verifier::new(policy, &self::keys(&keys)).map_err(to_py)?;
        Ok(Self {
            asymmetric: inner.is_asymmetric(),
            inner: RwLock::new(inner),
            revoked,
        })
    }

    fn set_keys(&self, keys: Vec<PyRef<'_, PyJwk>>) -> PyResult<()> {
        let keys = self::keys(&keys);
        self.inner
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .set_keys(&keys)
            .map_err(to_py)
    }

    #[pyo3(signature = (token, now=None))]
    fn verify<'py>(
        &self,
        py: Python<'py>,
        token: Token<'_>,
        now: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.verify_with_header(py, token, now)?.0)
    }

    /// (payload, header), signature only
    fn verify_payload<'py>(
        &self,
        py: Python<'py>,
        token: Token<'_>,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyAny>)> {
        let verified = py
            .detach(|| {
                self.inner
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .verify_payload(token.0)
            })
            .map_err(to_py)?;
        Ok((
            PyBytes::new(py, &verified.payload),
            payload(py, &verified.header)?,
        ))
    }

    /// (claims, header)
    #[pyo3(signature = (token, now=None))]
    fn verify_details<'py>(
        &self,
        py: Python<'py>,
        token: Token<'_>,
        now: Option<f64>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let (claims, header) = self.verify_with_header(py, token, now)?;
        Ok((claims, payload(py, &header)?))
    }
}

impl JwtVerifier {
    fn verify_with_header<'py>(
        &self,
        py: Python<'py>,
        token: Token<'_>,
        now: Option<f64>,
    ) -> PyResult<(Bound<'py, PyAny>, Vec<u8>)> {
        let now = now.unwrap_or_else(unix_now);
        let run = || {
            self.inner
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .verify(token.0, now)
        };
        let verified = if self.asymmetric {
            py.detach(run)
        } else {
            run()
        }
        .map_err(to_py)?;
        let claims = payload(py, &verified.payload)?;
        if let Some(revoked) = &self.revoked
            && revoked.call1(py, (&claims,))?.is_truthy(py)?
        {
            return Err(VerificationFailed::new_err(
                "verification failed: the token is revoked",
            ));
        }
        Ok((claims, verified.header))
    }
}

#[pyfunction]
#[pyo3(signature = (key, algorithm, encryption, token_type, plaintext))]
fn jwe_encrypt(
    py: Python<'_>,
    key: &PyJwk,
    algorithm: &str,
    encryption: &str,
    token_type: Option<&str>,
    plaintext: &[u8],
) -> PyResult<String> {
    py.detach(|| jwe::encrypt(&key.0, algorithm, encryption, token_type, plaintext))
        .map_err(to_py)
}

#[pyclass(module = "pyward_guard._core", frozen)]
struct JweDecrypter(jwe::Decrypter);

#[pymethods]
impl JweDecrypter {
    #[new]
    fn new(
        keys: Vec<PyRef<'_, PyJwk>>,
        algorithms: Vec<String>,
        encryptions: Vec<String>,
    ) -> PyResult<Self> {
        jwe::Decrypter::new(self::keys(&keys), algorithms, encryptions)
            .map(Self)
            .map_err(to_py)
    }

    /// (plaintext, header)
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        token: Token<'_>,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyAny>)> {
        let decrypted = py.detach(|| self.0.decrypt(token.0)).map_err(to_py)?;
        Ok((
            PyBytes::new(py, &decrypted.plaintext),
            payload(py, &decrypted.header)?,
        ))
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyJwk>()?;
    module.add_class::<JwtSigner>()?;
    module.add_class::<JwtVerifier>()?;
    module.add_class::<JweDecrypter>()?;
    module.add_function(wrap_pyfunction!(jwks_from_json, module)?)?;
    module.add_function(wrap_pyfunction!(jwks_to_public_json, module)?)?;
    module.add_function(wrap_pyfunction!(jwe_encrypt, module)?)
}
