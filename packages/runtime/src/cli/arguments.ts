// The flags of runc's command line, as its library reads them: `--name value`, `--name=value`, `-n value`, one dash or two; flags end at
// the first word that is none.
import { EngineError } from '@berth/errdefs/engine-error';
import { NAME } from './name.ts';

/** A flag's names; 'value' takes one, 'list' may come several times, 'flag' takes none. */
export interface FlagSpec {
  readonly kind: 'flag' | 'value' | 'list';
  readonly short?: string;
  /** One line for --help. */
  readonly help: string;
}

export interface Arguments {
  flags: Set<string>;
  values: Map<string, string[]>;
  /** What follows the flags. */
  rest: string[];
}

export function parseArguments(
  words: readonly string[],
  specs: Readonly<Record<string, FlagSpec>>,
  options: { permute?: boolean } = {},
): Arguments {
  const parsed: Arguments = { flags: new Set(), values: new Map(), rest: [] };
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word === '--') {
      parsed.rest.push(...words.slice(at + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      if (options.permute) {
        parsed.rest.push(word);
        continue;
      }
      parsed.rest.push(...words.slice(at));
      break;
    }
    const [typed = '', inline] = split(word.replace(/^--?/, ''));
    const name = specs[typed] ? typed : Object.keys(specs).find((key) => specs[key]?.short === typed);
    const spec = name === undefined ? undefined : specs[name];
    if (name === undefined || !spec) throw usage(`flag provided but not defined: -${typed}`);
    if (spec.kind === 'flag') {
      if (inline === 'false') parsed.flags.delete(name);
      else parsed.flags.add(name);
      continue;
    }
    const value = inline ?? words[++at];
    if (value === undefined) throw usage(`flag needs an argument: -${typed}`);
    parsed.values.set(name, spec.kind === 'list' ? [...(parsed.values.get(name) ?? []), value] : [value]);
  }
  return parsed;
}

/** The last value of a flag. */
export function textOf(parsed: Arguments, name: string): string | undefined {
  return parsed.values.get(name)?.at(-1);
}

export function numberOf(parsed: Arguments, name: string): number | undefined {
  const value = textOf(parsed, name);
  if (value === undefined) return undefined;
  if (!/^-?\d+$/.test(value)) throw usage(`invalid value "${value}" for flag -${name}: it must be a whole number`);
  return Number(value);
}

const SIZE_UNITS = 'bkmgtp';

/** Bytes, also as `50M` or `1.5g` (units of 1024); -1 is no limit. */
export function sizeOf(parsed: Arguments, name: string): number | undefined {
  const value = textOf(parsed, name);
  if (value === undefined || value === '-1') return value === undefined ? undefined : -1;
  const [, amount, unit = 'b'] = /^(\d+(?:\.\d+)?) ?([bkmgtp])?i?b?$/i.exec(value) ?? [];
  if (amount === undefined) throw usage(`invalid value for ${name}: invalid size: '${value}'`);
  return Math.trunc(Number(amount) * 1024 ** SIZE_UNITS.indexOf(unit.toLowerCase()));
}

export function usage(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'runtime' });
}

/** The one argument of most verbs. */
export function onlyId(parsed: Arguments, verb: string): string {
  const [id, ...more] = parsed.rest;
  if (id === undefined) throw usage(`${NAME}: "${verb}" requires exactly 1 argument(s): the container's id`);
  if (more.length) throw usage(`${NAME}: "${verb}" requires exactly 1 argument(s), not ${more.length + 1}`);
  if (id === '') throw usage('container id cannot be empty');
  return id;
}

function split(word: string): [string, string | undefined] {
  const at = word.indexOf('=');
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}
