// A Dockerfile's text as logical lines: parser directives, comments, continuations and here-documents.
//
// Pure. Facts: the Dockerfile reference, "Format", "Parser directives" and "Here-Documents". A logical line keeps the number of
// the line on which it begins, for errors.
import { syntaxError } from './syntax-error.ts';

export interface Heredoc {
  name: string;
  /** Quoted in the instruction: variables in the text stay as they are. */
  literal: boolean;
  text: string;
}

export interface LogicalLine {
  /** One-based. */
  number: number;
  /** Continuations joined, comments out. */
  text: string;
  heredocs: Heredoc[];
}

export interface LogicalLines {
  /** Backslash, or the backtick. */
  escapeToken: string;
  lines: LogicalLine[];
}

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const COMMENT = /^\s*#/;
const WITH_HEREDOCS = /^(ONBUILD\s+)?(RUN|COPY|ADD)\s/i;

export function logicalLines(source: string): LogicalLines {
  const physical = source.replace(/^\uFEFF/, '').split(/\r?\n/);
  const escapeToken = readDirectives(physical);
  const lines: LogicalLine[] = [];
  for (let at = 0; at < physical.length; at++) {
    const first = physical[at] ?? '';
    if (first.trim() === '' || COMMENT.test(first)) continue;
    const number = at + 1;
    let text = first.trimStart();
    while (continues(text, escapeToken)) {
      text = text.replace(/.[ \t]*$/, '');
      at = nextContent(physical, at + 1);
      if (at >= physical.length) break;
      text += physical[at] ?? '';
    }
    const heredocs: Heredoc[] = [];
    if (WITH_HEREDOCS.test(text)) {
      for (const { name, chomp, literal } of heredocMarks(text)) {
        const body: string[] = [];
        for (at++; ; at++) {
          const line = physical[at];
          if (line === undefined) throw syntaxError(number, `unterminated heredoc ${name}`);
          const content = chomp ? line.replace(/^\t+/, '') : line;
          if (content === name) break;
          body.push(content);
        }
        heredocs.push({ name, literal, text: body.map((line) => `${line}\n`).join('') });
      }
    }
    lines.push({ number, text: text.trimEnd(), heredocs });
  }
  return { escapeToken, lines };
}

/** Directives stand before everything else, comments included. */
function readDirectives(physical: readonly string[]): string {
  let escapeToken = '\\';
  const seen = new Set<string>();
  for (const [index, line] of physical.entries()) {
    const [, name, value] = DIRECTIVE.exec(line) ?? [];
    if (name === undefined || value === undefined) break;
    const key = name.toLowerCase();
    if (!['escape', 'syntax', 'check'].includes(key)) break;
    if (seen.has(key)) throw syntaxError(index + 1, `only one ${key} parser directive can be used`);
    seen.add(key);
    if (key !== 'escape') continue;
    if (value !== '\\' && value !== '`') throw syntaxError(index + 1, `invalid escape token '${value}' does not match \` or \\`);
    escapeToken = value;
  }
  return escapeToken;
}

/** The line ends in an escape that is not itself escaped. */
function continues(text: string, escapeToken: string): boolean {
  const trimmed = text.replace(/[ \t]+$/, '');
  return trimmed.endsWith(escapeToken) && trimmed.at(-2) !== escapeToken;
}

/** Comments and empty lines within a continued instruction are left out. */
function nextContent(physical: readonly string[], from: number): number {
  let at = from;
  while (at < physical.length && ((physical[at] ?? '').trim() === '' || COMMENT.test(physical[at] ?? ''))) at++;
  return at;
}

/** `<<NAME`, `<<-NAME`, `<<"NAME"`: outside quotes, and not `<<<`. */
export function heredocMarks(text: string): { name: string; chomp: boolean; literal: boolean }[] {
  const unquoted = text.replace(/(?<!<<-?)(['"])(?:\\.|(?!\1).)*\1/g, (quoted) => ' '.repeat(quoted.length));
  return [...unquoted.matchAll(/(?<!<)\d*<<(-?)(["']?)([a-zA-Z_][a-zA-Z0-9_]*)\2(?=\s|$|[);|&>])/g)].map(([, dash, quote, name = '']) => ({
    name,
    chomp: dash === '-',
    literal: quote !== '',
  }));
}
