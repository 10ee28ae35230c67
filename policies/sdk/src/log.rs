//! Lines for the operator. Nothing comes back, so a line cannot change a decision.

pub use crate::bindings::log::Level;

/// Writes one line. An evaluation has 4,096 bytes by default; what is over is cut. Natively it goes to standard error.
pub fn line(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::log::log(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}

/// Sends the message and place of a panic through the log, once for each instance. Called by the exports.
pub(crate) fn report_panics() {
    #[cfg(target_arch = "wasm32")]
    {
        use std::sync::atomic::{AtomicBool, Ordering};
        static REPORTED: AtomicBool = AtomicBool::new(false);
        if !REPORTED.swap(true, Ordering::Relaxed) {
            std::panic::set_hook(Box::new(|panic| line(Level::Error, &panic.to_string())));
        }
    }
}
