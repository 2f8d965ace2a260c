//! Canonical JSON: one way to write a value, so that a signature covers bytes that anybody can make again.
//!
//! Members sorted by the bytes of their names, no white space, whole numbers only, texts in UTF-8 with no escapes but those that JSON
//! demands. Python's `json.dumps(v, sort_keys=True, separators=(",", ":"), ensure_ascii=False)` writes the same.

use serde_json::Value;

/// What can't be written canonically.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a number in it is no whole number of 64 bits")]
pub struct NotWhole;

/// Writes a value.
///
/// # Errors
/// A number in it has a fraction, or does not fit.
pub fn to_canonical(value: &Value) -> Result<Vec<u8>, NotWhole> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Ok(out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), NotWhole> {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Number(number) => out.extend(number.as_i64().ok_or(NotWhole)?.to_string().bytes()),
        Value::String(text) => write_text(text, out),
        Value::Array(values) => {
            out.push(b'[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(value, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            // Sorted here: whether the map itself is depends on what else is compiled along.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|one, other| one.0.cmp(other.0));
            out.push(b'{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_text(name, out);
                out.push(b':');
                write(value, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for letter in text.chars() {
        match letter {
            '"' => out.extend(b"\\\""),
            '\\' => out.extend(b"\\\\"),
            '\u{8}' => out.extend(b"\\b"),
            '\u{c}' => out.extend(b"\\f"),
            '\n' => out.extend(b"\\n"),
            '\r' => out.extend(b"\\r"),
            '\t' => out.extend(b"\\t"),
            low if low < ' ' => out.extend(format!("\\u{:04x}", u32::from(low)).bytes()),
            other => out.extend(other.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn there_is_one_way_to_write_a_value() {
        let value = json!({"b": [1, -2, null, true], "a": {"z": "é\"\\\n\u{1}\u{7f}/", "": ""}, "B": i64::MAX});
        let text = String::from_utf8(to_canonical(&value).unwrap()).unwrap();
        assert_eq!(
            text,
            "{\"B\":9223372036854775807,\"a\":{\"\":\"\",\"z\":\"é\\\"\\\\\\n\\u0001\u{7f}/\"},\"b\":[1,-2,null,true]}"
        );
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert_eq!(to_canonical(&json!([1.5])), Err(NotWhole));
        assert_eq!(to_canonical(&json!(u64::MAX)), Err(NotWhole));
    }
}
