// `--format` of every listing: a table with headers, `table TEMPLATE`, `json`, `raw`, or a template per row. A listing describes its
// columns once, as template fields; the default table is a template too.
import { EngineError } from '@berth/errdefs/engine-error';
import { table } from './table.ts';
import { compileTemplate, goJson, TemplateRow } from './template.ts';
import { TemplateSyntaxError } from './template-parse.ts';

export interface Listing<Row> {
  /** The columns of the default table, as a template: `table {{.ID}}\t{{.Image}}`. */
  standard: string;
  /** What `raw` prints of each row, as a template. */
  raw?: string;
  /** Field → heading. */
  headings: Record<string, string>;
  /** The field that --quiet prints. */
  identity: keyof Row & string;
  rows: readonly Row[];
}

/** The text of a listing; '' prints nothing. */
export function renderListing<Row extends object>(listing: Listing<Row>, options: { format?: string; quiet?: boolean }): string {
  const { headings, standard, raw } = listing;
  const rows = listing.rows.map((row) => new TemplateRow(row));
  if (options.quiet && !options.format) return listing.rows.map((row) => String(row[listing.identity])).join('\n');
  const format = !options.format || options.format === 'table' ? standard : options.format === 'raw' && raw ? raw : options.format;
  if (format === 'json') return rows.map(goJson).join('\n');
  const heads: Record<string, unknown> = { ...headings, Label: (name: string) => name.split('.').at(-1)?.replace(/[-_]/g, ' ') };
  const compile = (template: string) =>
    compileTemplate(template, { strict: true, missing: (field) => `can't evaluate field ${field} in type listing` });
  try {
    if (!/^table[ \t]/.test(format)) return rows.map(compile(format)).join('\n');
    const template = format.slice('table '.length);
    const line = compile(template);
    const header = compileTemplate(template.replace(/json \./g, '.'))(heads);
    return table([header, ...rows.map(line)].map((text) => text.split('\t')));
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const doing = error instanceof TemplateSyntaxError ? 'parse' : 'execute';
    throw new EngineError('InvalidArgument', `failed to ${doing} template: ${error.message}`, { layer: 'cli', cause: error });
  }
}
