//! Tables that drop columns when they are too wide, and then break their rows; never an identifier.

use anstyle::Style;

use crate::text::paint::{DIM, PLAIN, Page, paint, width_of, wrap};

/// One cell: text in one style.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

pub(super) fn cell(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), style: PLAIN }
}

pub(super) fn styled(style: Style, text: impl Into<String>) -> Cell {
    Cell { text: text.into(), style }
}

/// How a column behaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    title: &'static str,
    right: bool,
    /// It may be dropped; the highest goes first.
    drop: Option<u8>,
    /// It is prose: it wraps, and takes what room is left.
    prose: bool,
}

impl Column {
    /// An identifier: always there, always whole.
    pub(super) const fn identifier(title: &'static str) -> Self {
        Self { title, right: false, drop: None, prose: false }
    }

    /// A figure that is always there.
    pub(super) const fn kept(title: &'static str) -> Self {
        Self { title, right: true, drop: None, prose: false }
    }

    /// A figure that can be missed; the highest `drop` goes first.
    pub(super) const fn figure(title: &'static str, drop: u8) -> Self {
        Self { title, right: true, drop: Some(drop), prose: false }
    }

    /// Prose at the end of a row.
    pub(super) const fn prose(title: &'static str) -> Self {
        Self { title, right: false, drop: None, prose: true }
    }
}

/// Columns of prose that are worth a place beside the others.
const MIN_PROSE: usize = 24;
const GAP: usize = 2;
/// A broken row goes on so much further in.
const STEP: usize = 4;

pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// Where a column stands: on which line of a row, how wide.
struct Place {
    column: usize,
    line: usize,
    width: usize,
}

impl Table {
    pub(super) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Writes the table, titles first.
    pub(super) fn write(&self, page: &mut Page, indent: usize) {
        let places = self.places(page.layout.width() - indent);
        let titles: Vec<Cell> = self.columns.iter().map(|column| styled(DIM, column.title)).collect();
        let first_line: Vec<&Place> = places.iter().filter(|place| place.line == 0).collect();
        self.write_line(page, indent, &first_line, &titles);
        let lines = places.iter().map(|place| place.line).max().unwrap_or(0);
        for row in &self.rows {
            for line in 0..=lines {
                let here: Vec<&Place> = places.iter().filter(|place| place.line == line).collect();
                let empty = here.iter().all(|place| row[place.column].text.is_empty());
                if line == 0 || !empty {
                    self.write_line(page, indent + if line > 0 { STEP } else { 0 }, &here, row);
                }
            }
        }
    }

    /// Columns that hold anything, less those that had to go, each with its place.
    fn places(&self, room: usize) -> Vec<Place> {
        let natural = |column: usize| {
            let cells = self.rows.iter().map(|row| width_of(&row[column].text));
            cells.max().unwrap_or(0).max(width_of(self.columns[column].title))
        };
        let holds = |column: &usize| self.rows.iter().any(|row| !row[*column].text.is_empty());
        let needed = |shown: &[usize], beside: bool| {
            let each = shown.iter().map(|column| match self.columns[*column].prose {
                true if beside => GAP + natural(*column).min(MIN_PROSE),
                true => 0,
                false => GAP + natural(*column),
            });
            each.sum::<usize>().saturating_sub(GAP)
        };
        let narrowed = |beside: bool| {
            let mut shown: Vec<usize> = (0..self.columns.len()).filter(holds).collect();
            while needed(&shown, beside) > room {
                let droppable = shown.iter().filter(|column| self.columns[**column].drop.is_some());
                let Some(goes) = droppable.max_by_key(|column| self.columns[**column].drop).copied() else {
                    break;
                };
                shown.retain(|column| *column != goes);
            }
            shown
        };
        // Figures go only if that gets the prose beside the rest; otherwise it stands below anyway.
        let mut shown = narrowed(true);
        if needed(&shown, true) > room {
            shown = narrowed(false);
        }
        let (mut line, mut used) = (0, 0);
        let mut places = Vec::new();
        for column in shown {
            let wanted =
                if self.columns[column].prose { natural(column).min(MIN_PROSE) } else { natural(column) };
            let gap = if used > 0 { GAP } else { 0 };
            if used > 0 && used + gap + wanted > room {
                line += 1;
                used = STEP;
            } else {
                used += gap;
            }
            let left = room.saturating_sub(used).max(1);
            let width = if self.columns[column].prose { left } else { natural(column).min(left) };
            used += width;
            places.push(Place { column, line, width });
        }
        places
    }

    /// One line of a row; cells that are too wide for their place go on below it.
    fn write_line(&self, page: &mut Page, indent: usize, places: &[&Place], row: &[Cell]) {
        let wrapped: Vec<Vec<String>> =
            places.iter().map(|place| wrap(&row[place.column].text, place.width, place.width)).collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
        for part in 0..height {
            let mut line = " ".repeat(indent);
            for (index, (place, lines)) in places.iter().zip(&wrapped).enumerate() {
                let text = lines.get(part).map_or("", String::as_str);
                let padding = " ".repeat(place.width.saturating_sub(width_of(text)));
                let painted = paint(row[place.column].style, text);
                let gap = if index > 0 { " ".repeat(GAP) } else { String::new() };
                line += &match self.columns[place.column].right {
                    true => format!("{gap}{padding}{painted}"),
                    false => format!("{gap}{painted}{padding}"),
                };
            }
            page.line(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::paint::Layout;

    fn render(width: usize) -> String {
        let mut table =
            Table::new(&[Column::figure("at", 1), Column::identifier("from"), Column::prose("note")]);
        let from = "a_function_with_quite_a_long_name_in_it+0x1234";
        table.row(vec![cell("1.000 ms"), cell(from), cell("what it shows, in a few words")]);
        let mut page = Page::new(Layout::new(width));
        table.write(&mut page, 2);
        anstream::adapter::strip_str(&page.into_text()).to_string()
    }

    #[test]
    fn narrow_tables_lose_figures_and_break_rows_but_keep_identifiers() {
        for width in [60, 76, 80, 100, 160] {
            let text = render(width);
            assert!(text.contains("a_function_with_quite_a_long_name_in_it+0x1234"), "{text}");
            assert!(text.lines().all(|line| width_of(line) <= width), "{text}");
            assert_eq!(text.contains("1.000 ms"), !(72..=82).contains(&width), "{text}");
        }
    }

    #[test]
    fn what_is_wider_than_the_page_goes_on_below_from_the_first_line_on() {
        let mut table = Table::new(&[Column::identifier("from"), Column::identifier("to")]);
        table.row(vec![cell("f".repeat(70)), cell("t")]);
        let mut page = Page::new(Layout::new(60));
        table.write(&mut page, 0);
        let text = anstream::adapter::strip_str(&page.into_text()).to_string();
        assert_eq!(text, format!("from\n{}\n{}\n    t\n", "f".repeat(60), "f".repeat(10)));
    }

    #[test]
    fn empty_columns_do_not_show() {
        let mut table = Table::new(&[Column::identifier("one"), Column::prose("note")]);
        table.row(vec![cell("1"), cell("")]);
        let mut page = Page::new(Layout::new(60));
        table.write(&mut page, 0);
        assert!(!page.into_text().contains("note"));
    }
}
