//! Appends by many callers against bare INSERTs of the same bytes: `cargo bench -p trimtab-ledger -- [--quick]`.
//!
//! Both write with the same settings of `SQLite`, into files on the disk of the temporary folder; the bare side has
//! nothing to encode, hash, index or keep in order, and its transactions are as large as the ledger's were on average.
//! It inserts what the ledger is given, which is the goal's comparison, and then what the ledger stores of it, which is
//! a quarter of the bytes: the second ratio is what the work of making them small costs.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints numbers"
)]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use trimtab_core::phase::Phase;
use trimtab_core::plan::Plan;
use trimtab_core::ports::{DecisionRecord, Ledger as _, Settlement};
use trimtab_ledger::{SqliteLedger, StoreSettings};
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::EncoderDictionary;

#[path = "../src/sqlite/tests/fixture.rs"]
mod fixture;

/// The one that the host has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the ledger compresses with.
const DICTIONARY: &[u8] = include_bytes!("../src/sqlite/packing.zdict");

/// Callers at once.
const THREADS: usize = 64;

/// Goal, in prepared steps a second.
const PREPARES_MIN: f64 = 5000.0;

/// Goal, as a part of what bare INSERTs reach.
const RATIO_MIN: f64 = 0.5;

fn main() -> ExitCode {
    // Cargo itself passes `--bench`.
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let count = if is_quick { 6_400 } else { 51_200 };
    let folder = tempfile::tempdir().unwrap();
    let steps = steps(count / THREADS);
    let ledger = SqliteLedger::open(folder.path(), StoreSettings::default()).unwrap();
    let prepared = measure(&ledger, &steps, |ledger, (record, plan)| ledger.prepare(record, plan).unwrap());
    let bytes = ledger.numbers().unwrap().bytes;
    let settled = measure(&ledger, &steps, |ledger, (_, plan)| {
        ledger.settle(&plan.uid, &Settlement::Confirmed, plan.at).unwrap();
    });
    let bytes_settled = ledger.numbers().unwrap().bytes;
    drop(ledger);
    println!("{THREADS} callers, {count} steps of {} bytes of JSON\n", json_bytes(&steps));
    println!("encoding alone, with every core: {:.0} steps/s\n", count as f64 / encode(&steps).as_secs_f64());
    println!("{:12}          bare: as given       bare: as stored", "");
    println!("{:12}  appends/s   inserts/s  ratio   inserts/s  ratio  a transaction  bytes each", "");
    let prepare = row("prepare", folder.path(), count, &prepared, bytes);
    row("settlement", folder.path(), count, &settled, bytes_settled - bytes);
    let is_met = prepare.0 >= PREPARES_MIN && prepare.1 >= RATIO_MIN;
    let verdict = if is_met { "met" } else { "missed" };
    println!("\ngoal: {PREPARES_MIN} prepares/s and {} % of bare: {verdict}", RATIO_MIN * 100.0);
    if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

type Step = (DecisionRecord, Arc<Plan>);

/// For each caller its steps, each of a remediation of its own.
fn steps(each: usize) -> Vec<Vec<Step>> {
    let objects = fixture::objects();
    let step = |thread: usize, number: usize| {
        let uid = format!("{thread:08x}-0000-4000-8000-{number:012x}");
        let plan = fixture::plan(&objects, &uid, 1, Phase::Executing);
        (fixture::step(&objects, &plan), plan)
    };
    // The objects are shared: what differs is what the ledger keys by.
    (0..THREADS).map(|thread| (0..each).map(|number| step(thread, number)).collect()).collect()
}

fn json_bytes(steps: &[Vec<Step>]) -> usize {
    steps.first().and_then(|steps| steps.first()).map_or(0, |(record, _)| serde_json::to_vec(record).unwrap().len())
}

/// How long the same callers take to write, compress and hash their records as the ledger does, and nothing else: no
/// ledger on this machine can be faster.
fn encode(steps: &[Vec<Step>]) -> Duration {
    let dictionary = &EncoderDictionary::copy(DICTIONARY, 1);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for steps in steps {
            scope.spawn(move || {
                let mut compressor = Compressor::with_prepared_dictionary(dictionary).unwrap();
                let mut json = Vec::new();
                for (record, _) in steps {
                    json.clear();
                    serde_json::to_writer(&mut json, record).unwrap();
                    std::hint::black_box((Sha256::digest(&json), compressor.compress(&json).unwrap()));
                }
            });
        }
    });
    began.elapsed()
}

/// How long it took, and how many appends shared a transaction.
struct Measured {
    took: Duration,
    batch: f64,
}

fn measure(ledger: &SqliteLedger, steps: &[Vec<Step>], append: fn(&SqliteLedger, &Step)) -> Measured {
    let before = ledger.numbers().unwrap().commits;
    let began = Instant::now();
    std::thread::scope(|scope| {
        for steps in steps {
            scope.spawn(move || steps.iter().for_each(|step| append(ledger, step)));
        }
    });
    let took = began.elapsed();
    let commits = ledger.numbers().unwrap().commits - before - 1;
    Measured { took, batch: steps.iter().map(Vec::len).sum::<usize>() as f64 / commits as f64 }
}

/// Prints one line and returns appends a second and their part of bare inserts of the same records.
fn row(name: &str, folder: &Path, count: usize, measured: &Measured, bytes: u64) -> (f64, f64) {
    let kind = if name == "prepare" { "step" } else { name };
    let rows = stored(folder, kind);
    let mut decompressor = Decompressor::with_dictionary(DICTIONARY).unwrap();
    let mut unpack = |body: &[u8]| decompressor.decompress(body, 1 << 20).unwrap();
    let unpacked: Vec<Row> = rows.iter().map(|(body, events)| (unpack(body), events.clone())).collect();
    let rate = count as f64 / measured.took.as_secs_f64();
    let [given, kept] = [("given", &unpacked), ("stored", &rows)].map(|(form, rows)| {
        let took = bare(&folder.join(format!("{kind}-{form}.db")), rows, measured.batch);
        count as f64 / took.as_secs_f64()
    });
    let percent = |bare: f64| rate / bare * 100.0;
    let (batch, each) = (measured.batch, bytes as f64 / count as f64);
    println!(
        "{name:<12}  {rate:>9.0}   {given:>9.0}  {:>3.0} %   {kept:>9.0}  {:>3.0} %  {batch:>13.1}  {each:>10.0}",
        percent(given),
        percent(kept)
    );
    (rate, rate / given)
}

/// A record's body and its events' bodies.
type Row = (Vec<u8>, Option<String>);

/// What the ledger stores for its entries of one kind.
fn stored(folder: &Path, kind: &str) -> Vec<Row> {
    let source = Connection::open(SqliteLedger::path(folder)).unwrap();
    let sql = "SELECT body, (SELECT group_concat(body) FROM event \
               WHERE number BETWEEN entry.id * 256 AND entry.id * 256 + 255) FROM entry WHERE kind = ?1";
    let mut select = source.prepare(sql).unwrap();
    select.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

/// Inserts the rows, and nothing else.
fn bare(path: &Path, rows: &[Row], batch: f64) -> Duration {
    let target = Connection::open(path).unwrap();
    target
        .execute_batch(
            "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; \
             PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 2000; PRAGMA cache_size = -32000; \
             CREATE TABLE bare (id INTEGER PRIMARY KEY, body BLOB NOT NULL, events TEXT) STRICT;",
        )
        .unwrap();
    let mut insert = target.prepare("INSERT INTO bare (body, events) VALUES (?1, ?2)").unwrap();
    let (mut inserted, mut commits) = (0_usize, 1_u32);
    let began = Instant::now();
    target.execute_batch("BEGIN IMMEDIATE").unwrap();
    for row in rows {
        if inserted as f64 >= f64::from(commits) * batch {
            target.execute_batch("COMMIT; BEGIN IMMEDIATE").unwrap();
            commits += 1;
        }
        insert.execute((&row.0, &row.1)).unwrap();
        inserted += 1;
    }
    target.execute_batch("COMMIT").unwrap();
    began.elapsed()
}
