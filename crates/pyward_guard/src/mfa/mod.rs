//! Second factors: one-time passwords, recovery codes, and the QR codes that set them up.
//!
//! CWE-308, CWE-294 (replay), CWE-307; ASVS 5.0: v5.0.0-6.5.1, v5.0.0-6.5.2, v5.0.0-6.5.5, v5.0.0-6.5.8.

pub mod otp;
pub mod qr;
pub mod recovery;
