//! Whether a TCP port on 127.0.0.1 is free, and who holds it if not.

use std::io;
use std::net::TcpListener;

use super::finding::{Check, Finding, Severity};
use super::process_table::{ProcessTable, find, listeners};
use super::{DoctorScope, HEALTH_PORT, METRICS_PORT, Purpose};

/// What was read of a port.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PortReading {
    /// It could be listened on.
    Free,
    /// Others listen on it; empty where this user may not know who.
    Held(Vec<Holder>),
    /// It can't be listened on for another reason, in words.
    Refused(String),
}

/// A process that listens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pid: u32,
    command: String,
}

/// Listens for a moment.
pub(super) fn read(port: u16, table: &ProcessTable) -> PortReading {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => PortReading::Free,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let command = |pid| find(table, pid).map(|process| process.command.clone());
            let holders = listeners(port)
                .into_iter()
                .map(|pid| Holder { pid, command: command(pid).unwrap_or_else(|| "command not known".to_owned()) });
            PortReading::Held(holders.collect())
        }
        Err(error) => PortReading::Refused(error.to_string()),
    }
}

pub(super) fn judge(port: u16, reading: &PortReading, scope: &DoctorScope) -> Finding {
    let thing = match port {
        METRICS_PORT => format!("port {port} (metrics)"),
        HEALTH_PORT => format!("port {port} (health)"),
        _ => format!("port {port}"),
    };
    let of = |seen: String| Finding::ok(Check::Port, thing.clone(), seen);
    let severity = if scope.is_for(Purpose::Run) { Severity::Failure } else { Severity::Warning };
    match reading {
        PortReading::Free => of("free".to_owned()),
        PortReading::Refused(problem) => of(format!("can't be listened on: {problem}"))
            .needs(severity, "let trimtab listen on another port, such as one above 1023"),
        PortReading::Held(holders) if holders.is_empty() => of("held by a process this user may not see".to_owned())
            .needs(
                severity,
                format!("run ss -ltnp 'sport = :{port}' as root to see which, or let trimtab listen on another port"),
            ),
        PortReading::Held(holders) => {
            let names: Vec<String> =
                holders.iter().map(|Holder { pid, command }| format!("pid {pid} ({command})")).collect();
            let ids: Vec<String> = holders.iter().map(|holder| holder.pid.to_string()).collect();
            of(format!("held by {}", names.join(", ")))
                .needs(severity, format!("stop it (kill {}), or let trimtab listen on another port", ids.join(" ")))
        }
    }
}
