// Why a text is no JSON, in the words of Go's decoder (encoding/json): clients and their users know them, and they name the character.
// Asked only after JSON.parse has refused the text. A loop with its own stack: the text is a stranger's, and may be nested as deep as it likes.

type Expected = 'value' | 'element or end' | 'key or end' | 'key' | 'colon' | 'end or more';

/** `invalid character 'b' looking for beginning of object key string`, `unexpected EOF`; undefined when a whole value stands at the front. */
export function jsonSyntaxError(text: string): string | undefined {
  // Go counts bytes, and names a byte.
  return new JsonScan(Buffer.from(text).toString('latin1')).run();
}

const SPACE = ' \t\r\n';
const DIGIT = /[0-9]/;
const HEX = /[0-9a-fA-F]/;
const LITERALS: Record<string, string> = { t: 'true', f: 'false', n: 'null' };
const END_OF_INPUT = 'unexpected EOF';

class JsonScan {
  readonly #text: string;
  /** Closing characters of what is open. */
  readonly #open: ('}' | ']')[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  run(): string | undefined {
    let expected: Expected = 'value';
    for (;;) {
      while (this.#at < this.#text.length && SPACE.includes(this.#char())) this.#at++;
      if (expected === 'end or more' && this.#open.length === 0) return undefined;
      const next = this.#step(expected);
      if (typeof next !== 'string') return next.wrong;
      expected = next;
    }
  }

  #char(): string {
    return this.#text.charAt(this.#at);
  }

  /** What is expected next, or what is wrong here. */
  #step(expected: Expected): Expected | { wrong: string } {
    const char = this.#char();
    if (char === this.#open.at(-1) && (expected === 'end or more' || expected.endsWith('or end'))) {
      this.#open.pop();
      this.#at++;
      return 'end or more';
    }
    switch (expected) {
      case 'value':
      case 'element or end':
        return this.#value(char);
      case 'key':
      case 'key or end':
        return char === '"' ? this.#string('colon') : this.#wrong('looking for beginning of object key string');
      case 'colon':
        return char === ':' ? this.#take('value') : this.#wrong('after object key');
      default: {
        const inObject = this.#open.at(-1) === '}';
        if (char === ',') return this.#take(inObject ? 'key' : 'value');
        return this.#wrong(inObject ? 'after object key:value pair' : 'after array element');
      }
    }
  }

  #value(char: string): Expected | { wrong: string } {
    if (char === '{' || char === '[') {
      this.#open.push(char === '{' ? '}' : ']');
      return this.#take(char === '{' ? 'key or end' : 'element or end');
    }
    if (char === '"') return this.#string('end or more');
    if (char === '-' || DIGIT.test(char)) return this.#number(char);
    const literal = LITERALS[char];
    if (literal === undefined) return this.#wrong('looking for beginning of value');
    for (const wanted of literal) {
      if (this.#char() !== wanted) return this.#wrong(`in literal ${literal} (expecting '${wanted}')`);
      this.#at++;
    }
    return 'end or more';
  }

  #string(then: Expected): Expected | { wrong: string } {
    this.#at++;
    for (; this.#char() !== '"'; this.#at++) {
      if (this.#char() < ' ') return this.#wrong('in string literal');
      if (this.#char() !== '\\') continue;
      this.#at++;
      if (this.#char() !== 'u') {
        if (!'bfnrt\\/"'.includes(this.#char()) || this.#char() === '') return this.#wrong('in string escape code');
        continue;
      }
      for (let digits = 0; digits < 4; digits++) {
        this.#at++;
        if (!HEX.test(this.#char())) return this.#wrong('in \\u hexadecimal character escape');
      }
    }
    return this.#take(then);
  }

  #number(first: string): Expected | { wrong: string } {
    if (first === '-') this.#at++;
    if (!DIGIT.test(this.#char())) return this.#wrong('in numeric literal');
    if (this.#char() === '0') this.#at++;
    else this.#digits();
    if (this.#char() === '.') {
      this.#at++;
      if (!this.#digits()) return this.#wrong('after decimal point in numeric literal');
    }
    if (/[eE]/.test(this.#char())) {
      this.#at++;
      if (/[+-]/.test(this.#char())) this.#at++;
      if (!this.#digits()) return this.#wrong('in exponent of numeric literal');
    }
    return 'end or more';
  }

  #digits(): boolean {
    const start = this.#at;
    while (DIGIT.test(this.#char())) this.#at++;
    return this.#at > start;
  }

  #take(then: Expected): Expected {
    this.#at++;
    return then;
  }

  #wrong(where: string): { wrong: string } {
    const char = this.#char();
    if (char === '') return { wrong: END_OF_INPUT };
    return { wrong: `invalid character ${quoted(char)} ${where}` };
  }
}

/** A byte between single quotes, as Go escapes it. */
function quoted(char: string): string {
  if (char === "'") return "'\\''";
  if (char === '"') return "'\"'";
  return `'${JSON.stringify(char).slice(1, -1)}'`;
}
