// Properties of a container's unit that its annotations ask for: the value of `org.systemd.property.NAME` is one of D-Bus in GVariant's text
// form (podman says by KillSignal and TimeoutStopUSec how systemd is to stop a container). Pure; names and wordings are runc's.
import { EngineError } from '@berth/errdefs/engine-error';
import type { UnitProperty } from './manager.ts';

const PREFIX = 'org.systemd.property.';
const NAME = /^[A-Za-z]{3,}$/;
const MICROSECONDS = 1_000_000;

/** The integer types that properties of units have, by their name in the text form: signature, lowest and highest value. */
const INTEGERS: Record<string, readonly ['y' | 'i' | 'u' | 'x' | 't', bigint, bigint]> = {
  byte: ['y', 0n, 255n],
  int32: ['i', -(2n ** 31n), 2n ** 31n - 1n],
  uint32: ['u', 0n, 2n ** 32n - 1n],
  int64: ['x', -(2n ** 63n), 2n ** 63n - 1n],
  uint64: ['t', 0n, 2n ** 64n - 1n],
};

export function propertiesIn(annotations: Readonly<Record<string, string>> = {}): UnitProperty[] {
  return Object.entries(annotations)
    .filter(([key]) => key.startsWith(PREFIX))
    .map(([key, text]) => {
      const name = key.slice(PREFIX.length);
      if (!NAME.test(name)) throw invalid(`annotation ${key} name incorrect: not a name of letters`);
      const problem = (what: string) => invalid(`annotation ${key}=${text} value parse error: ${what}`);
      // systemd's own files count in seconds, its properties in microseconds.
      if (/[a-z]Sec$/.test(name)) return [`${name.slice(0, -3)}USec`, ['t', microseconds(text, problem)]];
      return [name, parse(text, problem)];
    });
}

type Problem = (what: string) => EngineError;

function parse(text: string, problem: Problem): UnitProperty[1] {
  const value = text.trim();
  if (value === 'true' || value === 'false') return ['b', value === 'true'];
  const [, type = 'int32', digits] = /^(?:(\w+)\s+)?([+-]?\d+)$/.exec(value) ?? [];
  if (digits !== undefined) return integer(type, BigInt(digits), problem);
  const single = stringIn(value);
  if (single !== undefined) return ['s', single];
  const list = /^\[\s*(.*?)\s*\]$/s.exec(value)?.[1];
  if (list === undefined) throw problem('neither a number, a string in quotes, a boolean nor a list of strings');
  const strings = [...list.matchAll(/('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*(,\s*|$)/gs)];
  if (strings.map(([whole]) => whole).join('') !== list) throw problem('not a list of strings');
  return ['as', strings.map(([, quoted = '']) => stringIn(quoted))];
}

function integer(type: string, value: bigint, problem: Problem): UnitProperty[1] {
  const [signature, lowest, highest] = INTEGERS[type] ?? [];
  if (signature === undefined || lowest === undefined || highest === undefined) throw problem(`no property has the type ${type}`);
  if (value < lowest || value > highest) throw problem(`${value} is no ${type}`);
  return [signature, signature === 'x' || signature === 't' ? value : Number(value)];
}

/** What stands in quotes; undefined when that is not all. */
function stringIn(text: string): string | undefined {
  const inner = /^'((?:[^'\\]|\\.)*)'$|^"((?:[^"\\]|\\.)*)"$/s.exec(text);
  return inner ? (inner[1] ?? inner[2] ?? '').replaceAll(/\\(.)/gs, '$1') : undefined;
}

function microseconds(text: string, problem: Problem): bigint {
  const [, type, number] = /^(?:(\w+)\s+)?(\d+(?:\.\d+)?)$/.exec(text.trim()) ?? [];
  if (number === undefined) throw problem('not a number of seconds');
  if (number.includes('.')) return BigInt(Math.trunc(Number(number) * MICROSECONDS));
  if (type !== undefined) integer(type, BigInt(number), problem);
  return BigInt(number) * BigInt(MICROSECONDS);
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'runtime' });
}
