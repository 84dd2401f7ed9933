//! Columns of text, each as wide as its widest cell.

/// Lines of `cells`, led by `indent` blanks; the last column keeps its own length.
pub(crate) fn lines(cells: &[Vec<String>], indent: usize) -> String {
    let columns = cells.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in cells {
        let mut line = " ".repeat(indent);
        for (cell, &width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A row from anything that can be shown.
macro_rules! row {
    ($($cell:expr),+ $(,)?) => { vec![$($cell.to_string()),+] };
}
pub(crate) use row;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_without_blanks() {
        let cells = [row!["a", "long cell", ""], row!["long", "b", "c"]];
        assert_eq!(lines(&cells, 2), "  a     long cell\n  long  b          c\n");
    }
}
