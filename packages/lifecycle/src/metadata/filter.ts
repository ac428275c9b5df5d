// containerd's filters (pkg/filters): `name==x,labels."a.b"!=c,topic~=|^/tasks/|`. The selectors of one filter must all hold; of
// several filters one must. A selector without an operator asks for presence. Values are bare words, Go strings ("…") or,
// for patterns, text between | or /.
import { EngineError } from '@berth/errdefs/engine-error';

/** The value at a field path (`['labels', 'a.b']`), or undefined for a field that the object does not have. */
export type FieldReader<T> = (object: T, path: readonly string[]) => string | undefined;

interface Selector {
  path: string[];
  operator: 'present' | '==' | '!=' | '~=';
  value: string;
  pattern?: RegExp;
}

export class Filter {
  readonly #alternatives: Selector[][];

  /** InvalidArgument for a filter that does not parse. */
  constructor(filters: readonly string[] = []) {
    this.#alternatives = filters.map((text) => new Parser(text).parse());
  }

  matches<T>(object: T, read: FieldReader<T>): boolean {
    if (this.#alternatives.length === 0) return true;
    return this.#alternatives.some((selectors) => selectors.every((selector) => holds(selector, read(object, selector.path))));
  }
}

/** Reads `labels.<key>`: the key is the rest of the path, because keys have dots in them. */
export function labelAt(labels: Record<string, string>, path: readonly string[]): string | undefined {
  return labels[path.slice(1).join('.')];
}

function holds(selector: Selector, value: string | undefined): boolean {
  switch (selector.operator) {
    case 'present':
      return value !== undefined;
    case '==':
      return value === selector.value;
    case '!=':
      return value !== selector.value;
    case '~=':
      return value !== undefined && (selector.pattern?.test(value) ?? false);
  }
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Selector[] {
    const selectors: Selector[] = [];
    if (this.#text.trim() === '') return selectors;
    for (;;) {
      selectors.push(this.#selector());
      if (this.#at >= this.#text.length) return selectors;
      if (this.#text[this.#at] !== ',') throw this.#error('expected "," or end of filter');
      this.#at++;
    }
  }

  #selector(): Selector {
    const path = [this.#field()];
    while (this.#text[this.#at] === '.') {
      this.#at++;
      path.push(this.#field());
    }
    if (this.#at >= this.#text.length || this.#text[this.#at] === ',') return { path, operator: 'present', value: '' };
    this.#blank();
    const operator = /^[=!~]+/.exec(this.#text.slice(this.#at))?.[0];
    if (operator !== '==' && operator !== '!=' && operator !== '~=') throw this.#error('expected ==, != or ~=');
    this.#at += operator.length;
    this.#blank();
    const value = this.#value(operator === '~=');
    if (operator !== '~=') return { path, operator, value };
    try {
      return { path, operator, value, pattern: patternOf(value) };
    } catch (cause) {
      throw this.#error(`invalid pattern: ${(cause as Error).message}`);
    }
  }

  /** Blanks may stand before a word, not behind it. */
  #blank(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #field(): string {
    this.#blank();
    if (this.#text[this.#at] === '"') return this.#quoted('"');
    const word = /^[A-Za-z0-9_-]+/.exec(this.#text.slice(this.#at))?.[0];
    if (word === undefined) throw this.#error('expected a field name');
    this.#at += word.length;
    return word;
  }

  #value(pattern: boolean): string {
    const first = this.#text[this.#at];
    if (first === '"' || (pattern && (first === '|' || first === '/'))) return this.#quoted(first);
    const word = /^[^\s,.=!~"|][^\s,]*/.exec(this.#text.slice(this.#at))?.[0];
    if (word === undefined) throw this.#error('expected a value');
    this.#at += word.length;
    return word;
  }

  #quoted(quote: string): string {
    let value = '';
    for (let at = this.#at + 1; at < this.#text.length; at++) {
      const char = this.#text[at] as string;
      if (char === quote) {
        this.#at = at + 1;
        return value;
      }
      if (char !== '\\') value += char;
      else {
        const sequence = ESCAPE.exec(this.#text.slice(at))?.[0];
        // Between | or / a backslash that begins no escape is the pattern's own.
        if (sequence !== undefined) value += unescaped(sequence);
        else if (this.#text[at + 1] === quote) value += quote;
        else if (quote === '"') throw this.#error('illegal escape sequence');
        else value += `\\${this.#text[at + 1] ?? ''}`;
        at += (sequence?.length ?? 2) - 1;
      }
    }
    throw this.#error('unterminated quote');
  }

  #error(message: string): EngineError {
    return new EngineError('InvalidArgument', `filter "${this.#text}": ${message} at position ${this.#at + 1}`);
  }
}

/** Go's escapes, as in its string literals. */
const ESCAPE = /^\\([abfnrtv\\]|[0-7]{3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})/;
const CONTROLS: Record<string, string> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\\': '\\' };

function unescaped(sequence: string): string {
  const kind = sequence[1] as string;
  if (kind in CONTROLS) return CONTROLS[kind] as string;
  return String.fromCodePoint(/[0-7]/.test(kind) ? Number.parseInt(sequence.slice(1), 8) : Number.parseInt(sequence.slice(2), 16));
}

/** Go's patterns are JavaScript's but for the place of flags: in front. */
function patternOf(text: string): RegExp {
  const [head = '', flags] = /^\(\?([ims]+)\)/.exec(text) ?? [];
  return new RegExp(text.slice(head.length), flags);
}
