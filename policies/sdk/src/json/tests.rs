//! The reader beside `serde_json`, and its faults.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct Document {
    text: String,
    number: u8,
    negative: i64,
    fraction: f64,
    flag: bool,
    maybe: Option<u32>,
    list: Vec<Document>,
    table: BTreeMap<String, String>,
    pair: (u8, String),
    choice: Choice,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Choice {
    #[default]
    Nothing,
    One(u8),
    Two(u8, u8),
    Named {
        name: String,
    },
}

fn fault(text: &str) -> (String, String) {
    let fault = read::<Document>(text).expect_err(text);
    (fault.path, fault.message)
}

#[test]
fn what_serde_json_reads_is_read_alike() {
    for text in [
        "{}",
        " \t\r\n{ } ",
        r#"{"text":"","number":0,"negative":-9223372036854775808,"fraction":1.5e3,"flag":true,"maybe":null}"#,
        r#"{"fraction":-0.25,"number":255,"maybe":7,"pair":[3,"x"],"flag":false}"#,
        r#"{"fraction":12}"#,
        r#"{"text":"\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00 grün"}"#,
        r#"{"list":[{"list":[{"number":1},{}]},{"text":"y"}],"table":{"a":"1","b/c":"2"}}"#,
        r#"{"choice":"nothing"}"#,
        r#"{"choice":{"one":4}}"#,
        r#"{"choice":{"two":[4,5]}}"#,
        r#"{"choice":{"named":{"name":"n"}}}"#,
        r#"{"choice":{"nothing":null}}"#,
    ] {
        let expected: Document = serde_json::from_str(text).expect(text);
        assert_eq!(read::<Document>(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_serde_json_refuses_is_refused() {
    let texts = [
        "",
        "{",
        "}",
        "null",
        "{}x",
        "{} {}",
        "{,}",
        r#"{"text"}"#,
        r#"{"text":}"#,
        r#"{"text":"a",}"#,
        r#"{"text":"a" "number":1}"#,
        r#"{text:"a"}"#,
        r#"{"text":"a}"#,
        "{\"text\":\"a\nb\"}",
        r#"{"text":"\x"}"#,
        r#"{"text":"\u12g4"}"#,
        r#"{"text":"\u12"}"#,
        r#"{"text":"\ud800"}"#,
        r#"{"text":"\ud800\u0041"}"#,
        r#"{"text":"\udc00"}"#,
        r#"{"number":256}"#,
        r#"{"number":-1}"#,
        r#"{"number":1.0}"#,
        r#"{"number":01}"#,
        r#"{"number":1e2}"#,
        r#"{"number":"1"}"#,
        r#"{"negative":9223372036854775808}"#,
        r#"{"negative":99999999999999999999}"#,
        r#"{"fraction":1.}"#,
        r#"{"fraction":.5}"#,
        r#"{"fraction":1e}"#,
        r#"{"fraction":1e999}"#,
        r#"{"fraction":NaN}"#,
        r#"{"flag":tru}"#,
        r#"{"flag":1}"#,
        r#"{"flag":null}"#,
        r#"{"list":{}}"#,
        r#"{"list":[{},]}"#,
        r#"{"list":[{}"#,
        r#"{"list":[{}}"#,
        r#"{"table":[]}"#,
        r#"{"pair":[1]}"#,
        r#"{"pair":[1,"x",2]}"#,
        r#"{"text":"a","text":"b"}"#,
        r#"{"unknown":1}"#,
        r#"{"choice":"other"}"#,
        r#"{"choice":{"other":1}}"#,
        r#"{"choice":{"one":1,"two":[1,2]}}"#,
        r#"{"choice":{}}"#,
        r#"{"choice":1}"#,
        r#"{"number":-}"#,
        "{\"text\":\"\u{1}\"}",
        "\u{feff}{}",
    ];
    for text in texts {
        assert!(serde_json::from_str::<Document>(text).is_err(), "serde_json takes {text}");
        assert!(read::<Document>(text).is_err(), "{text}");
    }
}

#[test]
fn every_fault_names_its_place_and_what_was_expected() {
    for (text, path, message) in [
        (r#"{"number":"x"}"#, "/number", "is a string, expected u8"),
        (r#"{"number":300}"#, "/number", "is 300, expected u8"),
        (r#"{"list":[{},{"flag":{}}]}"#, "/list/1/flag", "is an object, expected a boolean"),
        (r#"{"table":{"a/b~c":1}}"#, "/table/a~1b~0c", "is a number, expected a string"),
        (r#"{"text":null}"#, "/text", "is null, expected a string"),
        (r#"{"pair":[1,"x",2]}"#, "/pair", "has more elements than expected"),
        ("[]", "", "is an array, expected struct Document"),
        ("{\n  \"text\": ?", "/text", "is no JSON at line 2, column 11"),
        ("{}\n}", "", "goes on after its end at line 2, column 1"),
    ] {
        assert_eq!(fault(text), (path.to_owned(), message.to_owned()), "{text}");
    }
    let (path, message) = fault(r#"{"list":[{"flags":true}]}"#);
    assert_eq!(path, "/list/0/flags");
    assert!(message.starts_with("unknown field `flags`, expected one of `text`"), "{message}");
}

#[test]
fn nesting_ends_at_its_limit_and_not_with_the_stack() {
    let deep = |depth: usize| format!("{}{}", "{\"list\":[".repeat(depth), "]}".repeat(depth));
    assert!(read::<Document>(&deep(32)).is_ok());
    let (_, message) = fault(&deep(33));
    assert!(message.starts_with("is nested too deeply"), "{message}");
    assert!(fault(&"[".repeat(1_000_000)).1.contains("array"));
}

#[test]
fn members_that_a_type_ignores_are_read_past() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Lax {
        wanted: u8,
    }
    let text = r#"{"a":{"b":[1.5,"x",null,true,{}]},"wanted":1,"c":"\n","d":-2e9}"#;
    assert_eq!(read::<Lax>(text), Ok(Lax { wanted: 1 }));
    assert!(read::<Lax>(r#"{"a":[1,,2],"wanted":1}"#).is_err());
    assert!(read::<Lax>(r#"{"a":wrong,"wanted":1}"#).is_err());
}

#[test]
fn types_that_take_anything_get_it() {
    let text = r#"{"a":[1,-2,0.5,1e3,"x",null,true,false,{"b":[]}],"c":18446744073709551615}"#;
    let expected: serde_json::Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(read::<serde_json::Value>(text), Ok(expected));
}
