// The part of TOML that hosts.toml files use: tables with quoted names, strings, booleans, integers, and arrays over several lines.
// Anything else is refused with its line, so that no setting is misread in silence.
import { EngineError } from '@berth/errdefs/engine-error';

export type TomlValue = string | number | boolean | TomlValue[] | TomlTable;
export interface TomlTable {
  [name: string]: TomlValue;
}

/** `source` names the file in errors. */
export function parseToml(text: string, source: string): TomlTable {
  const root: TomlTable = Object.create(null) as TomlTable;
  let table = root;
  const scanner = new Scanner(text, source);
  for (scanner.skipBlank(); !scanner.atEnd; scanner.skipBlank()) {
    if (scanner.take('[')) {
      table = scanner.key().reduce((parent, name) => childOf(parent, name, scanner), root);
      scanner.expect(']');
    } else {
      const path = scanner.key();
      const name = path.pop() as string;
      const owner = path.reduce((parent, part) => childOf(parent, part, scanner), table);
      scanner.expect('=');
      if (name in owner) throw scanner.error(`${name} is set twice`);
      owner[name] = scanner.value();
    }
    scanner.endOfLine();
  }
  return root;
}

function childOf(parent: TomlTable, name: string, scanner: Scanner): TomlTable {
  parent[name] ??= Object.create(null) as TomlTable;
  const child = parent[name];
  if (typeof child !== 'object' || Array.isArray(child)) throw scanner.error(`${name} is no table`);
  return child;
}

class Scanner {
  readonly #text: string;
  readonly #source: string;
  #at = 0;

  constructor(text: string, source: string) {
    this.#text = text;
    this.#source = source;
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  error(message: string): EngineError {
    const line = this.#text.slice(0, this.#at).split('\n').length;
    return new EngineError('InvalidArgument', `${this.#source}:${line}: ${message}`);
  }

  /** Blanks, line ends and comments. */
  skipBlank(): void {
    this.#match(/(?:[ \t\r\n]|#[^\n]*)*/y);
  }

  endOfLine(): void {
    if (this.#match(/[ \t]*(?:#[^\n]*)?(?:\r?\n|$)/y) === undefined) throw this.error('unexpected text at the end of the line');
  }

  take(character: string): boolean {
    this.#match(/[ \t]*/y);
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  expect(character: string): void {
    if (!this.take(character)) throw this.error(`expected ${character}`);
  }

  /** `a."b.c".d` */
  key(): string[] {
    const parts: string[] = [];
    do {
      this.#match(/[ \t]*/y);
      const bare = this.#match(/[A-Za-z0-9_-]+/y);
      parts.push(bare ?? this.#string() ?? fail(this.error('expected a name')));
    } while (this.take('.'));
    return parts;
  }

  value(): TomlValue {
    this.#match(/[ \t]*/y);
    const text = this.#string();
    if (text !== undefined) return text;
    if (this.take('[')) return this.#array();
    const word = this.#match(/[A-Za-z0-9_+-]+/y);
    if (word === 'true' || word === 'false') return word === 'true';
    if (word !== undefined && /^[+-]?\d+$/.test(word)) return Number(word);
    throw this.error('expected a string, a number, true, false or an array');
  }

  #array(): TomlValue[] {
    const items: TomlValue[] = [];
    for (this.skipBlank(); !this.take(']'); this.skipBlank()) {
      items.push(this.value());
      this.skipBlank();
      if (!this.take(',')) {
        this.skipBlank();
        this.expect(']');
        break;
      }
    }
    return items;
  }

  #string(): string | undefined {
    const literal = this.#match(/'[^'\n]*'/y);
    if (literal !== undefined) return literal.slice(1, -1);
    const basic = this.#match(/"(?:[^"\\\n]|\\.)*"/y);
    if (basic === undefined) return undefined;
    try {
      return JSON.parse(basic) as string;
    } catch {
      throw this.error('unknown escape in a string');
    }
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }
}

function fail(error: Error): never {
  throw error;
}
