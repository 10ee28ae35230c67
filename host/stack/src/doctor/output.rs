//! The output of a program that is asked something, within bounds.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a program may take to answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// How much of its answer is read.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// There is no such program.
    Missing,
    /// It didn't run, or didn't end well; in words.
    Broken(String),
}

/// The standard output of a program, as text.
pub(super) fn of(program: &str, arguments: &[&str]) -> Result<String, NoAnswer> {
    let spawned =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = spawned.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NoAnswer::Missing,
        _ => NoAnswer::Broken(error.to_string()),
    })?;
    let Some(stdout) = child.stdout.take() else {
        return Err(NoAnswer::Broken("no output".to_owned()));
    };
    let (text_out, text_in) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let read = stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut text);
        // A closed channel means that the deadline is over.
        let _ = text_out.send(read.map(|_| text));
    });
    let answer = text_in.recv_timeout(ANSWER_DEADLINE);
    if answer.is_err() {
        // An error means that it ended just now.
        let _ = child.kill();
    }
    let status = child.wait();
    let broken = |problem: String| Err(NoAnswer::Broken(problem));
    match (answer, status) {
        (Err(_), _) => broken(format!("no answer within {ANSWER_DEADLINE:?}")),
        (Ok(Err(error)), _) | (_, Err(error)) => broken(error.to_string()),
        (Ok(Ok(_)), Ok(status)) if !status.success() => broken(status.to_string()),
        (Ok(Ok(text)), Ok(_)) => Ok(String::from_utf8_lossy(&text).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_answers() {
        assert_eq!(of("echo", &["yes"]).unwrap(), "yes\n");
    }

    #[test]
    fn a_missing_program_differs_from_a_broken_one() {
        let missing = of("trimtab-no-such-program", &[]);
        assert!(matches!(missing, Err(NoAnswer::Missing)));
        let broken = of("sh", &["-c", "exit 3"]);
        assert!(matches!(broken, Err(NoAnswer::Broken(why)) if why == "exit status: 3"));
    }
}
