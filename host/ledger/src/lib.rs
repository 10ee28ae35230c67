//! The ledger: what was decided and done, append-only, in one file of JSON lines.
//!
//! A step is recorded before any of its effects and settled afterwards; a process that dies in between finds the open
//! step again. One process at a time may hold the file.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use trimtab_core::decide::Evaluation;
use trimtab_core::observation::Observation;
use trimtab_core::plan::Plan;
use trimtab_core::ports::{Ledger, LedgerFailure, Settlement};
use trimtab_core::proposal::Slot;
use trimtab_core::record::Revision;
use trimtab_core::time::Timestamp;

/// Version of the lines that this crate writes. It reads this version only.
const VERSION: u32 = 1;

/// Name of the file in the data folder.
const FILE_NAME: &str = "ledger.jsonl";

/// One line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    #[serde(rename = "v")]
    version: u32,
    #[serde(flatten)]
    entry: Entry,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "camelCase")]
enum Entry {
    Prepare { plan: Box<Plan>, evaluations: Vec<Evaluation> },
    Settle { uid: String, sequence: u64, settlement: Settlement },
    Fault { uid: String, name: String, namespace: String, at: Timestamp, evaluations: Vec<Evaluation> },
}

#[derive(Debug)]
struct State {
    file: File,
    /// Length of the file up to the last whole line.
    length: u64,
    unsettled: HashMap<String, Plan>,
    /// The faults last noted of each remediation: the same ones again are not written again.
    noted: HashMap<String, Vec<Noted>>,
    is_broken: bool,
}

/// Slot, component and reason of a fault.
type Noted = (Slot, Option<Revision>, String);

/// A ledger in one local file.
#[derive(Debug)]
pub struct FileLedger {
    path: PathBuf,
    state: Mutex<State>,
}

impl FileLedger {
    /// Opens or creates `ledger.jsonl` in `folder` and reads which steps are open.
    ///
    /// A last line that was cut short by the death of its writer is dropped: its effects had not begun.
    pub fn open(folder: &Path) -> Result<Self, LedgerFailure> {
        let path = folder.join(FILE_NAME);
        let failure = |what, why: String| LedgerFailure { what, thing: path.display().to_string(), why };
        std::fs::create_dir_all(folder).map_err(|error| failure("create the folder of", error.to_string()))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| failure("open", error.to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let why = "another trimtab process holds it; stop that one or give this one its own --data folder";
                return Err(failure("open", why.to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(failure("lock", error.to_string())),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(|error| failure("read", error.to_string()))?;
        let (unsettled, length) = replay(&text).map_err(|why| failure("read", why))?;
        file.set_len(length).map_err(|error| failure("mend", error.to_string()))?;
        file.seek(SeekFrom::End(0)).map_err(|error| failure("read", error.to_string()))?;
        Ok(Self { path, state: Mutex::new(State { file, length, unsettled, noted: HashMap::new(), is_broken: false }) })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // INVARIANT: no code panics while it holds the lock, and a half-written line is cut off by `append`.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self, what: &'static str, why: String) -> LedgerFailure {
        LedgerFailure { what, thing: self.path.display().to_string(), why }
    }

    fn append(&self, state: &mut State, entry: Entry, is_synced: bool) -> Result<(), LedgerFailure> {
        if state.is_broken {
            let why = "an earlier write failed and could not be undone; restart trimtab once the disk is well";
            return Err(self.failure("write to", why.to_owned()));
        }
        let line = Line { version: VERSION, entry };
        let mut bytes = serde_json::to_vec(&line).map_err(|error| self.failure("encode for", error.to_string()))?;
        bytes.push(b'\n');
        let written =
            state.file.write_all(&bytes).and_then(|()| if is_synced { state.file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            let undone = state.file.set_len(state.length).and_then(|()| state.file.seek(SeekFrom::End(0)));
            state.is_broken = undone.is_err();
            return Err(self.failure("write to", format!("{error}; free space or see `trimtab doctor`")));
        }
        state.length += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}

/// Reads whole lines: the open steps, and the length up to the last whole line.
fn replay(text: &[u8]) -> Result<(HashMap<String, Plan>, u64), String> {
    let mut unsettled = HashMap::new();
    let mut length = 0;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = text.get(..whole).unwrap_or_default().split_inclusive(|byte| *byte == b'\n');
    for (number, line) in lines.enumerate() {
        let read: Line = serde_json::from_slice(line)
            .map_err(|error| format!("line {}: {error}; move the file away to start anew", number + 1))?;
        if read.version != VERSION {
            return Err(format!("line {} has version {}, this trimtab reads {VERSION}", number + 1, read.version));
        }
        match read.entry {
            Entry::Prepare { plan, .. } => {
                unsettled.insert(plan.uid.clone(), *plan);
            }
            Entry::Settle { uid, .. } => {
                unsettled.remove(&uid);
            }
            Entry::Fault { .. } => {}
        }
        length += u64::try_from(line.len()).unwrap_or(u64::MAX);
    }
    Ok((unsettled, length))
}

impl Ledger for FileLedger {
    fn prepare(&self, plan: &Plan, evaluations: &[Evaluation]) -> Result<(), LedgerFailure> {
        let mut state = self.state();
        let entry = Entry::Prepare { plan: Box::new(plan.clone()), evaluations: evaluations.to_vec() };
        self.append(&mut state, entry, true)?;
        state.unsettled.insert(plan.uid.clone(), plan.clone());
        Ok(())
    }

    fn settle(&self, uid: &str, settlement: &Settlement) -> Result<(), LedgerFailure> {
        let mut state = self.state();
        if *settlement == Settlement::Unknown {
            state.noted.remove(uid);
        }
        let Some(sequence) = state.unsettled.get(uid).map(|plan| plan.sequence) else { return Ok(()) };
        let entry = Entry::Settle { uid: uid.to_owned(), sequence, settlement: settlement.clone() };
        self.append(&mut state, entry, false)?;
        state.unsettled.remove(uid);
        state.noted.remove(uid);
        Ok(())
    }

    fn unsettled(&self, uid: &str) -> Option<Plan> {
        self.state().unsettled.get(uid).cloned()
    }

    fn open_remediations(&self) -> Vec<String> {
        self.state().unsettled.keys().cloned().collect()
    }

    fn note_fault(&self, observation: &Observation, evaluations: &[Evaluation]) -> Result<(), LedgerFailure> {
        let faults = evaluations
            .iter()
            .filter_map(|one| one.fault.as_ref().map(|(reason, _)| (one.slot, one.revision.clone(), reason.clone())));
        let faults: Vec<Noted> = faults.collect();
        let mut state = self.state();
        if state.noted.get(&observation.uid) == Some(&faults) {
            return Ok(());
        }
        let entry = Entry::Fault {
            uid: observation.uid.clone(),
            name: observation.name.clone(),
            namespace: observation.namespace.clone(),
            at: observation.now,
            evaluations: evaluations.to_vec(),
        };
        self.append(&mut state, entry, false)?;
        state.noted.insert(observation.uid.clone(), faults);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
