// Runs a parsed --format template on a value: field access, docker's functions (json, join, split, upper, lower, title, pad,
// truncate, println) and Go's own (and, or, not, eq, ne, lt, le, gt, ge, index, len, print, printf, slice, html-free).
import { EngineError } from '@berth/errdefs/engine-error';
import { type Node, type Pipeline, type Place, parseTemplate, type Term } from './template-parse.ts';

export interface TemplateOptions {
  /** A field that is not there is an error instead of `<no value>`; keys of what is a map in Go never are. */
  strict?: boolean;
  /** The error's words for it: docker inspect looks into a map, listings into a Go type. */
  missing?: (field: string) => string;
  /** The template's name in errors. */
  name?: string;
}

/** Compiles once; the result renders any number of values. Throws a TemplateSyntaxError. */
export function compileTemplate(source: string, options: TemplateOptions = {}): (value: unknown) => string {
  const nodes = parseTemplate(expandEscapes(source), new Set(Object.keys(FUNCTIONS)));
  return (value) => new Run(value, options).nodes(nodes, value);
}

/** Fields whose values have keys that people choose. */
const MAPS = new Set(
  'Labels Sysctls Annotations Options DriverOpts StorageOpt Tmpfs Ports PortBindings ExposedPorts Volumes Networks Containers Attributes'.split(
    ' ',
  ),
);

/** `\t` and `\n` on the command line mean a tab and a newline. */
function expandEscapes(source: string): string {
  return source.replaceAll('\\t', '\t').replaceAll('\\n', '\n');
}

type Value = unknown;

class Run {
  readonly #options: TemplateOptions;
  #scopes: Map<string, Value>[];

  constructor(root: Value, options: TemplateOptions) {
    this.#options = options;
    this.#scopes = [new Map([['$', root]])];
  }

  nodes(nodes: readonly Node[], dot: Value): string {
    let out = '';
    for (const node of nodes) out += this.#node(node, dot);
    return out;
  }

  #node(node: Node, dot: Value): string {
    switch (node.kind) {
      case 'text':
        return node.text;
      case 'output':
        return print(this.#pipeline(node.pipeline, dot));
      case 'assign':
        this.#assign(node.name, this.#pipeline(node.pipeline, dot));
        return '';
      case 'if':
        return this.#scoped(() => this.nodes(truthy(this.#pipeline(node.pipeline, dot)) ? node.body : node.otherwise, dot));
      case 'with': {
        const value = this.#pipeline(node.pipeline, dot);
        return this.#scoped(() => (truthy(value) ? this.nodes(node.body, value) : this.nodes(node.otherwise, dot)));
      }
      case 'range': {
        const items = entries(this.#pipeline(node.pipeline, dot));
        if (items.length === 0) return this.#scoped(() => this.nodes(node.otherwise, dot));
        return items
          .map(([key, value]) =>
            this.#scoped((scope) => {
              if (node.key) scope.set(node.key, key);
              if (node.value) scope.set(node.value, value);
              return this.nodes(node.body, value);
            }),
          )
          .join('');
      }
    }
  }

  #scoped(body: (scope: Map<string, Value>) => string): string {
    const scope = new Map<string, Value>();
    this.#scopes.push(scope);
    try {
      return body(scope);
    } finally {
      this.#scopes.pop();
    }
  }

  #assign(name: string, value: Value): void {
    const holder = this.#scopes.findLast((scope) => scope.has(name)) ?? this.#scopes.at(-1);
    holder?.set(name, value);
  }

  #pipeline(pipeline: Pipeline, dot: Value): Value {
    let previous: Value[] = [];
    for (const command of pipeline) previous = [this.#command(command, dot, previous)];
    return previous[0];
  }

  #command(terms: readonly Term[], dot: Value, piped: readonly Value[]): Value {
    const [first, ...rest] = terms as [Term, ...Term[]];
    if (first.kind === 'field' && (rest.length > 0 || piped.length > 0)) {
      const method = this.#path(dot, first.path.slice(0, -1), first.place) as Record<string, Value> | null | undefined;
      const call = method?.[first.path.at(-1) ?? ''];
      if (typeof call !== 'function')
        throw this.#fail(first.place, `${first.path.at(-1) ?? '.'} has arguments but cannot be invoked as function`);
      return call.apply(method, [...rest.map((term) => this.#term(term, dot)), ...piped]);
    }
    if (first.kind !== 'function') {
      if (rest.length > 0) throw new EngineError('InvalidArgument', `template: :1: can't give argument to non-function`, { layer: 'cli' });
      return this.#term(first, dot);
    }
    const call = FUNCTIONS[first.name] as (typeof FUNCTIONS)[string];
    return call(...rest.map((term) => this.#term(term, dot)), ...piped);
  }

  #term(term: Term, dot: Value): Value {
    switch (term.kind) {
      case 'literal':
        return term.value;
      case 'field':
        return this.#path(dot, term.path, term.place);
      case 'variable': {
        const scope = this.#scopes.findLast((one) => one.has(term.name));
        if (!scope) throw this.#fail(term.place, `undefined variable: ${term.name}`);
        return this.#path(scope.get(term.name), term.path, { ...term.place, column: term.place.column + term.name.length });
      }
      case 'group':
        return this.#path(this.#pipeline(term.pipeline, dot), term.path, term.place);
      case 'function':
        return this.#command([term], dot, []);
    }
  }

  #path(start: Value, path: readonly string[], place: Place): Value {
    let value = start;
    let within = '';
    let { column } = place;
    for (const name of path) {
      const strict = this.#options.strict && !MAPS.has(within);
      const { missing = (field) => `map has no entry for key ${JSON.stringify(field)}` } = this.#options;
      if (value === null || value === undefined) {
        if (strict) throw this.#fail({ ...place, column }, `nil data; no entry for key ${JSON.stringify(name)}`);
        return undefined;
      }
      const next = (value as Record<string, Value>)[name];
      if (typeof next === 'function') value = next.call(value);
      else if (next === undefined && strict) throw this.#fail({ ...place, column }, missing(name));
      else value = next;
      within = name;
      column += name.length + 1;
    }
    return value;
  }

  #fail({ line, column, text }: Place, why: string): EngineError {
    const { name = '' } = this.#options;
    const where = `template: ${name}:${line}:${column}: executing ${JSON.stringify(name)} at <${text}>`;
    return new EngineError('InvalidArgument', `${where}: ${why}`, { layer: 'cli' });
  }
}

function entries(value: Value): [Value, Value][] {
  if (Array.isArray(value)) return value.map((item, at) => [at, item]);
  if (typeof value === 'number') return Array.from({ length: value }, (_, at) => [at, at]);
  if (value && typeof value === 'object') return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return [];
}

function truthy(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (value && typeof value === 'object') return Object.keys(value).length > 0;
  return Boolean(value);
}

/** Go's %v. */
function print(value: Value): string {
  if (value === undefined) return '<no value>';
  if (value === null) return '<nil>';
  if (value instanceof Object && Object.hasOwn(Object.getPrototypeOf(value), 'toJSON')) return String(value);
  if (Array.isArray(value)) return `[${value.map(print).join(' ')}]`;
  if (typeof value === 'object') {
    const text = entries(value)
      .map(([key, item]) => `${key}:${print(item)}`)
      .join(' ');
    return `map[${text}]`;
  }
  return String(value);
}

const compare = (a: Value, b: Value) => ((a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0);
const text = (value: Value) => (typeof value === 'string' ? value : print(value));

const FUNCTIONS: Record<string, (...args: Value[]) => Value> = {
  and: (...args) => args.find((value) => !truthy(value)) ?? args.at(-1),
  or: (...args) => args.find(truthy) ?? args.at(-1),
  not: (value) => !truthy(value),
  eq: (first, ...others) => others.some((other) => other === first),
  ne: (a, b) => a !== b,
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  len: (value) => (typeof value === 'string' ? Buffer.byteLength(value) : entries(value).length),
  index: (value, ...keys) =>
    keys.reduce((at: Value, key) => {
      if (Array.isArray(at) && (typeof key !== 'number' || key < 0 || key >= at.length))
        throw new EngineError('InvalidArgument', `template: :1: error calling index: index out of range: ${text(key)}`, { layer: 'cli' });
      return at === null || at === undefined ? undefined : ((at as Record<string, Value>)[key as string] ?? '');
    }, value),
  slice: (value, from = 0, to) => (value as string | unknown[]).slice(from as number, to as number | undefined),
  // Go puts a space between two operands when neither is a string.
  print: (...args) =>
    args.map((arg, at) => `${at > 0 && typeof arg !== 'string' && typeof args[at - 1] !== 'string' ? ' ' : ''}${text(arg)}`).join(''),
  println: (...args) => `${args.map(text).join(' ')}\n`,
  printf: (format, ...args) => sprintf(String(format), args),
  json: (value) => goJson(value),
  join: (list, separator) => ((list as unknown[] | null | undefined) ?? []).map(text).join(String(separator)),
  split: (value, separator) => String(value).split(String(separator)),
  upper: (value) => String(value).toUpperCase(),
  lower: (value) => String(value).toLowerCase(),
  title: (value) => String(value).replace(/(^|\s)(\S)/g, (_, space: string, letter: string) => space + letter.toUpperCase()),
  pad: (value, before, after) => (value === '' ? '' : ' '.repeat(before as number) + String(value) + ' '.repeat(after as number)),
  truncate: (value, length) => String(value).slice(0, length as number),
};

/** A row of a listing: as JSON its fields come by name. */
export class TemplateRow {
  constructor(row: object) {
    Object.assign(this, row);
  }

  toJSON(): object {
    return Object.fromEntries(Object.entries(this).sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

const ESCAPED: Record<string, string> = { '<': '\\u003c', '>': '\\u003e', '&': '\\u0026' };

/** JSON as docker prints it, on one line: `<`, `>` and `&` are escaped in listings' rows and left alone elsewhere. */
export function goJson(value: Value): string {
  if (value === undefined) return 'null';
  const json = JSON.stringify(value);
  return value instanceof TemplateRow ? json.replace(/[<>&]/g, (character) => ESCAPED[character] as string) : json;
}

function sprintf(format: string, args: Value[]): string {
  let next = 0;
  return format.replace(
    /%([-+ 0#]*)(\d*)(?:\.(\d+))?([svdqtfxX%])/g,
    (_, flags: string, width: string, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%';
      const value = args[next++];
      let out: string;
      if (verb === 'q') out = JSON.stringify(text(value));
      else if (verb === 'f') out = Number(value).toFixed(precision === undefined ? 6 : Number(precision));
      else if (verb === 'x' || verb === 'X') out = Number(value).toString(16);
      else out = precision !== undefined && verb === 's' ? text(value).slice(0, Number(precision)) : text(value);
      if (verb === 'X') out = out.toUpperCase();
      const size = Number(width || 0);
      return flags.includes('-') ? out.padEnd(size) : out.padStart(size, flags.includes('0') ? '0' : ' ');
    },
  );
}
