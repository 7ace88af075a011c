//! The one error type of the crate. Messages never carry secrets.

/// Everything that can go wrong in the kit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument is outside what the function accepts.
    #[error("{0}")]
    InvalidInput(String),
    /// A signature, tag, hash or password does not verify.
    #[error("verification failed")]
    VerificationFailed,
    /// A token, ciphertext or document does not verify, and saying why gives nothing away.
    #[error("verification failed: {0}")]
    NotVerified(&'static str),
    /// The key named by a token or ciphertext is not (or no longer) among the keys at hand.
    #[error("verification failed: unknown key")]
    UnknownKey,
    /// Something is past its time limit.
    #[error("expired")]
    Expired,
    /// The host cannot enforce what was asked for; nothing was weakened silently.
    #[error("not supported on this host: {0}")]
    Unsupported(String),
    /// The operation is not allowed.
    #[error("refused: {0}")]
    Refused(String),
    /// Input or work is larger than the bound set for it.
    #[error("limit exceeded: {0}")]
    LimitExceeded(String),
    /// The operating system said no.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Result of every fallible call of the kit.
pub type Result<T> = std::result::Result<T, Error>;
