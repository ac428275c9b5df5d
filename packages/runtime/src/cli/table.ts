// Columns of text, as wide as their widest cell; at least 12, three spaces between them, as runc prints them.

const MIN_WIDTH = 12;
const GAP = 3;

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(MIN_WIDTH, ...lines.map((line) => (line[column] ?? '').length + GAP)));
  return lines
    .map((line) => `${line.map((cell, column) => (column === line.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('')}\n`)
    .join('');
}
