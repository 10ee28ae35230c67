//! Guests made of a few instructions each, for what no honest compiler would build.

use std::fmt::Write as _;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where static data lies; below is free for return areas of host calls.
const STATICS: usize = 4096;
/// Address of the return area that bodies may use.
pub(crate) const SCRATCH: usize = 1024;

/// The workspace's interface, from whichever crate's tests this is compiled into.
pub(crate) fn wit() -> std::path::PathBuf {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("wit"));
    folders.into_iter().find(|folder| folder.join("worlds.wit").is_file()).expect("wit/ lies above every crate")
}

/// A guest to be encoded. Bodies are WAT of a function that returns an address.
pub(crate) struct Guest {
    statics: Vec<u8>,
    world: String,
    version: &'static str,
    schema: String,
    validate: Option<String>,
    describe: Option<String>,
    slots: Vec<(&'static str, String)>,
    imports: String,
    parts: String,
    memory: &'static str,
    realloc: Option<&'static str>,
    bare: Option<&'static str>,
    change: Option<(&'static str, &'static str, &'static str)>,
    has_meta: bool,
}

impl Guest {
    /// A guest of this world that fills no slot yet.
    pub(crate) fn new(world: &str) -> Self {
        Self {
            statics: Vec::new(),
            world: world.to_owned(),
            version: "0.1.1",
            schema: "{}".to_owned(),
            validate: None,
            describe: None,
            slots: Vec::new(),
            imports: String::new(),
            parts: String::new(),
            memory: "17",
            realloc: None,
            bare: None,
            change: None,
            has_meta: true,
        }
    }

    /// A guest that fills the timeouts slot with this body.
    pub(crate) fn timeouts(body: &str) -> Self {
        Self::new("timeouts-policy").slot("timeouts", body)
    }

    pub(crate) fn slot(mut self, slot: &'static str, body: &str) -> Self {
        self.slots.push((slot, body.to_owned()));
        self
    }

    pub(crate) fn schema(mut self, schema: &str) -> Self {
        schema.clone_into(&mut self.schema);
        self
    }

    pub(crate) fn validate(mut self, body: &str) -> Self {
        self.validate = Some(body.to_owned());
        self
    }

    pub(crate) fn describe(mut self, body: &str) -> Self {
        self.describe = Some(body.to_owned());
        self
    }

    /// One more import; imports stand before everything else in a module.
    pub(crate) fn import(mut self, import: &str) -> Self {
        self.imports.push_str(import);
        self
    }

    /// More parts of the module: functions, memories, tables, a start.
    pub(crate) fn part(mut self, part: &str) -> Self {
        self.parts.push_str(part);
        self
    }

    /// Pages of the memory, as WAT has them: least, and perhaps most.
    pub(crate) fn memory(mut self, pages: &'static str) -> Self {
        self.memory = pages;
        self
    }

    /// Another body of the function that gives room.
    pub(crate) fn realloc(mut self, body: &'static str) -> Self {
        self.realloc = Some(body);
        self
    }

    /// Only these parts: neither imports nor memory nor the function that gives room.
    pub(crate) fn without_prelude(mut self, parts: &'static str) -> Self {
        self.bare = Some(parts);
        self
    }

    /// The interface with one text in one file replaced.
    pub(crate) fn changed(mut self, file: &'static str, from: &'static str, to: &'static str) -> Self {
        self.change = Some((file, from, to));
        self
    }

    pub(crate) fn without_meta(mut self) -> Self {
        self.has_meta = false;
        self
    }

    pub(crate) fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// Puts bytes into static data, 8-aligned; gives their address.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> usize {
        while !self.statics.len().is_multiple_of(8) {
            self.statics.push(0);
        }
        let address = STATICS + self.statics.len();
        self.statics.extend_from_slice(bytes);
        address
    }

    /// Puts words into static data; gives their address.
    pub(crate) fn words(&mut self, words: &[u32]) -> usize {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.bytes(&bytes)
    }

    /// Puts a text into static data; gives address and length.
    pub(crate) fn text(&mut self, text: &str) -> [u32; 2] {
        [u32::try_from(self.bytes(text.as_bytes())).unwrap(), u32::try_from(text.len()).unwrap()]
    }

    /// A schedule with one budget ("Global", whose duration lies at the second address) and this rule.
    pub(crate) fn schedule(&mut self, rule: [u32; 2]) -> (usize, usize) {
        let phase = self.text("Global");
        let budget = self.words(&[phase[0], phase[1], 7, 0]);
        let list = u32::try_from(budget).unwrap();
        let answer = self.words(&[0, 0, 0, list, 1, rule[0], rule[1], 0, 0, 0, 0, 0, 0]);
        (answer, budget + 8)
    }

    /// An intent "stay".
    pub(crate) fn stay(&mut self) -> usize {
        let kind = self.text("stay");
        let mut words = vec![0; 34];
        (words[2], words[3]) = (kind[0], kind[1]);
        self.words(&words)
    }

    /// Creations with none.
    pub(crate) fn no_creations(&mut self) -> usize {
        self.words(&[0; 11])
    }

    /// A policy's own refusal.
    pub(crate) fn failure(&mut self, code: &str, message: &str) -> usize {
        let (code, message) = (self.text(code), self.text(message));
        self.words(&[1, code[0], code[1], message[0], message[1], 0])
    }

    /// The component.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(self.interface().path()).unwrap();
        let package = if self.world.starts_with("package") {
            resolve.push_str("test.wit", &self.world).unwrap()
        } else {
            package
        };
        let name = if self.world.starts_with("package") { "guest" } else { self.world.as_str() };
        let world = resolve.select_world(&[package], Some(name)).unwrap();
        let mut module = wat::parse_str(self.module()).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, true).unwrap();
        ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
    }

    /// The workspace's interface with this guest's version and change.
    fn interface(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(wit()).unwrap() {
            let entry = entry.unwrap();
            let mut text = std::fs::read_to_string(entry.path()).unwrap();
            text = text.replace("@0.1.1", &format!("@{}", self.version));
            if let Some((_, from, to)) = self.change.filter(|(file, ..)| entry.file_name() == *file) {
                assert!(text.contains(from), "the interface has changed: {from}");
                text = text.replace(from, to);
            }
            std::fs::write(folder.path().join(entry.file_name()), text).unwrap();
        }
        folder
    }

    fn module(&self) -> String {
        if let Some(parts) = self.bare {
            return format!("(module {parts})");
        }
        let mut guest = Self { statics: self.statics.clone(), ..Self::new("") };
        let name = guest.text("wat-guest");
        let version = guest.text("1.2.3");
        let summary = guest.text("Made of a few instructions.");
        let description = guest.words(&[name[0], name[1], version[0], version[1], summary[0], summary[1], 0, 0]);
        let schema = guest.text(&self.schema);
        let schema = guest.words(&schema);
        let accepted = guest.words(&[0, 0, 0]);
        let mut text =
            format!("{}{}", self.imports, PRELUDE.replace("VERSION", self.version).replace("PAGES", self.memory));
        let room = self.realloc.unwrap_or(MOVES_ON);
        writeln!(text, "(func (export \"cabi_realloc\") {ROOM} {room})").unwrap();
        let escaped: String = guest.statics.iter().fold(String::new(), |mut all, byte| {
            write!(all, "\\{byte:02x}").unwrap();
            all
        });
        writeln!(text, "(data (i32.const {STATICS}) \"{escaped}\")").unwrap();
        text.push_str(&self.parts);
        let version = self.version;
        if self.has_meta {
            let describe = self.describe.clone().unwrap_or(format!("(i32.const {description})"));
            let validate = self.validate.clone().unwrap_or(format!("(i32.const {accepted})"));
            let meta = format!("trimtab:policy/meta@{version}");
            writeln!(text, "(func $describe (export \"{meta}#describe\") (result i32) {describe})").unwrap();
            writeln!(text, "(func (export \"{meta}#config-schema\") (result i32) (i32.const {schema}))").unwrap();
            let signature = "(param $config i32) (param $length i32) (result i32)";
            writeln!(text, "(func (export \"{meta}#validate-config\") {signature} {validate})").unwrap();
        }
        for (slot, body) in &self.slots {
            let export = format!("trimtab:policy/{slot}@{version}#evaluate");
            let signature = "(param $input i32) (result i32)";
            writeln!(text, "(func $evaluate_{slot} (export \"{export}\") {signature} {body})").unwrap();
        }
        format!("(module {text})")
    }
}

/// Imports and memory.
const PRELUDE: &str = r#"
(import "trimtab:policy/log@VERSION" "log" (func $log (param i32 i32 i32)))
(import "trimtab:policy/facts@VERSION" "object-json" (func $object_json (param i32 i32 i32)))
(import "trimtab:policy/facts@VERSION" "signal" (func $signal (param i32)))
(import "trimtab:policy/facts@VERSION" "related-remediations" (func $related (param i32)))
(import "trimtab:policy/facts@VERSION" "host-capabilities" (func $capabilities (param i32)))
(memory (export "memory") PAGES)
(global $top (mut i32) (i32.const 786432))
"#;

/// Signature of the function that gives room.
const ROOM: &str = "(param i32 i32 i32 i32) (result i32)";

/// Only ever moves on.
const MOVES_ON: &str = "
  (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
  (global.set $top (i32.add (local.get $at) (local.get 3)))
  (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
    (then (drop (memory.grow (i32.const 64)))))
  (local.get $at)
";
