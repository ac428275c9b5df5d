// Validation of request bodies: a shape is a tree of plain descriptions, and checking a body walks it once. A hand-written walk
// of sixty lines loads in no time (schema libraries cost the daemon's start-up 100 ms) and words its errors like Go's decoder,
// naming the field. `null` stands for a missing value everywhere, as in Go; unknown fields are ignored, as the Engine API does.
import { EngineError } from '@berth/errdefs/engine-error';
import { jsonSyntaxError } from './json-syntax.ts';

export type Shape =
  | 'string'
  | 'boolean'
  | 'integer'
  | 'number'
  | 'any'
  | { readonly list: Shape /** A lone string stands for a list of one. */; readonly lone?: boolean }
  | { readonly map: Shape }
  | { readonly fields: Readonly<Record<string, Shape>> }
  | { readonly tuple: readonly Shape[] };

/** Throws InvalidArgument that names the first field of the wrong type; `name` is what the whole is called in messages. */
export function checkShape(value: unknown, shape: Shape, name: string): void {
  if (value === null || value === undefined || shape === 'any') return;
  if (shape === 'string' || shape === 'boolean' || shape === 'number') {
    if (typeof value !== shape) throw mismatch(value, name, shape);
  } else if (shape === 'integer') {
    if (typeof value !== 'number' || !Number.isInteger(value)) throw mismatch(value, name, 'integer');
  } else if ('fields' in shape) {
    const object = objectOf(value, name);
    for (const [field, inner] of Object.entries(shape.fields)) checkShape(object[field], inner, `${name}.${field}`);
  } else if ('map' in shape) {
    for (const [key, one] of Object.entries(objectOf(value, name))) checkShape(one, shape.map, `${name}.${key}`);
  } else if ('list' in shape) {
    if (shape.lone && typeof value === 'string') return;
    if (!Array.isArray(value)) throw mismatch(value, name, 'list');
    for (const [index, one] of value.entries()) checkShape(one, shape.list, `${name}[${index}]`);
  } else {
    if (!Array.isArray(value) || value.length > shape.tuple.length) throw mismatch(value, name, `list of ${shape.tuple.length}`);
    for (const [index, inner] of shape.tuple.entries()) checkShape(value[index], inner, `${name}[${index}]`);
  }
}

/** Parses a JSON body. Clients match on `invalid JSON`, and on what Go says of it. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const wrong = jsonSyntaxError(text);
    const message = wrong === undefined ? 'unexpected content after JSON' : `invalid JSON: ${wrong}`;
    throw new EngineError('InvalidArgument', message, { layer: 'daemon', cause });
  }
}

function objectOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || Array.isArray(value) || value === null) throw mismatch(value, name, 'object');
  return value as Record<string, unknown>;
}

function mismatch(value: unknown, name: string, wanted: string): EngineError {
  const got = Array.isArray(value) ? 'list' : typeof value === 'number' && wanted === 'integer' ? `number ${value}` : typeof value;
  return new EngineError('InvalidArgument', `invalid JSON: ${name} must be ${article(wanted)}, got ${article(got)}`, { layer: 'daemon' });
}

function article(noun: string): string {
  return `${/^[aeio]/.test(noun) ? 'an' : 'a'} ${noun}`;
}
