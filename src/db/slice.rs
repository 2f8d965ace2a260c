//! Long lists, read a page at a time from a row on: what is not shown costs nothing, however many rows there are.

use sqlx::{Encode, Postgres, QueryBuilder, Type};

/// Rows of a page.
pub const ROWS: usize = 50;

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start<I> {
    /// At the first row.
    Top,
    /// Right behind this row.
    Behind(I),
    /// So that this row would be next.
    Before(I),
}

/// One page of a list.
#[derive(Debug)]
pub struct Slice<T> {
    /// The rows, in the list's order.
    pub rows: Vec<T>,
    /// Whether there are rows in front of them.
    pub before: bool,
    /// Whether there are rows behind them.
    pub behind: bool,
}

impl<T> Slice<T> {
    /// From what the query found that [`Sorted::cut`] has finished.
    pub fn new<I>(mut rows: Vec<T>, start: &Start<I>) -> Self {
        let more = rows.len() > ROWS;
        rows.truncate(ROWS);
        match start {
            Start::Top => Self { rows, before: false, behind: more },
            Start::Behind(_) => Self { rows, before: true, behind: more },
            Start::Before(_) => {
                rows.reverse();
                Self { rows, before: more, behind: true }
            }
        }
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy)]
pub struct Sorted {
    /// The table, whose column `id` names its rows.
    pub table: &'static str,
    /// What it is sorted by before the id, as SQL that is never null. `None`: by the id alone.
    pub by: Option<&'static str>,
    /// Largest first.
    pub downwards: bool,
}

impl Sorted {
    /// Ends a query, so far up to its last condition: where the page begins, the order, and one row more than a page has, which shows
    /// whether there is another.
    pub fn cut<I>(self, query: &mut QueryBuilder<Postgres>, start: Start<I>)
    where
        I: for<'q> Encode<'q, Postgres> + Type<Postgres>,
    {
        let (row, backwards) = match start {
            Start::Top => (None, false),
            Start::Behind(id) => (Some(id), false),
            Start::Before(id) => (Some(id), true),
        };
        let downwards = self.downwards != backwards;
        let (than, way) = if downwards { ("<", "desc") } else { (">", "asc") };
        let Self { table, by, downwards: _ } = self;
        match (row, by) {
            (None, _) => {}
            (Some(id), None) => {
                query.push(format_args!(" and id {than} ")).push_bind(id);
            }
            (Some(id), Some(by)) => {
                query.push(format_args!(" and ({by}, id) {than} (select {by}, id from {table} where id = ")).push_bind(id);
                query.push(")");
            }
        }
        let first = by.map_or_else(String::new, |by| format!("{by} {way}, "));
        query.push(format_args!(" order by {first}id {way} limit {}", ROWS + 1));
    }
}

/// Adds a condition: the expression, of collation `C`, begins with `prefix`. Answered from an index on the expression.
pub fn begins_with(query: &mut QueryBuilder<Postgres>, expression: &'static str, prefix: &str) {
    query.push(format_args!("({expression} >= ")).push_bind(prefix.to_owned());
    query.push(format_args!(" and {expression} < ")).push_bind(end_of_prefix(prefix));
    query.push(")");
}

/// What no text that begins with `prefix` reaches.
pub fn end_of_prefix(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_knows_what_is_around_it() {
        let rows = |count: usize| (0..count).collect::<Vec<_>>();
        let around = |slice: &Slice<usize>| (slice.rows.len(), slice.before, slice.behind);
        assert_eq!(around(&Slice::new(rows(3), &Start::<i64>::Top)), (3, false, false));
        assert_eq!(around(&Slice::new(rows(ROWS + 1), &Start::<i64>::Top)), (ROWS, false, true));
        assert_eq!(around(&Slice::new(rows(3), &Start::Behind(7))), (3, true, false));
        let back = Slice::new(rows(ROWS + 1), &Start::Before(7));
        assert_eq!(around(&back), (ROWS, true, true));
        assert_eq!((back.rows[0], back.rows[ROWS - 1]), (ROWS - 1, 0), "read backwards, shown forwards");
        assert!(!Slice::new(rows(3), &Start::Before(7)).before);
    }

    #[test]
    fn the_query_goes_on_from_the_row() {
        let sql = |by, downwards, start: Start<i64>| {
            let mut query = QueryBuilder::<Postgres>::new("select 1 from t where true");
            Sorted { table: "t", by, downwards }.cut(&mut query, start);
            query.sql().as_str().to_owned()
        };
        assert_eq!(sql(None, true, Start::Top), "select 1 from t where true order by id desc limit 51");
        assert_eq!(sql(None, true, Start::Before(7)), "select 1 from t where true and id > $1 order by id asc limit 51");
        assert_eq!(
            sql(Some("n"), false, Start::Behind(7)),
            "select 1 from t where true and (n, id) > (select n, id from t where id = $1) order by n asc, id asc limit 51"
        );
    }
}
