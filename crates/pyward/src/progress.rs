//! A line on the terminal while work takes longer than half a second.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};
use pyward_check::Stage;

const DELAY: Duration = Duration::from_millis(500);

/// Shows the stage at hand on standard error, if that is a terminal. Gone when dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    done: Arc<AtomicBool>,
    /// Drawing after the end would leave a line behind.
    drawing: Arc<Mutex<()>>,
}

impl Progress {
    pub(crate) fn start(quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let done = Arc::new(AtomicBool::new(false));
        let drawing = Arc::new(Mutex::new(()));
        if !quiet && std::io::stderr().is_terminal() {
            let (bar, done, drawing) = (bar.clone(), Arc::clone(&done), Arc::clone(&drawing));
            std::thread::spawn(move || {
                std::thread::sleep(DELAY);
                let _lock = drawing.lock();
                if !done.load(Ordering::Acquire) {
                    bar.set_draw_target(ProgressDrawTarget::stderr());
                    bar.enable_steady_tick(Duration::from_millis(100));
                }
            });
        }
        Self { bar, done, drawing }
    }

    pub(crate) fn stage(&self, stage: Stage) {
        self.bar.set_message(match stage {
            Stage::Discover => "finding files".to_owned(),
            Stage::Parse(files) => format!("parsing {files} files"),
            Stage::Analyse(files) => format!("following the data through {files} files"),
        });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let _lock = self.drawing.lock();
        self.done.store(true, Ordering::Release);
        self.bar.finish_and_clear();
    }
}
