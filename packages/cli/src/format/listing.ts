// `--format` of every listing: a table with headers, `table TEMPLATE`, `json`, or a template per row. A listing describes its columns
// once, as template fields; the default table is a template too.
import { table } from './table.ts';
import { compileTemplate, goJson } from './template.ts';

export interface Listing<Row> {
  /** The columns of the default table, as a template: `table {{.ID}}\t{{.Image}}`. */
  standard: string;
  /** Field → heading. */
  headings: Record<string, string>;
  /** The field that --quiet prints. */
  identity: keyof Row & string;
  /** Fields that only exist on request and are left out of `json`. */
  rows: readonly Row[];
}

/** The text of a listing; '' prints nothing. */
export function renderListing<Row extends object>(listing: Listing<Row>, options: { format?: string; quiet?: boolean }): string {
  const { rows, headings } = listing;
  if (options.quiet && !options.format) return rows.map((row) => String(row[listing.identity])).join('\n');
  const format = !options.format || options.format === 'table' ? listing.standard : options.format;
  if (format === 'json') return rows.map(goJson).join('\n');
  if (!format.startsWith('table ') && !format.startsWith('table\t')) return rows.map(compileTemplate(format)).join('\n');
  const template = format.slice('table '.length);
  const line = compileTemplate(template);
  const header = compileTemplate(template.replace(/json \./g, '.'))(headings);
  return table([header, ...rows.map(line)].map((text) => text.split('\t')));
}
