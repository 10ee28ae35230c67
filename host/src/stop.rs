//! When a command is told to end.

use tokio::sync::watch;

/// Resolves on SIGTERM, on Ctrl-C and, if asked, when standard input ends. Signals are heard from this call on, whether or
/// not anybody waits: before it they end the process at once.
pub(crate) fn stop_signal(exit_on_stdin_close: bool) -> impl Future<Output = ()> + Send + Sync + 'static {
    let (sender, mut receiver) = watch::channel(false);
    let signalled = signalled();
    tokio::spawn(async move {
        let stdin_closed = async {
            if exit_on_stdin_close {
                let mut input = tokio::io::stdin();
                let _ = tokio::io::copy(&mut input, &mut tokio::io::sink()).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = stdin_closed => {}
            () = signalled => {}
        }
        sender.send_replace(true);
    });
    async move {
        // The sender lives until it has sent.
        let _ = receiver.wait_for(|stopped| *stopped).await;
    }
}

#[cfg(unix)]
fn signalled() -> impl Future<Output = ()> + Send + 'static {
    use tokio::signal::unix::SignalKind;
    let (terminate, interrupt) = (heard(SignalKind::terminate()), heard(SignalKind::interrupt()));
    async move {
        tokio::select! {
            () = terminate => {}
            () = interrupt => {}
        }
    }
}

/// Listens at once; what it returns only waits.
#[cfg(unix)]
fn heard(kind: tokio::signal::unix::SignalKind) -> impl Future<Output = ()> + Send + 'static {
    let signals = tokio::signal::unix::signal(kind)
        .inspect_err(|error| tracing::warn!(?kind, %error, "a signal cannot be heard: it ends the process at once"));
    async move {
        match signals {
            Ok(mut signals) => {
                signals.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
fn signalled() -> impl Future<Output = ()> + Send + 'static {
    async {
        let _ = tokio::signal::ctrl_c().await;
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::{Command, id};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_signal_that_comes_before_anybody_waits_is_heard() {
        for signal in ["-TERM", "-INT"] {
            let stopped = stop_signal(false);
            assert!(Command::new("kill").arg(signal).arg(id().to_string()).status().unwrap().success());
            tokio::time::timeout(Duration::from_secs(30), stopped).await.expect(signal);
        }
    }
}
