// The form of a JSON document as data: which fields it has and what each may hold, down to the ranges of Go's number types, in which
// every other runtime reads the same file. Pure; runs in whoever reads the document. spec-fields.ts has the runtime-spec's own shapes.
//
// Fields that a shape does not name are passed over (runtime-spec config.md "Extensibility").
import { EngineError } from '@berth/errdefs/engine-error';

export type Shape =
  | { is: 'text' }
  | { is: 'flag' }
  | { is: 'number'; least: number; most: number }
  | { is: 'word'; words: readonly string[] }
  | { is: 'list'; of: Shape }
  | { is: 'map'; of: Shape }
  | { is: 'record'; fields: Readonly<Record<string, Shape>>; required: readonly string[]; closed: boolean };

export type RecordShape = Extract<Shape, { is: 'record' }>;

export const text: Shape = { is: 'text' };
export const flag: Shape = { is: 'flag' };
/** Whole numbers. Above 2^53 JSON.parse rounds: the borders are what Go's own become. */
export const number = (least: number, most: number): Shape => ({ is: 'number', least, most });
export const uint16 = number(0, 2 ** 16 - 1);
export const uint32 = number(0, 2 ** 32 - 1);
export const uint64 = number(0, 2 ** 64);
export const int64 = number(-(2 ** 63), 2 ** 63);
export const word = (...words: string[]): Shape => ({ is: 'word', words });
export const list = (of: Shape): Shape => ({ is: 'list', of });
/** Keys are the document's own. */
export const map = (of: Shape): Shape => ({ is: 'map', of });

/** `T` is the TypeScript type of the same document: a field that only one of the two has does not type-check. */
export function record<T>(fields: { [K in keyof Required<T>]: Shape }, ...required: (keyof T & string)[]): RecordShape {
  return { is: 'record', fields, required, closed: false };
}

/** A record whose other fields would be taken for something else: they are refused. */
export function closedRecord<T>(fields: { [K in keyof Required<T>]: Shape }): RecordShape {
  return { is: 'record', fields, required: [], closed: true };
}

/** What nobody reads is written down with the rest, by a recursive function: it has to end somewhere. */
const MAX_DEPTH = 64;

/** What does not fit, and where: a path as it is written below the value that was looked at. */
interface Misfit {
  path: string;
  what: string;
}

/**
 * Throws InvalidArgument for the first thing that does not fit; `at` is the path of `value` in its document, '' for the whole of it.
 * A field that is null is no field, and is deleted: Go writes its empty pointers and lists so.
 */
export function checkShape(value: unknown, shape: Shape, at: string): void {
  const found = misfit(value, shape);
  // Below the document itself a path begins without a dot.
  if (found) invalid(at === '' ? found.path.replace(/^\./, '') : at + found.path, found.what);
}

/** On the way of every container, with a thousand values for its filter: paths are made only when they are needed. */
function misfit(value: unknown, shape: Shape): Misfit | undefined {
  switch (shape.is) {
    case 'text':
      if (typeof value !== 'string') return here(`must be a string, not ${show(value)}`);
      // The kernel would read no further.
      return value.includes('\0') ? here('contains a null byte') : undefined;
    case 'flag':
      return typeof value === 'boolean' ? undefined : here(`must be true or false, not ${show(value)}`);
    case 'number':
      if (typeof value !== 'number') return here(`must be a number, not ${show(value)}`);
      if (!Number.isInteger(value)) return here(`must be a whole number, not ${value}`);
      if (value >= shape.least && value <= shape.most) return undefined;
      return here(`must be from ${border(shape.least)} to ${border(shape.most)}, not ${value}`);
    case 'word':
      if (shape.words.includes(value as string)) return undefined;
      return here(`has the unknown value ${show(value)}: it must be one of ${shape.words.join(', ')}`);
    case 'list':
      return Array.isArray(value) ? misfitInList(value, shape.of) : here(`must be an array, not ${show(value)}`);
    case 'map':
      return isObject(value) ? misfitInMap(value, shape.of) : here(`must be an object, not ${show(value)}`);
    case 'record':
      return isObject(value) ? misfitInRecord(value, shape) : here(`must be an object, not ${show(value)}`);
  }
}

function misfitInList(values: readonly unknown[], of: Shape): Misfit | undefined {
  for (let index = 0; index < values.length; index++) {
    const found = misfit(values[index], of);
    if (found) return below(`[${index}]`, found);
  }
  return undefined;
}

function misfitInMap(values: Record<string, unknown>, of: Shape): Misfit | undefined {
  for (const key of Object.keys(values)) {
    if (key.includes('\0')) return here('has a key with a null byte');
    const found = misfit(values[key], of);
    if (found) return below(step(key), found);
  }
  return undefined;
}

function misfitInRecord(value: Record<string, unknown>, { fields, required, closed }: RecordShape): Misfit | undefined {
  for (const name of Object.keys(value)) {
    const each = value[name];
    if (each === null || each === undefined) {
      delete value[name];
    } else if (Object.hasOwn(fields, name)) {
      const found = misfit(each, fields[name] as Shape);
      if (found) return below(`.${name}`, found);
    } else if (closed) {
      return here(`has the unknown field ${show(name)}: there are ${Object.keys(fields).join(', ')}`);
    } else if (typeof each === 'object' && deeperThan(each, MAX_DEPTH)) {
      return below(step(name), here(`is nested more than ${MAX_DEPTH} levels deep`));
    }
  }
  for (const name of required) if (value[name] === undefined) return below(`.${name}`, here('is missing'));
  return undefined;
}

function here(what: string): Misfit {
  return { path: '', what };
}

function below(name: string, { path, what }: Misfit): Misfit {
  return { path: name + path, what };
}

function deeperThan(value: object, levels: number): boolean {
  if (levels === 0) return true;
  return Object.values(value).some((each) => typeof each === 'object' && each !== null && deeperThan(each, levels - 1));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** InvalidArgument in one line; `field` is the path within the document. */
export function invalid(field: string, what: string): never {
  const name = field === '' ? 'the document' : field;
  throw new EngineError('InvalidArgument', `config.json: ${name} ${what}`, { layer: 'runtime', details: { field } });
}

/** A key of the document's own as a step of a path. */
export function step(key: string): string {
  return /^[\w.-]{1,64}$/.test(key) ? `.${key}` : `[${show(key)}]`;
}

const SHOWN = 80;

/** A value in a message: JSON, so that it stays one line, and no more of it than a person reads. */
export function show(value: unknown): string {
  if (typeof value === 'string') return value.length > SHOWN ? `${JSON.stringify(value.slice(0, SHOWN))}…` : JSON.stringify(value);
  if (typeof value !== 'object' || value === null) return String(value);
  return Array.isArray(value) ? 'an array' : 'an object';
}

function border(value: number): string {
  return Number.isSafeInteger(value) ? String(value) : `${value < 0 ? '-' : ''}2^${Math.log2(Math.abs(value))}`;
}
