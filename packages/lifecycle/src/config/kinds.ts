// The kinds of values that the configuration file has: each reads a TOML value, and prints one for `config default` and `config dump`.
import { isTable, type TomlValue } from '@berth/oci/toml';

export interface Kind<T> {
  /** What the file must have here, for people. */
  readonly expected: string;
  /** Undefined for a value of another kind. */
  read(value: TomlValue): T | undefined;
  print(value: T): TomlValue;
}

export const text: Kind<string> = {
  expected: 'a string',
  read: (value) => (typeof value === 'string' ? value : undefined),
  print: (value) => value,
};

export const flag: Kind<boolean> = {
  expected: 'true or false',
  read: (value) => (typeof value === 'boolean' ? value : undefined),
  print: (value) => value,
};

export const whole: Kind<number> = {
  expected: 'a whole number',
  read: (value) => (typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined),
  print: (value) => value,
};

export const share: Kind<number> = {
  expected: 'a number from 0 to 1',
  read: (value) => (typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined),
  print: (value) => value,
};

export const list: Kind<readonly string[]> = {
  expected: 'an array of strings',
  read: (value) => (Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined),
  print: (value) => [...value],
};

export const map: Kind<Readonly<Record<string, string>>> = {
  expected: 'a table of strings',
  read: (value) =>
    isTable(value) && Object.values(value).every((item) => typeof item === 'string') ? { ...(value as Record<string, string>) } : undefined,
  print: (value) => ({ ...value }),
};

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds, written as Go's time.ParseDuration takes them: `1m30s`, `500ms`. */
export const duration: Kind<number> = {
  expected: 'a duration as "10s" or "500ms"',
  read(value) {
    if (value === 0 || value === '0') return 0;
    if (typeof value !== 'string' || !/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(value)) return undefined;
    return [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)].reduce(
      (sum, [, count, unit = '']) => sum + Number(count) * (UNITS[unit] ?? 0),
      0,
    );
  },
  print: (value) => (value % 1000 === 0 ? `${value / 1000}s` : `${value}ms`),
};

export function oneOf<const Word extends string>(...words: Word[]): Kind<Word> {
  return {
    expected: `one of ${words.map((word) => `"${word}"`).join(', ')}`,
    read: (value) => words.find((word) => word === value),
    print: (value) => value,
  };
}
