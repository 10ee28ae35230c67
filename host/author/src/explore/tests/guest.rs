//! Policies of a few instructions, whose answers depend on `now` to the millisecond.

use std::fmt::Write as _;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where static data lies.
const STATICS: usize = 4096;

/// The condition under which a guest fails the remediation, over `now`; else it stays.
pub(super) enum FailsWhen {
    /// At this millisecond only.
    At(u64),
    /// From this millisecond on.
    From(u64),
    /// Never.
    Never,
}

#[derive(Default)]
struct Statics(Vec<u8>);

impl Statics {
    /// Puts words into static data, 8-aligned; gives their address.
    fn words(&mut self, words: &[u32]) -> u32 {
        self.bytes(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
    }

    fn bytes(&mut self, bytes: &[u8]) -> u32 {
        while !self.0.len().is_multiple_of(8) {
            self.0.push(0);
        }
        let address = STATICS + self.0.len();
        self.0.extend_from_slice(bytes);
        u32::try_from(address).unwrap()
    }

    fn text(&mut self, text: &str) -> [u32; 2] {
        [self.bytes(text.as_bytes()), u32::try_from(text.len()).unwrap()]
    }

    fn intent(&mut self, kind: &str) -> u32 {
        let (kind, phase, reason) = (self.text(kind), self.text("SignalProcessing"), self.text("it failed"));
        let mut words = [0; 34];
        [words[2], words[3]] = kind;
        [words[8], words[9]] = phase;
        [words[10], words[11]] = reason;
        self.words(&words)
    }

    /// A schedule with one deadline of Processing that asks, or with none.
    fn schedule(&mut self, deadline: Option<u64>) -> u32 {
        let mut words = [0; 13];
        if let Some(at) = deadline {
            let (phase, ask) = (self.text("Processing"), self.text("ask"));
            let (low, high) = (u32::try_from(at & 0xffff_ffff).unwrap(), u32::try_from(at >> 32).unwrap());
            let mut record = [0; 14];
            [record[0], record[1]] = phase;
            [record[2], record[3]] = [low, high];
            [record[4], record[5]] = ask;
            record[6] = 1_000;
            [words[1], words[2]] = [self.words(&record), 1];
        }
        self.words(&words)
    }
}

/// A component that fills every slot: this deadline of Processing, this condition, no children.
pub(super) fn guest(deadline: Option<u64>, fails: &FailsWhen) -> Vec<u8> {
    let mut statics = Statics::default();
    let (name, version, summary) = (statics.text("wat-guest"), statics.text("1.0.0"), statics.text("For a test."));
    let description = statics.words(&[name[0], name[1], version[0], version[1], summary[0], summary[1], 0, 0]);
    let schema = statics.text("{}");
    let schema = statics.words(&schema);
    let accepted = statics.words(&[0; 3]);
    let (stay, fail) = (statics.intent("stay"), statics.intent("fail"));
    let (schedule, none) = (statics.schedule(deadline), statics.words(&[0; 11]));
    // The first member of the parameter is `now`.
    let condition = match fails {
        FailsWhen::At(now) => format!("(i64.eq (i64.load (local.get 0)) (i64.const {now}))"),
        FailsWhen::From(now) => format!("(i64.ge_u (i64.load (local.get 0)) (i64.const {now}))"),
        FailsWhen::Never => "(i32.const 0)".to_owned(),
    };
    let data: String = statics.0.iter().fold(String::new(), |mut all, byte| {
        write!(all, "\\{byte:02x}").unwrap();
        all
    });
    let of = |interface: &str, function: &str, parameters: &str, body: &str| {
        let name = format!("trimtab:policy/{interface}@0.1.1#{function}");
        format!("(func (export \"{name}\") {parameters} (result i32) {body})")
    };
    let at = |address: u32| format!("(i32.const {address})");
    let one = "(param i32)";
    let transitions = format!("(select (i32.const {fail}) (i32.const {stay}) {condition})");
    let functions = [
        of("meta", "describe", "", &at(description)),
        of("meta", "config-schema", "", &at(schema)),
        of("meta", "validate-config", "(param i32 i32)", &at(accepted)),
        of("timeouts", "evaluate", one, &at(schedule)),
        of("transitions", "evaluate", one, &transitions),
        of("children", "evaluate", one, &at(none)),
    ]
    .join("\n");
    encoded(&format!("(module {PRELUDE} (data (i32.const {STATICS}) \"{data}\") {functions})"))
}

fn encoded(text: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let (package, _) = resolve.push_dir(folder).unwrap();
    let world = resolve.select_world(&[package], Some("policy")).unwrap();
    let mut module = wat::parse_str(text).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, true).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// Memory and an allocator that only ever moves on.
const PRELUDE: &str = r#"
(memory (export "memory") 17)
(global $top (mut i32) (i32.const 786432))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
  (global.set $top (i32.add (local.get $at) (local.get 3)))
  (local.get $at))
"#;
