// A row of the benchmark's table, and how it is printed. Each family of rows is a file beside this one whose `rows` measures Berth and a
// peer in turn; a family whose peer is not on the machine still measures Berth and says what is missing.
import { type Comparison, median, spread } from './measure.ts';

export interface Row {
  name: string;
  /** What the row aims at, in its unit; rows without an aim are for the reader. */
  atMost?: number;
  unit: 'ratio' | 'MB' | 'kB';
  ours: string;
  theirs: string;
  /** Absent when the peer is missing. */
  value?: number;
  /** Printed below the table: the peer's version, or why it is missing. */
  note?: string;
}

/** Measures a family; `runs` is the number of pairs. */
export type Family = (runs: number) => Promise<Row[]>;

export function comparisonRow(name: string, atMost: number | undefined, { ours, theirs, ratio }: Comparison): Row {
  return { name, atMost, unit: 'ratio', ours: summary(ours.times), theirs: summary(theirs.times), value: ratio };
}

export function missingPeerRow(name: string, atMost: number | undefined, ours: readonly number[], note: string): Row {
  return { name, atMost, unit: 'ratio', ours: ours.length > 0 ? summary(ours) : '', theirs: 'missing', note };
}

/** Median and middle half of milliseconds. */
function summary(times: readonly number[]): string {
  const [low, high] = spread(times);
  return `${median(times).toFixed(1)} ms (${low.toFixed(1)}–${high.toFixed(1)})`;
}

/** Lines of a Markdown table. */
export function table(rows: readonly Row[]): string[] {
  const amount = (value: number, unit: Row['unit']) => (unit === 'ratio' ? value.toFixed(2) : `${value.toFixed(2)} ${unit}`);
  return [
    '| | Berth | peer | ratio | at most |',
    '| --- | --- | --- | --- | --- |',
    ...rows.map(({ name, ours, theirs, value, unit, atMost }) => {
      const cells = [
        name,
        ours,
        theirs,
        value === undefined ? 'peer missing' : amount(value, unit),
        atMost === undefined ? '' : amount(atMost, unit),
      ];
      return `| ${cells.join(' | ')} |`;
    }),
    ...new Set(rows.flatMap(({ note }) => (note ? ['', note] : []))),
  ];
}
