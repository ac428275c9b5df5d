// .dockerignore: which files of a context the build does not see. The client leaves them out of what it sends, the daemon out of what
// COPY finds.
//
// Pure. Facts: the Dockerfile reference, ".dockerignore file": patterns are Go's filepath.Match with `**`, `!` takes back, the
// last pattern that fits decides, a directory's pattern holds for what is in it, and `.` says nothing.
import { EngineError } from '@berth/errdefs/engine-error';

interface Pattern {
  exclusion: boolean;
  matcher: RegExp;
  /** The leading directories without wildcards. */
  literal: string;
}

export class IgnorePatterns {
  readonly #patterns: readonly Pattern[];

  constructor(lines: readonly string[]) {
    this.#patterns = lines.flatMap((line) => toPattern(line) ?? []);
  }

  static parse(text: string): IgnorePatterns {
    const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
    return new IgnorePatterns(lines.filter((line) => !line.startsWith('#')));
  }

  get empty(): boolean {
    return this.#patterns.length === 0;
  }

  /** `path` is relative to the context, without `./`. */
  ignores(path: string): boolean {
    let ignored = false;
    for (const { exclusion, matcher } of this.#patterns) {
      // Only a pattern that would change the verdict has to be tried.
      if (exclusion !== ignored) continue;
      if (matches(matcher, path)) ignored = !exclusion;
    }
    return ignored;
  }

  /** Something below an ignored directory may be taken back, so it has to be entered. */
  mayHoldExceptions(directory: string): boolean {
    return this.#patterns.some(
      ({ exclusion, literal }) =>
        exclusion && (literal === '' || `${literal}/`.startsWith(`${directory}/`) || `${directory}/`.startsWith(`${literal}/`)),
    );
  }
}

function matches(matcher: RegExp, path: string): boolean {
  for (let at = path; ; at = at.slice(0, at.lastIndexOf('/'))) {
    if (matcher.test(at)) return true;
    if (!at.includes('/')) return false;
  }
}

function toPattern(line: string): Pattern | undefined {
  const trimmed = line.trim();
  if (trimmed === '') return undefined;
  const exclusion = trimmed.startsWith('!');
  const text = clean(exclusion ? trimmed.slice(1).trim() : trimmed);
  if (exclusion && text === '') throw new EngineError('InvalidArgument', 'illegal exclusion pattern: "!"', { layer: 'builder' });
  if (text === '.') return undefined;
  return { exclusion, literal: literalPart(text), matcher: new RegExp(`^${globPattern(text)}$`, 's') };
}

function literalPart(pattern: string): string {
  const parts = pattern.split('/');
  const wild = parts.findIndex((part) => /[*?[\\]/.test(part));
  return (wild < 0 ? parts : parts.slice(0, wild)).join('/');
}

/** Go's filepath.Clean, then relative to the context. */
function clean(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return path === '' ? '' : parts.join('/') || '.';
}

/** Go's filepath.Match as the source of a regular expression; `**` crosses directories. */
export function globPattern(pattern: string): string {
  let out = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] ?? '';
    if (char === '*' && pattern[at + 1] === '*') {
      at++;
      if (pattern[at + 1] === '/') at++;
      // At the end it is everything below, in between any number of directories, none too.
      out += at + 1 >= pattern.length ? '.*' : '(?:.*/)?';
    } else if (char === '*') {
      out += '[^/]*';
    } else if (char === '?') {
      out += '[^/]';
    } else if (char === '[') {
      const end = pattern.indexOf(']', at + 1);
      if (end < 0) throw new EngineError('InvalidArgument', `error in pattern "${pattern}": syntax error in pattern`, { layer: 'builder' });
      out += `[${pattern.slice(at + 1, end).replace(/[\\[]/g, '\\$&')}]`;
      at = end;
    } else if (char === '\\' && at + 1 < pattern.length) {
      out += escapeRegExp(pattern[++at] ?? '');
    } else {
      out += escapeRegExp(char);
    }
  }
  return out;
}

function escapeRegExp(char: string): string {
  return char.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
