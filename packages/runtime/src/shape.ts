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

/**
 * Throws InvalidArgument for the first thing that does not fit; `at` is the path of `value` in its document, '' for the whole of it.
 * A field that is null is no field, and is deleted: Go writes its empty pointers and lists so.
 */
export function checkShape(value: unknown, shape: Shape, at: string): void {
  switch (shape.is) {
    case 'text':
      if (typeof value !== 'string') invalid(at, `must be a string, not ${show(value)}`);
      // The kernel would read no further.
      if (value.includes('\0')) invalid(at, 'contains a null byte');
      return;
    case 'flag':
      if (typeof value !== 'boolean') invalid(at, `must be true or false, not ${show(value)}`);
      return;
    case 'number':
      if (typeof value !== 'number') invalid(at, `must be a number, not ${show(value)}`);
      if (!Number.isInteger(value)) invalid(at, `must be a whole number, not ${value}`);
      if (value < shape.least || value > shape.most)
        invalid(at, `must be from ${border(shape.least)} to ${border(shape.most)}, not ${value}`);
      return;
    case 'word':
      if (!shape.words.includes(value as string))
        invalid(at, `has the unknown value ${show(value)}: it must be one of ${shape.words.join(', ')}`);
      return;
    case 'list':
      if (!Array.isArray(value)) invalid(at, `must be an array, not ${show(value)}`);
      for (let index = 0; index < value.length; index++) checkShape(value[index], shape.of, `${at}[${index}]`);
      return;
    case 'map':
      for (const [key, each] of Object.entries(object(value, at))) {
        if (key.includes('\0')) invalid(at, 'has a key with a null byte');
        checkShape(each, shape.of, `${at}${step(key)}`);
      }
      return;
    case 'record':
      checkRecord(object(value, at), shape, at);
  }
}

function checkRecord(value: Record<string, unknown>, { fields, required, closed }: RecordShape, at: string): void {
  for (const name of Object.keys(value)) {
    const each = value[name];
    const path = at === '' ? name : `${at}.${name}`;
    if (each === null || each === undefined) delete value[name];
    else if (Object.hasOwn(fields, name)) checkShape(each, fields[name] as Shape, path);
    else if (closed) invalid(at, `has the unknown field ${show(name)}: there are ${Object.keys(fields).join(', ')}`);
    else if (typeof each === 'object' && deeperThan(each, MAX_DEPTH))
      invalid(`${at}${step(name)}`, `is nested more than ${MAX_DEPTH} levels deep`);
  }
  for (const name of required) if (value[name] === undefined) invalid(at === '' ? name : `${at}.${name}`, 'is missing');
}

function deeperThan(value: object, levels: number): boolean {
  if (levels === 0) return true;
  return Object.values(value).some((each) => typeof each === 'object' && each !== null && deeperThan(each, levels - 1));
}

function object(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) invalid(at, `must be an object, not ${show(value)}`);
  return value as Record<string, unknown>;
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
