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
    const operator = /^(==|!=|~=)/.exec(this.#text.slice(this.#at))?.[0] as Selector['operator'] | undefined;
    if (operator === undefined) return { path, operator: 'present', value: '' };
    this.#at += operator.length;
    const value = this.#value(operator === '~=');
    if (operator !== '~=') return { path, operator, value };
    try {
      return { path, operator, value, pattern: new RegExp(value) };
    } catch (cause) {
      throw this.#error(`invalid pattern: ${(cause as Error).message}`);
    }
  }

  #field(): string {
    if (this.#text[this.#at] === '"') return this.#quoted('"');
    const word = /^[A-Za-z0-9_-]+/.exec(this.#text.slice(this.#at))?.[0];
    if (word === undefined) throw this.#error('expected a field name');
    this.#at += word.length;
    return word;
  }

  #value(pattern: boolean): string {
    const first = this.#text[this.#at];
    if (first === '"' || (pattern && (first === '|' || first === '/'))) return this.#quoted(first);
    const word = /^[^\s,"|]+/.exec(this.#text.slice(this.#at))?.[0];
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
      if (char === '\\' && (quote === '"' || this.#text[at + 1] === quote)) value += unescaped(this.#text[++at] ?? '');
      else value += char;
    }
    throw this.#error('unterminated quote');
  }

  #error(message: string): EngineError {
    return new EngineError('InvalidArgument', `filter "${this.#text}": ${message} at position ${this.#at + 1}`);
  }
}

function unescaped(char: string): string {
  return { n: '\n', t: '\t', r: '\r' }[char] ?? char;
}
