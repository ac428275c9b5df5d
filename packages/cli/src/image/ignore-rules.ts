// .dockerignore, as moby/patternmatcher reads it: one pattern a line, `#` comments, `!` exceptions, `*` `?` `[…]` within one path
// element, `**` across any number of them; the last pattern that matches a path or one of its parents decides.
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

interface Rule {
  matches: RegExp;
  exception: boolean;
  /** The pattern's leading elements without wildcards. */
  literal: string;
}

export class IgnoreRules {
  readonly #rules: readonly Rule[];

  constructor(text: string) {
    this.#rules = text
      .replace(/^\uFEFF/, '')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'))
      .flatMap(rule);
  }

  /** `<Dockerfile>.dockerignore` beside the Dockerfile wins over `.dockerignore` of the context. */
  static read(root: string, dockerfile: string): IgnoreRules {
    for (const name of [`${dockerfile}.dockerignore`, '.dockerignore']) {
      try {
        return new IgnoreRules(readFileSync(join(root, name), 'utf8'));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    return new IgnoreRules('');
  }

  ignores(path: string): boolean {
    const elements = path.split('/');
    const prefixes = elements.map((_, at) => elements.slice(0, at + 1).join('/'));
    let ignored = false;
    for (const { matches, exception } of this.#rules) {
      if (ignored === exception && prefixes.some((prefix) => matches.test(prefix))) ignored = !exception;
    }
    return ignored;
  }

  /** True when an exception could apply somewhere below an ignored directory. */
  mayIncludeBelow(directory: string): boolean {
    return this.#rules.some(
      ({ exception, literal }) =>
        exception && (literal === '' || `${literal}/`.startsWith(`${directory}/`) || `${directory}/`.startsWith(`${literal}/`)),
    );
  }
}

function rule(line: string): Rule[] {
  const exception = line.startsWith('!');
  const cleaned = posix
    .normalize(exception ? line.slice(1).trim() : line)
    .replace(/^\/+/, '')
    .replace(/\/+$/, '');
  if (cleaned === '' || cleaned === '.') return [];
  const elements = cleaned.split('/');
  const wild = elements.findIndex((element) => /[*?[\\]/.test(element));
  const literal = (wild < 0 ? elements : elements.slice(0, wild)).join('/');
  return [{ matches: expression(cleaned), exception, literal }];
}

function expression(pattern: string): RegExp {
  let out = '^';
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] as string;
    if (character === '*' && pattern[at + 1] === '*') {
      at++;
      if (pattern[at + 1] === '/') at++;
      // At the end it takes everything, before a slash any number of whole elements.
      out += at + 1 >= pattern.length ? '.*' : '(.*/)?';
    } else if (character === '*') out += '[^/]*';
    else if (character === '?') out += '[^/]';
    else if (character === '[') {
      const close = pattern.indexOf(']', at + 1);
      if (close < 0) out += '\\[';
      else {
        out += `[${pattern
          .slice(at + 1, close)
          .replaceAll('\\', '\\\\')
          .replace(/^!/, '^')}]`;
        at = close;
      }
    } else if (character === '\\') out += escapeText(pattern[++at] ?? '\\');
    else out += escapeText(character);
  }
  return new RegExp(`${out}$`, 's');
}

function escapeText(text: string): string {
  return text.replace(/[.+^${}()|[\]\\/*?]/g, '\\$&');
}
