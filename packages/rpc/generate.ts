// Turns proto/**/*.proto into gen/**/*.ts: for each message an interface and a codec of the same name, for each enum a constant
// and a union, for each service a descriptor. Run by scripts/build.ts and scripts/setup.mjs whenever proto/ is newer than gen/.
//
// int64 becomes number, uint64 bigint, bytes Uint8Array, map Record; names become camelCase. Only what proto/ uses is supported;
// anything else is an error here, not a surprise at run time.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const PROTO = join(HERE, '../../proto');
const GEN = join(HERE, 'gen');
const STAMP = join(GEN, '.stamp');

interface Scalar {
  type: string;
  zero: string;
  wireType: number;
  /** The condition under which a value is written: proto3 leaves defaults out. */
  isSet: (value: string) => string;
}

const number = (wireType: number): Scalar => ({ type: 'number', zero: '0', wireType, isSet: (value) => value });
const SCALARS: Record<string, Scalar> = {
  uint32: number(0),
  int32: number(0),
  int64: number(0),
  double: number(1),
  uint64: { type: 'bigint', zero: '0n', wireType: 0, isSet: (value) => value },
  bool: { type: 'boolean', zero: 'false', wireType: 0, isSet: (value) => value },
  string: { type: 'string', zero: "''", wireType: 2, isSet: (value) => value },
  bytes: { type: 'Uint8Array', zero: 'Buffer.alloc(0)', wireType: 2, isSet: (value) => `${value}?.length` },
};

/** One .proto file and the module made of it. */
class Module {
  readonly path: string; // without extension, below proto/ and gen/
  readonly package: string;
  readonly #root: protobuf.Root;
  readonly #fileOf: Map<protobuf.ReflectionObject, string>;
  readonly #imports = new Map<string, string>();
  readonly #lines: string[] = [];

  constructor(path: string, packageName: string, root: protobuf.Root, fileOf: Map<protobuf.ReflectionObject, string>) {
    this.path = path;
    this.package = packageName;
    this.#root = root;
    this.#fileOf = fileOf;
  }

  /** The TypeScript name of a message or enum: nested ones carry their parents' names. */
  #localName(object: protobuf.ReflectionObject): string {
    const parent = object.parent;
    return parent instanceof protobuf.Type ? `${this.#localName(parent)}_${object.name}` : object.name;
  }

  #name(object: protobuf.ReflectionObject): string {
    const file = this.#fileOf.get(object);
    if (file === undefined) throw new Error(`${object.fullName} is in no file of proto/`);
    if (file === this.path) return this.#localName(object);
    let alias = this.#imports.get(file);
    if (alias === undefined) {
      alias = file.replaceAll(/[^a-z0-9]+(.)/gi, (_, letter: string) => letter.toUpperCase());
      this.#imports.set(file, alias);
    }
    return `${alias}.${this.#localName(object)}`;
  }

  #valueType(field: protobuf.Field): string {
    return SCALARS[field.type]?.type ?? this.#name(resolved(field));
  }

  render(objects: protobuf.ReflectionObject[]): string {
    // Descriptors of services name their messages at once, so they come last.
    const services = objects.filter((object) => object instanceof protobuf.Service);
    for (const object of [...objects.filter((other) => !(other instanceof protobuf.Service)), ...services]) this.#object(object);
    const up = relative(dirname(join(GEN, this.path)), HERE);
    const header = [
      `// Generated from proto/${this.path}.proto by packages/rpc/generate.ts. Do not edit.`,
      `import { messageType, readPacked, type MessageType, type MethodType } from '${up}/src/wire/message.ts';`,
    ];
    for (const [file, alias] of this.#imports) {
      const path = relative(dirname(join(GEN, this.path)), join(GEN, file));
      header.push(`import * as ${alias} from '${path.startsWith('.') ? path : `./${path}`}.ts';`);
    }
    const body = this.#lines.join('\n');
    if (!body.includes('readPacked(')) header[1] = (header[1] as string).replace(' readPacked,', '');
    if (!body.includes('MethodType<')) header[1] = (header[1] as string).replace(', type MethodType', '');
    if (!body.includes('messageType<')) header[1] = (header[1] as string).replace(' messageType,', '').replace(' type MessageType,', '');
    return `${header.join('\n')}\n\n${body}`;
  }

  #object(object: protobuf.ReflectionObject): void {
    if (object instanceof protobuf.Enum) this.#enum(object);
    else if (object instanceof protobuf.Type) {
      this.#message(object);
      for (const nested of object.nestedArray) this.#object(nested);
    } else if (object instanceof protobuf.Service) this.#service(object);
    else throw new Error(`${object.fullName}: neither message, enum nor service`);
  }

  #enum(object: protobuf.Enum): void {
    const name = this.#localName(object);
    const values = Object.entries(object.values).map(([key, value]) => `${key}: ${value}`);
    this.#lines.push(
      `export const ${name} = { ${values.join(', ')} } as const;`,
      `export type ${name} = (typeof ${name})[keyof typeof ${name}];`,
      '',
    );
  }

  #message(type: protobuf.Type): void {
    const name = this.#localName(type);
    const write: string[] = [];
    const read: string[] = [];
    const members: string[] = [];
    const zeros: string[] = [];
    for (const field of type.fieldsArray) {
      const part = this.#field(field);
      members.push(part.member);
      if (part.zero !== undefined) zeros.push(part.zero);
      write.push(part.write);
      read.push(...part.read);
    }
    const empty = type.fieldsArray.length === 0;
    this.#lines.push(
      members.length ? `export interface ${name} {\n  ${members.join('\n  ')}\n}` : `export type ${name} = Record<never, never>;`,
      `export const ${name}: MessageType<${name}> = messageType<${name}>(`,
      `  '${type.fullName.slice(1)}',`,
      empty ? '  () => {},' : `  (w, m) => {\n    ${write.join('\n    ')}\n  },`,
      '  (r) => {',
      `    const m: ${name} = { ${zeros.join(', ')} };`,
      '    for (let tag = r.tag(); tag !== 0; tag = r.tag()) {',
      ...(empty
        ? ['      r.skip(tag);']
        : ['      switch (tag) {', ...read.map((line) => `        ${line}`), '        default: r.skip(tag);', '      }']),
      '    }',
      '    return m;',
      '  },',
      ');',
      '',
    );
  }

  #field(field: protobuf.Field): { member: string; zero?: string; write: string; read: string[] } {
    const key = camelCase(field.name);
    const value = `m.${key}`;
    const tag = (wireType: number): number => ((field.id << 3) | wireType) >>> 0;
    const type = this.#valueType(field);
    if (field instanceof protobuf.MapField) {
      if (field.keyType !== 'string') throw new Error(`${field.fullName}: only maps by string`);
      const scalar = SCALARS[field.type];
      const writeValue = scalar ? `w.uint32(${16 | scalar.wireType}).${field.type}(v)` : `w.uint32(18).nested(() => ${type}.write(w, v))`;
      const readValue = scalar ? `r.${field.type}()` : `r.nested(${type}.read)`;
      const zero = scalar ? scalar.zero : `${type}.decode(new Uint8Array(0))`;
      return {
        member: `${key}: Record<string, ${type}>;`,
        zero: `${key}: {}`,
        write: `if (${value}) for (const [k, v] of Object.entries(${value})) if (v !== undefined) w.uint32(${tag(2)}).nested(() => { w.uint32(10).string(k); ${writeValue}; });`,
        read: [
          `case ${tag(2)}: r.nested(() => { let k = ''; let v: ${type} | undefined; for (let t = r.tag(); t !== 0; t = r.tag()) { ` +
            `if (t === 10) k = r.string(); else if (t === ${16 | (scalar?.wireType ?? 2)}) v = ${readValue}; else r.skip(t); } ` +
            `Object.defineProperty(${value}, k, { value: v ?? ${zero}, enumerable: true, configurable: true, writable: true }); }); break;`,
        ],
      };
    }
    const one = this.#single(field, type);
    if (field.repeated) {
      const list = {
        member: `${key}: ${type}[];`,
        zero: `${key}: []`,
      };
      if (one.wireType === 2) {
        return {
          ...list,
          write: `if (${value}) for (const v of ${value}) ${one.write('v', tag(2))};`,
          read: [`case ${tag(2)}: ${value}.push(${one.read}); break;`],
        };
      }
      return {
        ...list,
        write: `if (${value}?.length) { const list = ${value}; w.uint32(${tag(2)}).nested(() => { for (const v of list) w.${one.method}(v); }); }`,
        read: [
          `case ${tag(2)}: readPacked(r, ${value}, () => ${one.read}); break;`,
          `case ${tag(one.wireType)}: ${value}.push(${one.read}); break;`,
        ],
      };
    }
    const read = [`case ${tag(one.wireType)}: ${value} = ${one.read}; break;`];
    const optional = one.isMessage || field.getOption('proto3_optional') === true;
    if (optional) {
      return {
        member: `${key}?: ${type} | undefined;`,
        write: `if (${value} !== undefined) { const v = ${value}; ${one.write('v', tag(one.wireType))}; }`,
        read,
      };
    }
    return {
      member: `${key}: ${type};`,
      zero: `${key}: ${one.zero}`,
      write: `if (${one.isSet(value)}) ${one.write(value, tag(one.wireType))};`,
      read,
    };
  }

  /** How one value of a field's type is written and read. */
  #single(field: protobuf.Field, type: string) {
    const scalar = SCALARS[field.type];
    if (scalar) {
      return {
        ...scalar,
        isMessage: false,
        method: field.type,
        write: (value: string, tag: number) => `w.uint32(${tag}).${field.type}(${value})`,
        read: `r.${field.type}()`,
      };
    }
    const object = resolved(field);
    if (object instanceof protobuf.Enum) {
      return {
        type,
        zero: '0',
        wireType: 0,
        isSet: (value: string) => value,
        isMessage: false,
        method: 'int32',
        write: (value: string, tag: number) => `w.uint32(${tag}).int32(${value})`,
        read: `r.int32() as ${type}`,
      };
    }
    return {
      type,
      zero: 'undefined',
      wireType: 2,
      isSet: (value: string) => `${value} !== undefined`,
      isMessage: true,
      method: 'nested',
      write: (value: string, tag: number) => `w.uint32(${tag}).nested(() => ${type}.write(w, ${value}))`,
      read: `r.nested(${type}.read)`,
    };
  }

  #service(service: protobuf.Service): void {
    const fullName = service.fullName.slice(1);
    this.#lines.push(`export const ${service.name} = {`, `  name: '${fullName}',`, '  methods: {');
    for (const method of service.methodsArray) {
      const request = this.#name(this.#root.lookupType(absolute(method.requestType, this.package, this.#root)));
      const response = this.#name(this.#root.lookupType(absolute(method.responseType, this.package, this.#root)));
      const key = method.name[0]?.toLowerCase() + method.name.slice(1);
      this.#lines.push(
        `    ${key}: { name: '${method.name}', path: '/${fullName}/${method.name}', request: ${request}, response: ${response}, ` +
          `requestStream: ${method.requestStream === true}, responseStream: ${method.responseStream === true} } satisfies MethodType<${request}, ${response}>,`,
      );
    }
    this.#lines.push('  },', '} as const;', '');
  }
}

function resolved(field: protobuf.Field): protobuf.Type | protobuf.Enum {
  field.resolve();
  if (!field.resolvedType) throw new Error(`${field.fullName}: unsupported type ${field.type}`);
  return field.resolvedType;
}

function absolute(name: string, packageName: string, root: protobuf.Root): string {
  const local = root.lookup(`${packageName}.${name}`);
  return local ? local.fullName : name;
}

/** media_type → mediaType; an upper-case letter stays one. */
function camelCase(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function protoFiles(): string[] {
  return readdirSync(PROTO, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.proto'))
    .sort();
}

function generatedFiles(): string[] {
  mkdirSync(GEN, { recursive: true });
  return readdirSync(GEN, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
}

/** Whether gen/ is as new as the generator and every .proto file. */
function upToDate(files: string[]): boolean {
  try {
    const stamp = statSync(STAMP).mtimeMs;
    const sources = [fileURLToPath(import.meta.url), ...files.flatMap((file) => [join(PROTO, file), dirname(join(PROTO, file))])];
    return sources.every((source) => statSync(source).mtimeMs < stamp);
  } catch {
    return false;
  }
}

function generate(files: string[]): void {
  const root = new protobuf.Root();
  const fileOf = new Map<protobuf.ReflectionObject, string>();
  const parsed = files.map((file) => {
    const path = file.slice(0, -'.proto'.length);
    const own = new protobuf.Root();
    const result = protobuf.parse(readFileSync(join(PROTO, file), 'utf8'), own, { keepCase: true });
    if (!result.package) throw new Error(`${file}: no package`);
    const objects = [...(own.lookup(result.package) as protobuf.Namespace).nestedArray];
    // Moved into the one root, so that names resolve across files.
    const target = root.define(result.package);
    for (const object of objects) target.add(object);
    const note = (object: protobuf.ReflectionObject): void => {
      fileOf.set(object, path);
      if (object instanceof protobuf.Namespace) object.nestedArray.forEach(note);
    };
    objects.forEach(note);
    return { path, package: result.package, objects };
  });
  root.resolveAll();
  // File by file, so that a program that starts meanwhile finds every module.
  const stale = new Set(generatedFiles());
  for (const { path, package: packageName, objects } of parsed) {
    const target = join(GEN, `${path}.ts`);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(`${target}.new`, new Module(path, packageName, root, fileOf).render(objects));
    renameSync(`${target}.new`, target);
    stale.delete(`${path}.ts`);
  }
  for (const name of stale) rmSync(join(GEN, name));
  writeFileSync(STAMP, '');
}

const files = protoFiles();
if (!upToDate(files) || process.argv.includes('--force')) generate(files);
