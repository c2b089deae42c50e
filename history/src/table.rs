//! Columns for a terminal.

/// A table whose columns are as wide as they have to be; the last one is not padded.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// With a heading.
    pub fn new(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned)] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// The lines; nothing without rows.
    pub fn render(&self, indent: &str) -> String {
        if self.rows.len() < 2 {
            return String::new();
        }
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..N).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).enumerate();
            let line: Vec<String> = cells
                .map(|(column, (cell, width))| if column + 1 == N { cell.clone() } else { format!("{cell:<width$}") })
                .collect();
            out.push_str(indent);
            out.push_str(line.join("  ").trim_end());
            out.push('\n');
        }
        out
    }
}
