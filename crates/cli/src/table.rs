//! Tables that fit into the terminal: long text is cut, and columns that matter less make room.

use columba_speech::width::{pad, width};
use columba_speech::{Language, Param, Text};

use crate::failure::{note, print, say};
use crate::language::spoken;
use crate::screen::{cut, terminal_cells};
use crate::words::shown;

/// Rows that are measured before they are printed.
const ROWS_MEASURED: usize = 1000;

/// Cells between two columns.
const GAP: usize = 2;

/// Cells of a text below which columns that matter less make room for it.
const TEXT_CELLS_MIN: usize = 16;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// What stands above it.
    title: fn() -> Text,
    /// The key of its values.
    pub(crate) key: &'static str,
    /// Whether its cells may be cut.
    is_text: bool,
    /// Those with the highest number are left out first; 0 never.
    rank: u8,
}

impl Column {
    /// A column of numbers or words, which are never cut as long as anything else can be.
    pub(crate) const fn new(title: fn() -> Text, key: &'static str) -> Self {
        Self {
            title,
            key,
            is_text: false,
            rank: 0,
        }
    }

    /// A column of text that somebody chose, however long.
    pub(crate) const fn text(title: fn() -> Text, key: &'static str) -> Self {
        Self {
            is_text: true,
            ..Self::new(title, key)
        }
    }

    /// The same, left out where there is no room: those with higher numbers first.
    pub(crate) const fn dispensable(self, rank: u8) -> Self {
        Self { rank, ..self }
    }
}

/// A table that is printed as its rows come, with the widths of the first ones.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    columns: &'a [Column],
    language: Language,
    /// Cells of a line; without, nothing is cut.
    cells: Option<usize>,
    rows: Vec<Vec<String>>,
    /// The width of each column, once it is known; `None` for those that are left out.
    widths: Option<Vec<Option<usize>>>,
}

impl<'a> Table<'a> {
    /// A table for standard output: as wide as the terminal if it is one.
    pub(crate) fn new(columns: &'a [Column]) -> Self {
        let language = spoken();
        let head = columns
            .iter()
            .map(|column| (column.title)().to_string(language));
        Self {
            language,
            columns,
            cells: terminal_cells(),
            rows: vec![head.collect()],
            widths: None,
        }
    }

    /// Adds a row, a cell a column.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        match &self.widths {
            Some(widths) => print(&line(&cells, widths, self.cells.is_some())),
            None => {
                self.rows.push(cells);
                if self.rows.len() > ROWS_MEASURED {
                    self.begin();
                }
            }
        }
    }

    /// Prints what is not printed yet, and says what has no room, or that there is nothing.
    pub(crate) fn end(mut self) {
        // The head stands before the first row.
        if self.widths.is_none() && self.rows.len() <= 1 {
            note(shown::none());
        }
        self.begin();
        let widths = self.widths.unwrap_or_default();
        let left_out = self.columns.iter().zip(widths);
        let left_out = left_out.filter(|(_, width)| width.is_none());
        let titles: Vec<_> = left_out.map(|(column, _)| (column.title)()).collect();
        if !titles.is_empty() {
            let what = shown::no_room(Param::list(titles)).to_string(self.language);
            say(&format!("{}\n", cut(&what, self.cells.unwrap_or(80))));
        }
    }

    fn begin(&mut self) {
        if self.widths.is_some() {
            return;
        }
        let widest = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            cells.map(|cell| width(cell)).max().unwrap_or_default()
        };
        let wanted: Vec<_> = (0..self.columns.len()).map(widest).collect();
        let widths = layout(self.columns, &wanted, self.cells);
        for row in self.rows.drain(..) {
            print(&line(&row, &widths, self.cells.is_some()));
        }
        self.widths = Some(widths);
    }
}

fn line(cells: &[String], widths: &[Option<usize>], is_cut: bool) -> String {
    let shown = cells.iter().zip(widths);
    let shown = shown.filter_map(|(cell, width)| {
        let width = (*width)?;
        Some(match is_cut {
            true => pad(&cut(cell, width), width),
            false => pad(cell, width),
        })
    });
    let line = shown.collect::<Vec<_>>().join(&" ".repeat(GAP));
    format!("{}\n", line.trim_end())
}

/// How wide each column is, if it is shown, so that lines are no longer than so many cells.
fn layout(columns: &[Column], wanted: &[usize], cells: Option<usize>) -> Vec<Option<usize>> {
    let mut widths: Vec<Option<usize>> = wanted.iter().copied().map(Some).collect();
    let Some(cells) = cells else {
        return widths;
    };
    let total = |widths: &[Option<usize>], least: &dyn Fn(usize, usize) -> usize| {
        let shown = widths.iter().enumerate();
        let shown = shown.filter_map(|(at, width)| Some(least(at, (*width)?) + GAP));
        shown.sum::<usize>().saturating_sub(GAP)
    };
    let least = |at: usize, width: usize| match columns.get(at) {
        Some(column) if column.is_text => width.min(TEXT_CELLS_MIN),
        Some(_) | None => width,
    };
    while total(&widths, &least) > cells {
        let shown = columns.iter().zip(&widths).enumerate();
        let shown = shown.filter(|(_, (column, width))| column.rank > 0 && width.is_some());
        let Some((at, _)) = shown.max_by_key(|(_, (column, _))| column.rank) else {
            break;
        };
        if let Some(width) = widths.get_mut(at) {
            *width = None;
        }
    }
    let mut excess = total(&widths, &|_, width| width).saturating_sub(cells);
    while excess > 0 {
        let all = || widths.iter().zip(columns).enumerate();
        let widest = |is_text: bool| {
            let of = all().filter(|(_, (_, column))| column.is_text || !is_text);
            let of = of.filter_map(|(at, (width, _))| Some((at, (*width)?)));
            of.filter(|(_, width)| *width > if is_text { 4 } else { 1 })
                .max_by_key(|(_, width)| *width)
        };
        let Some((at, width)) = widest(true).or_else(|| widest(false)) else {
            break;
        };
        if let Some(shown) = widths.get_mut(at) {
            *shown = Some(width - 1);
        }
        excess -= 1;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::text(shown::topic, "topic"),
        Column::new(shown::messages, "count"),
        Column::text(shown::last_by, "by").dispensable(1),
        Column::new(shown::bytes, "bytes").dispensable(2),
    ];

    fn check(wanted: [usize; 4], cells: usize, expected: [usize; 4]) {
        let widths = layout(&COLUMNS, &wanted, Some(cells));
        let told: Vec<_> = widths.iter().map(|width| width.unwrap_or(0)).collect();
        assert_eq!(told, expected, "{wanted:?} in {cells}");
        let shown = widths.iter().flatten();
        let total: usize = shown.clone().sum::<usize>() + GAP * (shown.count() - 1);
        assert!(total <= cells, "{total}");
    }

    #[test]
    fn what_fits_stays_and_the_longest_texts_are_cut_first() {
        check([10, 5, 10, 5], 36, [10, 5, 10, 5]);
        check([40, 5, 10, 5], 44, [18, 5, 10, 5]);
        check([40, 5, 30, 5], 60, [22, 5, 22, 5]);
        let all = layout(&COLUMNS, &[40, 5, 30, 5], None);
        assert_eq!(all, [40, 5, 30, 5].map(Some));
    }

    #[test]
    fn columns_that_matter_less_make_room() {
        check([40, 5, 10, 5], 40, [21, 5, 10, 0]);
        check([40, 5, 30, 5], 43, [17, 5, 17, 0]);
        check([40, 5, 30, 5], 40, [33, 5, 0, 0]);
        check([40, 5, 30, 5], 30, [23, 5, 0, 0]);
        check([40, 5, 30, 5], 12, [5, 5, 0, 0]);
        check([40, 9, 30, 5], 9, [4, 3, 0, 0]);
    }

    #[test]
    fn lines_align_whatever_the_characters_are() {
        let widths = [Some(6), None, Some(2)];
        let row = |cells: [&str; 3]| line(&cells.map(str::to_owned), &widths, true);
        assert_eq!(row(["home/a", "x", "1"]), "home/a  1\n");
        assert_eq!(row(["温度计数", "x", "1"]), "温度…   1\n");
        assert_eq!(row(["a\u{1b}[2J", "x", "12"]), "a?[2J   12\n");
    }
}
