//! Components of a few instructions: one that answers what its config holds, and one whose schema can be replaced.

use std::fmt::Write as _;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where an answer's memory image lies in the guest.
pub(crate) const IMAGE_AT: u32 = 65_536;
/// Most bytes of an image: as hexadecimal digits it has to fit into a config.
pub(crate) const IMAGE_BYTES_MAX: usize = 32_000;
/// Bytes that a schema may have in [`with_schema`].
pub(crate) const SCHEMA_BYTES_MAX: usize = 8 << 10;

/// What the schema's place holds before it is filled.
const SCHEMA_MARK: u8 = b'~';
/// Where static data lies.
const STATICS_AT: usize = 4096;
/// Where `config` lies in the parameters of each slot's function, in bytes.
const CONFIG_AT: [(&str, u32); 3] = [("timeouts", 184), ("transitions", 192), ("children", 312)];

/// A module of these slots; with `schema_room` the schema is that many marks.
fn module(slots: &[&str], imports: &str, schema_room: usize) -> String {
    let schema = if schema_room == 0 { b"{}".to_vec() } else { vec![SCHEMA_MARK; schema_room] };
    let (name, version, summary) = ("fuzzed-guest", "1.0.0", "Answers what its config holds.");
    // First the return areas: description, schema, verdict; then their texts.
    let texts_at = STATICS_AT + 64;
    let mut texts: Vec<u8> = Vec::new();
    let mut place = |text: &[u8]| {
        let at = texts_at + texts.len();
        texts.extend_from_slice(text);
        [at, text.len()]
    };
    let words = [place(name.as_bytes()), place(version.as_bytes()), place(summary.as_bytes()), [0, 0], place(&schema)];
    let mut statics: Vec<u8> = Vec::new();
    for word in words.as_flattened() {
        statics.extend(u32::try_from(*word).expect("the module is small").to_le_bytes());
    }
    statics.resize(64, 0);
    statics.extend(texts);
    let data = statics.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:02x}");
        text
    });
    let mut text = format!("(module {imports} {PRELUDE} (data (i32.const {STATICS_AT}) \"{data}\")");
    let meta = "trimtab:policy/meta@0.1.1";
    let (schema_at, verdict_at) = (STATICS_AT + 32, STATICS_AT + 48);
    let _ = write!(text, "(func (export \"{meta}#describe\") (result i32) (i32.const {STATICS_AT}))");
    let _ = write!(text, "(func (export \"{meta}#config-schema\") (result i32) (i32.const {schema_at}))");
    let verdict = format!("(param i32 i32) (result i32) (i32.const {verdict_at})");
    let _ = write!(text, "(func (export \"{meta}#validate-config\") {verdict})");
    for (place, (slot, config_at)) in CONFIG_AT.iter().enumerate().filter(|(_, (slot, _))| slots.contains(slot)) {
        let export = format!("trimtab:policy/{slot}@0.1.1#evaluate");
        let body = format!("(call $echo (i32.add (local.get 0) (i32.const {config_at})) (i32.const {place}))");
        let _ = write!(text, "(func (export \"{export}\") (param i32) (result i32) {body})");
    }
    text.push(')');
    text
}

/// Memory, an allocator that only moves on, and the answer: the config's hexadecimal digits, decoded to the image's
/// place; the image begins with the address of each slot's return area.
const PRELUDE: &str = r#"
(memory (export "memory") 17)
(global $top (mut i32) (i32.const 786432))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
  (global.set $top (i32.add (local.get $at) (local.get 3)))
  (local.get $at))
(func $digit (param $c i32) (result i32)
  (select (i32.sub (local.get $c) (i32.const 87)) (i32.sub (local.get $c) (i32.const 48))
    (i32.gt_u (local.get $c) (i32.const 57))))
(func $echo (param $config i32) (param $slot i32) (result i32)
  (local $from i32) (local $end i32) (local $to i32)
  (local.set $from (i32.add (i32.load (local.get $config)) (i32.const 10)))
  (local.set $end (i32.add (i32.load (local.get $config))
    (i32.sub (i32.load offset=4 (local.get $config)) (i32.const 2))))
  (local.set $to (i32.const 65536))
  (block $done (loop $next
    (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
    (i32.store8 (local.get $to) (i32.or
      (i32.shl (call $digit (i32.load8_u (local.get $from))) (i32.const 4))
      (call $digit (i32.load8_u offset=1 (local.get $from)))))
    (local.set $from (i32.add (local.get $from) (i32.const 2)))
    (local.set $to (i32.add (local.get $to) (i32.const 1)))
    (br $next)))
  (i32.load offset=65536 (i32.shl (local.get $slot) (i32.const 2))))
"#;

/// A component of this world of the repository's interface, or of the WIT text of a whole package.
fn component(world: &str, text: &str) -> Vec<u8> {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let mut resolve = Resolve::default();
    let (mut package, _) = resolve.push_dir(&wit).expect("the interface can be read");
    let mut name = world;
    if world.starts_with("package") {
        package = resolve.push_str("fuzz.wit", world).expect("the package can be read");
        name = "guest";
    }
    let world = resolve.select_world(&[package], Some(name)).expect("the world exists");
    let mut module = wat::parse_str(text).expect("the module is sound");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, true).expect("the world fits");
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(&module).expect("the module names its world");
    encoder.encode().expect("the module fits its world")
}

/// Fills every slot; each answers what lies at its return area in the image that the config holds.
pub(crate) fn echo() -> Vec<u8> {
    component("policy", &module(&["timeouts", "transitions", "children"], "", 0))
}

/// A component whose config schema is this text, which has at most [`SCHEMA_BYTES_MAX`] bytes.
pub(crate) fn with_schema(schema: &[u8]) -> Option<Vec<u8>> {
    static TEMPLATE: std::sync::LazyLock<(Vec<u8>, usize)> = std::sync::LazyLock::new(|| {
        let component = component("timeouts-policy", &module(&["timeouts"], "", SCHEMA_BYTES_MAX));
        let marks = [SCHEMA_MARK; SCHEMA_BYTES_MAX];
        let at = component.windows(marks.len()).position(|window| window == marks).expect("the schema has its place");
        (component, at)
    });
    let (template, at) = &*TEMPLATE;
    let mut component = template.clone();
    let room = component.get_mut(*at..at + SCHEMA_BYTES_MAX)?;
    // Spaces after a JSON text change nothing.
    room.fill(b' ');
    room.get_mut(..schema.len())?.copy_from_slice(schema);
    Some(component)
}

/// Names and bytes of the loader's seeds.
#[cfg(test)]
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let foreign = "package fuzz:guest; interface clock { now: func() -> u64; } \
                   world guest { import clock; export trimtab:policy/meta@0.1.1; export trimtab:policy/timeouts@0.1.1; }";
    let resource = "package fuzz:guest; interface files { resource file { constructor(); } } \
                    world guest { import files; export trimtab:policy/meta@0.1.1; }";
    let clock = r#"(import "fuzz:guest/clock" "now" (func (result i64)))"#;
    let file = r#"(import "fuzz:guest/files" "[constructor]file" (func (result i32)))"#;
    let log = r#"(import "trimtab:policy/log@0.1.1" "log" (func (param i32 i32 i32)))"#;
    vec![
        ("policy.wasm", echo()),
        ("timeouts.wasm", component("timeouts-policy", &module(&["timeouts"], log, 0))),
        ("transitions.wasm", component("transitions-policy", &module(&["transitions"], "", 0))),
        ("children.wasm", component("children-policy", &module(&["children"], "", 0))),
        ("foreign.wasm", component(foreign, &module(&["timeouts"], clock, 0))),
        ("resource.wasm", component(resource, &module(&[], file, 0))),
    ]
}
