//! What a database may hold that runs: one function of Mastodon's, and expressions that call well-known functions.
//!
//! A dump is a program: restoring it runs what its author wrote. So after a restore, all that could run once more is looked through, and
//! whatever Mastodon does not have is refused by name.

/// Functions that Mastodon's defaults, indexes and views call.
const CALLED: &[&str] = &[
    "array_agg",
    "avg",
    "coalesce",
    "concat_ws",
    "count",
    "date_part",
    "extract",
    "length",
    "lower",
    "max",
    "min",
    "mode",
    "nextval",
    "now",
    "nullif",
    "reverse",
    "row_number",
    "sum",
    "timestamp_id",
    "to_tsvector",
    "unnest",
    "upper",
];
/// Words that may stand before a parenthesis and are no function.
const WORDS: &[&str] = &[
    "all", "and", "any", "array", "as", "between", "by", "case", "check", "distinct", "else", "exists", "filter", "from",
    "group", "having", "in", "interval", "is", "join", "lateral", "like", "not", "on", "or", "order", "over", "select", "then",
    "union", "values", "when", "where", "within",
];
/// A name that the view `instances` gives to a part of itself, with columns behind it.
const NAMED: &str = "domain_counts";
/// All words of `timestamp_id` (`lib/mastodon/snowflake.rb`). None of them reads or changes a table.
const TIMESTAMP_ID: &[&str] = &[
    "declare",
    "time_part",
    "bigint",
    "sequence_base",
    "tail",
    "begin",
    "date_part",
    "epoch",
    "now",
    "substr",
    "md5",
    "table_name",
    "text",
    "nextval",
    "_id_seq",
    "bit",
    "return",
    "end",
    "x",
    "cast",
    "as",
    "numeric",
    "integer",
];
/// Its name and arguments.
pub const FUNCTION: &str = "timestamp_id(text)";
/// The views that Mastodon has or had.
pub const VIEWS: [&str; 4] = ["user_ips", "instances", "account_summaries", "global_follow_recommendations"];

/// Functions that an expression calls and none of Mastodon's does.
pub fn foreign_calls(expression: &str) -> Vec<String> {
    let mut found = Vec::new();
    let words = words(expression);
    for (at, word) in words.iter().enumerate() {
        let Word::Name(name) = word else { continue };
        let called = words.get(at + 1) == Some(&Word::Sign('('));
        let known = CALLED.contains(&name.as_str()) || WORDS.contains(&name.as_str()) || name == NAMED || is_type(name);
        if called && !known {
            found.push(name.clone());
        }
    }
    found.dedup();
    found
}

/// Types with a length, which look like calls: `character varying(255)`.
fn is_type(name: &str) -> bool {
    ["varying", "varchar", "character", "numeric", "bit", "timestamp", "time"].contains(&name)
}

/// Words in the body of `timestamp_id` that Mastodon's does not have.
pub fn foreign_words(body: &str) -> Vec<String> {
    let mut found: Vec<String> = words(body)
        .into_iter()
        .filter_map(|word| match word {
            Word::Name(name) if !TIMESTAMP_ID.contains(&name.as_str()) => Some(name),
            Word::Name(_) => None,
            // Mastodon's are a salt, the end of a sequence's name, a unit and a prefix.
            Word::Text(text) => (!text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')).then_some(text),
            Word::Sign(sign) => (!"()*+,;:=|&<>1234567890".contains(sign)).then(|| sign.to_string()),
        })
        .collect();
    found.dedup();
    found
}

/// Whether a check says no more than that a column is not null: the only kind that Mastodon's migrations leave behind.
pub fn is_plain_check(definition: &str) -> bool {
    let inner = definition.strip_prefix("CHECK ((").and_then(|rest| rest.split_once("))"));
    inner.is_some_and(|(inner, rest)| {
        let column = inner.strip_suffix(" IS NOT NULL").unwrap_or_default();
        let plain =
            !column.is_empty() && column.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        plain && ["", " NOT VALID"].contains(&rest)
    })
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Name(String),
    Text(String),
    Sign(char),
}

/// SQL as words: names in lower case, texts without their quotes, all else letter by letter. Comments are skipped.
fn words(sql: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        if first.is_whitespace() {
            rest = after;
        } else if rest.starts_with("--") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if first == '\'' || first == '"' {
            let (inside, behind) = quoted(after, first);
            // A name in quotes is a name all the same.
            found.push(if first == '"' { Word::Name(inside) } else { Word::Text(inside) });
            rest = behind;
        } else if first.is_alphabetic() || first == '_' {
            let end =
                rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '$')).unwrap_or(rest.len());
            found.push(Word::Name(rest[..end].to_lowercase()));
            rest = &rest[end..];
        } else {
            found.push(Word::Sign(first));
            rest = after;
        }
    }
    found
}

fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut inside = String::new();
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != quote {
            inside.push(letter);
        } else if letters.peek().is_some_and(|(_, next)| *next == quote) {
            inside.push(quote);
            letters.next();
        } else {
            return (inside, &text[at + quote.len_utf8()..]);
        }
    }
    (inside, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mastodons_own_expressions_pass_and_others_are_named() {
        for fine in [
            "nextval('users_id_seq'::regclass)",
            "timestamp_id('statuses'::text)",
            "lower((username)::text), COALESCE(lower((domain)::text), ''::text)",
            "'query_to_xml(''x'')'::character varying",
            "(settings ->> 'a'::text)::character varying(255)",
            "WITH domain_counts(domain, accounts_count) AS ( SELECT a.domain, count(*) FROM a) SELECT COALESCE(c.n, (0)::bigint) FROM domain_counts",
            "SELECT max(x.used_at) AS used_at FROM ( SELECT s.ip FROM sessions s UNION ALL SELECT 1) x WHERE (x.ip IN (1, 2)) GROUP BY x.ip",
        ] {
            assert_eq!(foreign_calls(fine), [""; 0], "{fine}");
        }
        assert_eq!(foreign_calls("query_to_xml('drop table x', true, true, '')"), ["query_to_xml"]);
        assert_eq!(foreign_calls("public.\"lower \" (x) || PG_READ_FILE ('/etc/passwd')"), ["lower ", "pg_read_file"]);
    }

    #[test]
    fn the_body_of_timestamp_id_reads_and_changes_nothing() {
        let body = "DECLARE time_part bigint; sequence_base bigint; tail bigint; BEGIN
            -- Get the time in milliseconds, select nothing
            time_part := ( ((date_part('epoch', now()) * 1000))::bigint << 16);
            sequence_base := ( 'x' || substr( md5(table_name || '8f3c0a' || time_part::text), 1, 4) )::bit(16)::bigint;
            tail := ( (sequence_base + nextval(table_name || '_id_seq')) & 65535);
            RETURN time_part | tail; END";
        assert_eq!(foreign_words(body), [""; 0]);
        assert_eq!(foreign_words("BEGIN PERFORM now(); END"), ["perform"]);
        assert_eq!(foreign_words("BEGIN EXECUTE 'drop table users'; END"), ["execute", "drop table users"]);
        assert!(!foreign_words("BEGIN RETURN $$x$$; END").is_empty());
        assert!(!foreign_words("BEGIN /* */ RETURN 1; END").is_empty(), "a comment of the other kind");
    }

    #[test]
    fn checks_may_say_that_a_column_is_not_null() {
        assert!(is_plain_check("CHECK ((account_id IS NOT NULL))") && is_plain_check("CHECK ((x IS NOT NULL)) NOT VALID"));
        for bad in
            ["CHECK ((f(x) IS NOT NULL))", "CHECK ((x > 0))", "CHECK ((x IS NOT NULL)) OR f()", "CHECK ((\"x\" IS NOT NULL))", ""]
        {
            assert!(!is_plain_check(bad), "{bad}");
        }
    }
}
