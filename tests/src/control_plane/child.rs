//! A child process that ends when its standard input does, and its last lines.
//!
//! The write end of that input is held by this process alone, so the child
//! ends with it even where no destructor runs.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::process::{self, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

use super::error::StartError;

/// How many of the last lines of output are kept.
const LOG_LINES_MAX: usize = 40;
/// How much of one line is kept.
const LINE_BYTES_MAX: u64 = 4 << 10;
/// How long a child may take to follow the end of its input.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// A running child.
pub(super) struct Child {
    name: String,
    process: process::Child,
    lifeline: Option<ChildStdin>,
    log: Log,
    first_line: watch::Receiver<FirstLine>,
    // Disconnected once both outputs have ended, so that no last line is missed. The lock only makes it shareable.
    ended: Mutex<mpsc::Receiver<()>>,
}

/// The first line on standard output, by which some programs say they are ready.
#[derive(Debug, Clone, PartialEq, Eq)]
enum FirstLine {
    Awaited,
    Printed(String),
    /// The output ended before a line came, which means that the child did.
    Absent,
}

impl Child {
    /// Starts a program that ends when its standard input does.
    pub(super) fn spawn(name: &str, command: &mut Command) -> Result<Child, StartError> {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut process = spawned.map_err(|source| StartError::Spawn { program: name.to_owned(), source })?;
        let log = Log::default();
        let (line_out, first_line) = watch::channel(FirstLine::Awaited);
        let (ended_out, ended) = mpsc::channel();
        if let Some(errors) = process.stderr.take() {
            let (log, ended_out) = (log.clone(), ended_out.clone());
            thread::spawn(move || {
                each_line(errors, |line| log.push(line));
                drop(ended_out);
            });
        }
        if let Some(output) = process.stdout.take() {
            let log = log.clone();
            thread::spawn(move || {
                each_line(output, |line| {
                    log.push(line.clone());
                    line_out.send_if_modified(|first| first.print(line));
                });
                line_out.send_if_modified(FirstLine::end);
                drop(ended_out);
            });
        }
        Ok(Child {
            name: name.to_owned(),
            lifeline: process.stdin.take(),
            process,
            log,
            first_line,
            ended: Mutex::new(ended),
        })
    }

    /// The process id.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for the first line on standard output.
    pub(super) async fn first_line(&mut self, deadline: Duration) -> Result<String, StartError> {
        let mut lines = self.first_line.clone();
        let awaited = lines.wait_for(|line| *line != FirstLine::Awaited);
        let line = match tokio::time::timeout(deadline, awaited).await {
            Err(_) => {
                return Err(self.not_ready(deadline, "it has not said so".to_owned()));
            }
            Ok(Ok(line)) => line.clone(),
            Ok(Err(_)) => FirstLine::Absent,
        };
        match line {
            FirstLine::Printed(line) => Ok(line),
            FirstLine::Awaited | FirstLine::Absent => Err(self.end()),
        }
    }

    /// An error if the child has ended.
    pub(super) fn check_running(&mut self) -> Result<(), StartError> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(_) => Err(self.end()),
        }
    }

    /// The error of a child that still runs and is not ready.
    pub(super) fn not_ready(&self, waited: Duration, problem: String) -> StartError {
        StartError::NotReady { program: self.name.clone(), waited, problem, log: self.log.text() }
    }

    /// The error of a child that ended unasked.
    fn end(&mut self) -> StartError {
        let status = self.stop();
        StartError::Ended { program: self.name.clone(), status, log: self.log.text() }
    }

    /// Ends the child and returns its exit status in words.
    fn stop(&mut self) -> String {
        drop(self.lifeline.take());
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(STOP_DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
            // An error means that it ended just now.
            let _ = self.process.kill();
        }
        match self.process.wait() {
            Ok(status) => status.to_string(),
            Err(error) => format!("its exit status is not known: {error}"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Child").field("name", &self.name).field("id", &self.id()).finish_non_exhaustive()
    }
}

impl FirstLine {
    fn print(&mut self, line: String) -> bool {
        let is_first = *self == FirstLine::Awaited;
        if is_first {
            *self = FirstLine::Printed(line);
        }
        is_first
    }

    fn end(&mut self) -> bool {
        let is_awaited = *self == FirstLine::Awaited;
        if is_awaited {
            *self = FirstLine::Absent;
        }
        is_awaited
    }
}

/// The last lines of both outputs.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LOG_LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}

/// Reads to the end, in lines of bounded length (a longer one becomes several).
fn each_line(from: impl Read, mut line_to: impl FnMut(String)) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => line_to(String::from_utf8_lossy(&line).trim_end().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn shell(script: &str) -> Child {
        Child::spawn("a script", Command::new("sh").args(["-c", script])).unwrap()
    }

    #[tokio::test]
    async fn the_first_line_says_that_a_child_is_ready() {
        let mut child = shell("echo ready; echo more; cat");
        assert_eq!(child.first_line(LONG).await.unwrap(), "ready");
        child.check_running().unwrap();
    }

    #[tokio::test]
    async fn a_child_that_ends_too_early_is_reported_with_its_last_lines() {
        let mut child = shell("echo broken >&2; exit 3");
        let error = child.first_line(LONG).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("broken"), "{error}");
    }

    #[tokio::test]
    async fn a_child_that_says_nothing_is_given_up_at_the_deadline() {
        let mut child = shell("echo still busy >&2; cat");
        let error = child.first_line(Duration::from_millis(20)).await;
        assert!(matches!(error, Err(StartError::NotReady { .. })));
        child.check_running().unwrap();
    }

    #[test]
    fn a_child_ends_with_its_input() {
        let mut child = shell("cat; exit 7");
        assert_eq!(child.stop(), "exit status: 7");
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let log = Log::default();
        for number in 0..=LOG_LINES_MAX {
            log.push(number.to_string());
        }
        assert!(log.text().starts_with("1\n2\n"));
    }
}
