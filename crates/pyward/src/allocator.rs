//! Memory: an allocator for many small, short-lived values on several threads.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc's `mi_option_e`; the bindings leave it out.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Keeps freed memory for the process instead of handing it back to the system at once: a run is short, and the
/// pages would be asked for, and cleared by the system, again and again. Peak memory is the same.
pub(crate) fn keep_memory() {
    #[allow(
        unsafe_code,
        reason = "the allocator's options are a C interface; a number is set before other threads start"
    )]
    // SAFETY: the option exists in the version that is linked (asserted in the test) and takes any number.
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, -1);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_option_is_the_one_meant() {
        #[allow(unsafe_code, reason = "see `keep_memory`")]
        // SAFETY: reads a number.
        let before = unsafe { libmimalloc_sys::mi_option_get(super::PURGE_DELAY) };
        // The delay's default in milliseconds; its neighbours are switches.
        assert!(before >= 10, "{before}");
        super::keep_memory();
        #[allow(unsafe_code, reason = "see `keep_memory`")]
        // SAFETY: reads a number.
        let after = unsafe { libmimalloc_sys::mi_option_get(super::PURGE_DELAY) };
        assert_eq!(after, -1);
    }
}
