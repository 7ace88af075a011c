//! Second factors: one-time passwords, recovery codes, and the QR codes that set them up.
//!
//! CWE-308, CWE-294 (replay), CWE-307; ASVS 5.0: v5.0.0-6.5.1, v5.0.0-6.5.2, v5.0.0-6.5.5, v5.0.0-6.5.8.
//!
//! ```
//! use pyward_guard::mfa::otp::{Algorithm, Otp};
//! let otp = Otp::generate(Algorithm::Sha1, 6)?;
//! let (now, period, window) = (1_700_000_000, 30, 1);
//! let code = otp.code(now / period);
//! let step = otp.verify_totp(&code, now, period, window, None)?;
//! // Kept with the user, the step makes each code good for one use.
//! assert!(otp.verify_totp(&code, now, period, window, Some(step)).is_err());
//! assert!(otp.verify_totp(&code, now + 300, period, window, None).is_err());
//! # Ok::<(), pyward_guard::Error>(())
//! ```

pub mod otp;
pub mod qr;
pub mod recovery;
