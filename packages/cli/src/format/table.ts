// Columns as Go's tabwriter sets them for docker: three spaces between, a column as wide as its widest cell and at least 10.

const GAP = 3;
const MINIMUM = 10;

export function table(rows: readonly (readonly string[])[], { minimum = MINIMUM, gap = GAP } = {}): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, at) => {
    // A cell that ends its line does not widen its column: tabwriter only sees cells that a tab ends.
    const cells = rows.filter((row) => at < row.length - 1).map((row) => width(row[at] ?? ''));
    return Math.max(minimum, ...cells.map((cell) => cell + gap));
  });
  return rows
    .map((row) => row.map((cell, at) => (at === row.length - 1 ? cell : cell + ' '.repeat((widths[at] ?? 0) - width(cell)))).join(''))
    .join('\n');
}

function width(text: string): number {
  return [...text].length;
}
