// The `filters` query parameter: JSON `{"key":{"value":true}}`, or `{"key":["value"]}` as older clients write it
// (moby's api/types/filters). Values of one key are alternatives, different keys must all hold; labels must all hold.
import { EngineError } from '@berth/errdefs/engine-error';

export class Filters {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]> = new Map()) {
    this.#values = values;
  }

  /** Reads the parameter; only the keys of `accepted` may occur. */
  static parse(parameter: string | undefined, accepted: readonly string[]): Filters {
    if (!parameter) return new Filters();
    let parsed: unknown;
    try {
      parsed = JSON.parse(parameter);
    } catch (cause) {
      throw new EngineError('InvalidArgument', `invalid filter: ${(cause as Error).message}`, { layer: 'daemon', cause });
    }
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
      throw new EngineError('InvalidArgument', 'invalid filter: it must be a JSON object', { layer: 'daemon' });
    }
    const values = new Map<string, readonly string[]>();
    for (const [key, value] of Object.entries(parsed)) {
      if (!accepted.includes(key)) throw new EngineError('InvalidArgument', `invalid filter '${key}'`, { layer: 'daemon' });
      values.set(key, valuesOf(key, value));
    }
    return new Filters(values);
  }

  has(key: string): boolean {
    return (this.#values.get(key)?.length ?? 0) > 0;
  }

  get(key: string): readonly string[] {
    return this.#values.get(key) ?? [];
  }

  /** True when the key is not filtered on, or `matches` holds for one of its values. */
  some(key: string, matches: (value: string) => boolean): boolean {
    const values = this.get(key);
    return values.length === 0 || values.some(matches);
  }

  /** True when `value` is one of the key's values or the key is not filtered on. */
  exact(key: string, value: string): boolean {
    return this.some(key, (wanted) => wanted === value);
  }

  /** A value matches as an equal string, a prefix, or a regular expression found in it: what `name=` means. */
  fuzzy(key: string, value: string): boolean {
    return this.some(key, (wanted) => value === wanted || value.startsWith(wanted) || found(wanted, value));
  }

  /** True when all of the key's `name` or `name=value` terms hold for `labels`. */
  labels(key: string, labels: Readonly<Record<string, string>> | null | undefined): boolean {
    return this.get(key).every((term) => {
      const cut = term.indexOf('=');
      const name = cut < 0 ? term : term.slice(0, cut);
      if (labels?.[name] === undefined) return false;
      return cut < 0 || labels[name] === term.slice(cut + 1);
    });
  }

  /** The truth of a key that takes one boolean (`dangling`), or undefined when it is not given. */
  boolean(key: string): boolean | undefined {
    const values = this.get(key);
    if (values.length === 0) return undefined;
    const truths = new Set(values.map((value) => booleanOf(key, value)));
    return truths.size === 1 ? [...truths][0] : undefined;
  }
}

function valuesOf(key: string, value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([one, wanted]) => (wanted === false ? [] : [one]));
  }
  throw new EngineError('InvalidArgument', `invalid filter '${key}': its values must be an object or a list of strings`, {
    layer: 'daemon',
  });
}

function booleanOf(key: string, value: string): boolean {
  if (value === '1' || value.toLowerCase() === 'true') return true;
  if (value === '0' || value.toLowerCase() === 'false') return false;
  throw new EngineError('InvalidArgument', `invalid filter '${key}=[${value}]'`, { layer: 'daemon' });
}

function found(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern).test(value);
  } catch {
    return false;
  }
}
