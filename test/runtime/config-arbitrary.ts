// Configurations at random, made from the shape of the specification (packages/runtime/src/spec-fields.ts): one wrong value in a
// configuration that is right otherwise, and whole configurations of the right form with values that somebody hostile would choose.
import type { Spec } from '@berth/oci/runtime-spec';
import { exampleSpec } from '@berth/runtime/example-spec';
import type { Shape } from '@berth/runtime/shape';
import { SPEC } from '@berth/runtime/spec-fields';
import fc from 'fast-check';

/** A field of the document: how to get there, and what is to be there. `[]` in a path is the first entry of a list. */
interface Field {
  path: string;
  steps: readonly { name: string | 0; shape: Shape }[];
  shape: Shape;
  required: boolean;
}

const MAP_KEY = 'key';

/** Every field that the shape knows, the document itself among them. */
export const FIELDS: readonly Field[] = fieldsOf({ path: '', steps: [], shape: SPEC, required: true });

function fieldsOf(field: Field): Field[] {
  const { shape, path } = field;
  const below = (name: string | 0, child: Shape, required: boolean): Field[] => {
    const next = name === 0 ? `${path}[0]` : path === '' ? name : `${path}.${name}`;
    return fieldsOf({ path: next, steps: [...field.steps, { name, shape }], shape: child, required });
  };
  if (shape.is === 'list') return [field, ...below(0, shape.of, true)];
  if (shape.is === 'map') return [field, ...below(MAP_KEY, shape.of, true)];
  if (shape.is !== 'record') return [field];
  return [field, ...Object.entries(shape.fields).flatMap(([name, child]) => below(name, child, shape.required.includes(name)))];
}

/** The smallest value of a shape. */
function least(shape: Shape): unknown {
  switch (shape.is) {
    case 'text':
      return '/x';
    case 'flag':
      return true;
    case 'number':
      return Math.max(shape.least, 0);
    case 'word':
      return shape.words.find((word) => word !== '');
    case 'list':
      return [];
    case 'map':
      return {};
    case 'record':
      return Object.fromEntries(shape.required.map((name) => [name, least(shape.fields[name] as Shape)]));
  }
}

/** The example configuration with `value` at a field, and what has to be around it. */
function place(field: Field, value: unknown): unknown {
  if (field.steps.length === 0) return value;
  const document = JSON.parse(JSON.stringify(exampleSpec())) as Record<string, unknown>;
  let at: Record<string, unknown> = document;
  for (const [index, { name }] of field.steps.entries()) {
    const next = field.steps[index + 1]?.shape;
    if (next === undefined) at[name] = value;
    else {
      at[name] ??= least(next);
      at = at[name] as Record<string, unknown>;
    }
  }
  return document;
}

const NASTY_WORDS = [
  '',
  '.',
  '..',
  '/',
  '/..',
  '../../etc',
  '//',
  'a\nb',
  'constructor',
  '__proto__',
  'toString',
  '\u{1f6a2}',
  '\ud800',
  '-1',
  '%s',
];
const NASTY_NUMBERS = [-1, 0.5, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 63, 2 ** 64, 1e300, -(2 ** 63), -(2 ** 64)];
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(...NASTY_WORDS, 'a\0b', ...NASTY_NUMBERS, true, [], {}, [[]], [{}]),
);

/** Told apart here once more, and in another way than shape.ts does. */
function fits(value: unknown, shape: Shape): boolean {
  switch (shape.is) {
    case 'text':
      return typeof value === 'string' && !/\0/.test(value);
    case 'flag':
      return value === true || value === false;
    case 'number':
      return Number.isInteger(value) && (value as number) >= shape.least && (value as number) <= shape.most;
    case 'word':
      return shape.words.some((word) => word === value);
    case 'list':
      return Array.isArray(value);
    default:
      return Object.prototype.toString.call(value) === '[object Object]';
  }
}

export interface Malformed {
  /** The field that is wrong. */
  path: string;
  document: unknown;
}

/** One field has a value that its type does not allow, or lacks what it must have. */
export const malformed: fc.Arbitrary<Malformed> = fc.constantFrom(...FIELDS).chain((field) => {
  const wrong = anything.filter((value) => !fits(value, field.shape) && value !== null);
  const missing = field.required && typeof field.steps.at(-1)?.name === 'string' && field.steps.at(-1)?.shape.is === 'record';
  const values = missing ? fc.oneof({ weight: 4, arbitrary: wrong }, fc.constantFrom(null, undefined)) : wrong;
  return values.map((value) => ({ path: field.path, document: place(field, value) }));
});

const nastyText = fc.oneof(
  fc.constantFrom(...NASTY_WORDS, '/dev/null', '/proc', '/tmp', 'tmpfs', 'bind', 'rbind', 'CAP_KILL', 'memory.max', 'net/../kernel/x'),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(255, 4096, 70_000).map((length) => 'x'.repeat(length)),
);

/** Any value of a shape; half of the fields of a record are there. */
function anyOf(shape: Shape): fc.Arbitrary<unknown> {
  switch (shape.is) {
    case 'text':
      return nastyText.map((text) => text.replaceAll('\0', ''));
    case 'flag':
      return fc.boolean();
    case 'number': {
      const { least: from, most: to } = shape;
      const borders = [from, to, 0, 1, 1000].filter((value) => value >= from && value <= to);
      return fc.oneof(fc.constantFrom(...borders), fc.integer({ min: Math.max(from, -(2 ** 31)), max: Math.min(to, 2 ** 31 - 1) }));
    }
    case 'word':
      return fc.constantFrom(...shape.words);
    case 'list':
      return fc.array(anyOf(shape.of), { maxLength: 3 });
    case 'map':
      return fc.dictionary(
        nastyText.map((key) => key.replaceAll('\0', '')),
        anyOf(shape.of),
        { maxKeys: 3 },
      );
    case 'record':
      return fc
        .record(Object.fromEntries(Object.entries(shape.fields).map(([name, child]) => [name, anyOf(child)])), {
          requiredKeys: [...shape.required],
        })
        .map((value) => ({ ...value }));
  }
}

/** Every field has a value of its type; what the values mean to each other, and to the kernel, is left to chance. */
export const hostile: fc.Arbitrary<Spec> = fc
  .constantFrom(...Object.keys(SPEC.fields))
  .chain((name) => anyOf(SPEC.fields[name] as Shape).map((value) => [name, value] as const))
  .map(([name, value]) => {
    const example = JSON.parse(JSON.stringify(exampleSpec())) as Record<string, unknown>;
    const old = example[name];
    // Beside what the example has there, so that much of it gets past the first check.
    const mixed =
      isPlain(old) && isPlain(value) ? { ...old, ...value } : Array.isArray(old) && Array.isArray(value) ? [...old, ...value] : value;
    return { ...example, [name]: mixed } as unknown as Spec;
  });

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
