// Words of an instruction: splitting at blanks outside quotes, and expansion of variables. The quoting is a small part of sh's.
//
// Pure. Facts: the Dockerfile reference, "Environment replacement".
import { EngineError } from '@berth/errdefs/engine-error';

export type Lookup = (name: string) => string | undefined;

/** Splits at blanks; quotes and escapes stay in the words. */
export function splitWords(text: string, escapeToken: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? '';
    if (quote === '' && /\s/.test(char)) {
      if (word !== '') words.push(word);
      word = '';
      continue;
    }
    word += char;
    // Within single quotes an escape is a character like any other.
    if (char === escapeToken && quote !== "'" && at + 1 < text.length) word += text[++at];
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
  }
  if (word !== '') words.push(word);
  return words;
}

/** One word with its variables replaced and its quotes removed. */
export function expandWord(word: string, lookup: Lookup, escapeToken: string): string {
  return new Expansion(word, lookup, escapeToken, true).run();
}

/** The text of a here-document: variables only, quotes are text. */
export function expandText(text: string, lookup: Lookup, escapeToken: string): string {
  return new Expansion(text, lookup, escapeToken, false).run();
}

/** Expansion and splitting: a variable's blanks make new words unless they are quoted. */
export function expandWords(text: string, lookup: Lookup, escapeToken: string): string[] {
  return splitWords(text, escapeToken).flatMap((word) => {
    const value = expandWord(word, lookup, escapeToken);
    return /["']/.test(word) ? [value] : value.split(/\s+/).filter(Boolean);
  });
}

class Expansion {
  readonly #text: string;
  readonly #lookup: Lookup;
  readonly #escapeToken: string;
  readonly #quotes: boolean;
  #at = 0;

  constructor(text: string, lookup: Lookup, escapeToken: string, quotes: boolean) {
    this.#text = text;
    this.#lookup = lookup;
    this.#escapeToken = escapeToken;
    this.#quotes = quotes;
  }

  run(): string {
    return this.#until('');
  }

  /** Up to an unquoted `stop`, which is eaten. */
  #until(stop: string): string {
    let out = '';
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) {
        if (stop !== '') throw this.#error(`unexpected end of statement while looking for matching ${stop}`);
        return out;
      }
      if (char === stop) {
        this.#at++;
        return out;
      }
      if (this.#quotes && char === "'") out += this.#single();
      else if (this.#quotes && char === '"') out += this.#double();
      else if (char === '$') out += this.#dollar();
      else if (char === this.#escapeToken && this.#at + 1 < this.#text.length) {
        const next = this.#text[this.#at + 1] ?? '';
        this.#at += 2;
        out += this.#quotes || next === '$' || next === this.#escapeToken ? next : char + next;
      } else {
        out += char;
        this.#at++;
      }
    }
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) throw this.#error('unexpected end of statement while looking for matching single-quote');
    const text = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return text;
  }

  #double(): string {
    this.#at++;
    let out = '';
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) throw this.#error('unexpected end of statement while looking for matching double-quote');
      if (char === '"') {
        this.#at++;
        return out;
      }
      if (char === '$') {
        out += this.#dollar();
      } else if (char === this.#escapeToken) {
        const next = this.#text[this.#at + 1] ?? '';
        // Only what would mean something here can be escaped.
        out += next === '"' || next === '$' || next === this.#escapeToken ? next : char + next;
        this.#at += 2;
      } else {
        out += char;
        this.#at++;
      }
    }
  }

  #dollar(): string {
    this.#at++;
    if (this.#text[this.#at] === '{') {
      this.#at++;
      return this.#braced();
    }
    const [name] = /^(?:[a-zA-Z_][a-zA-Z0-9_]*|[0-9@*#])/.exec(this.#text.slice(this.#at)) ?? [];
    if (name === undefined) return '$';
    this.#at += name.length;
    return this.#lookup(name) ?? '';
  }

  #braced(): string {
    const [name] = /^(?:[a-zA-Z_][a-zA-Z0-9_]*|[0-9@*#])/.exec(this.#text.slice(this.#at)) ?? [];
    if (name === undefined) throw this.#error('bad substitution');
    this.#at += name.length;
    const value = this.#lookup(name);
    const [operator] = /^(:?[-+?]|##?|%%?|\/\/?|\})/.exec(this.#text.slice(this.#at)) ?? [];
    if (operator === undefined) throw this.#error(`unsupported modifier (${this.#text[this.#at] ?? ''}) in substitution`);
    this.#at += operator.length;
    if (operator === '}') return value ?? '';
    if (operator.startsWith('/')) return this.#replace(value ?? '', operator === '//');
    const word = this.#until('}');
    // The colon makes an empty value count as none.
    const present = operator.startsWith(':') ? Boolean(value) : value !== undefined;
    switch (operator.replace(':', '')) {
      case '-':
        return present ? (value ?? '') : word;
      case '+':
        return present ? word : '';
      case '?':
        if (!present)
          throw this.#error(
            word === '' ? `${name}: parameter not ${operator === '?' ? 'allowed to be unset' : 'set or empty'}` : `${name}: ${word}`,
          );
        return value ?? '';
      default:
        return trimmed(value ?? '', word, operator);
    }
  }

  #replace(value: string, all: boolean): string {
    const pattern = this.#until('/');
    const replacement = this.#until('}');
    return value.replace(new RegExp(globSource(pattern, true), all ? 'g' : ''), () => replacement);
  }

  #error(message: string): EngineError {
    return new EngineError('InvalidArgument', `failed to process "${this.#text}": ${message}`, { layer: 'builder' });
  }
}

/** `${name#pattern}` and its kin: the shortest (one sign) or longest (two) match goes from the start (#) or the end (%). */
function trimmed(value: string, pattern: string, operator: string): string {
  const whole = new RegExp(`^(?:${globSource(pattern, true)})$`, 's');
  const lengths = Array.from({ length: value.length + 1 }, (_, length) => length);
  if (operator.length === 2) lengths.reverse();
  for (const length of lengths) {
    const part = operator.startsWith('#') ? value.slice(0, length) : value.slice(value.length - length);
    if (whole.test(part)) return operator.startsWith('#') ? value.slice(length) : value.slice(0, value.length - length);
  }
  return value;
}

function globSource(pattern: string, greedy: boolean): string {
  return pattern.replace(/\\(.)|[\s\S]/g, (char, escaped?: string) => {
    if (escaped !== undefined) return escapeRegExp(escaped);
    if (char === '*') return greedy ? '.*' : '.*?';
    return char === '?' ? '.' : escapeRegExp(char);
  });
}

function escapeRegExp(char: string): string {
  return char.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
