// Reads containerd's config.toml, versions 1 to 3, and the files that it imports. What the file does not set has its default; a value of
// the wrong kind is refused with its line; what this service does not know is left alone, and said.
import { globSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { isTable, lineOf, parseToml, type TomlTable, type TomlValue } from '@berth/oci/toml';
import { type Config, type ConfigKey, configKeys, FILE_KEYS, type KeyPath } from './keys.ts';
import { list, whole } from './kinds.ts';

const NEWEST_VERSION = 3;

export interface ReadConfig {
  config: Config;
  /** One sentence each: `FILE:LINE: … is not known …`. */
  warnings: string[];
}

interface ConfigFile {
  path: string;
  text: string;
  document: TomlTable;
}

export function defaultConfig(): Config {
  return Object.fromEntries(configKeys().map(([name, { fallback }]) => [name, fallback])) as unknown as Config;
}

/** InvalidArgument for a file that cannot be read, is no TOML, or has a value of the wrong kind. */
export function readConfig(path: string): ReadConfig {
  const config = defaultConfig();
  const warnings: string[] = [];
  // What an imported file sets counts, over the file that imports it, as in containerd.
  for (const file of withImports(resolve(path), new Set())) {
    for (const [name, key] of configKeys()) {
      const value = valueIn(file, key);
      if (value !== undefined) Object.assign(config, { [name]: value });
    }
    warnings.push(...unknownKeys(file));
  }
  return { config, warnings };
}

function withImports(path: string, seen: Set<string>): ConfigFile[] {
  if (seen.has(path)) return [];
  seen.add(path);
  const file = readFile(path);
  const version = checked(file, ['version'], whole) ?? 1;
  if (version > NEWEST_VERSION) {
    throw refuse(file, ['version'], `expected containerd config version equal to or less than ${NEWEST_VERSION}, got ${version}`);
  }
  const patterns = checked(file, ['imports'], list) ?? [];
  const imported = patterns.flatMap((pattern) => globSync(resolve(dirname(path), pattern)).sort());
  return [file, ...imported.flatMap((each) => withImports(each, seen))];
}

function readFile(path: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new EngineError('InvalidArgument', `cannot read the configuration file ${path}: ${(cause as Error).message}`, {
      layer: 'lifecycle',
      cause,
    });
  }
  return { path, text, document: parseToml(text, path) };
}

function valueIn(file: ConfigFile, key: ConfigKey<unknown>): unknown {
  for (const path of [key.path, ...key.also]) {
    const value = checked(file, path, key.kind);
    if (value !== undefined) return value;
  }
  return undefined;
}

function checked<T>(file: ConfigFile, path: KeyPath, kind: Pick<ConfigKey<T>['kind'], 'read' | 'expected'>): T | undefined {
  const found = at(file.document, path);
  if (found === undefined) return undefined;
  const value = kind.read(found);
  if (value === undefined) throw refuse(file, path, `${nameOf(path)} must be ${kind.expected}`);
  return value;
}

function at(document: TomlTable, path: KeyPath): TomlValue | undefined {
  let value: TomlValue | undefined = document;
  for (const name of path) value = isTable(value) ? value[name] : undefined;
  return value;
}

/** A table of which nothing is known is one warning, whatever is in it. */
function unknownKeys(file: ConfigFile): string[] {
  const known = [...FILE_KEYS, ...configKeys().flatMap(([, { path, also }]) => [path, ...also])];
  const unknown: KeyPath[] = [];
  const walk = (table: TomlTable, above: KeyPath) => {
    for (const [name, value] of Object.entries(table)) {
      const path = [...above, name];
      const below = known.filter((each) => path.every((part, index) => each[index] === part));
      if (below.length === 0) unknown.push(path);
      else if (isTable(value) && !below.some((each) => each.length === path.length)) walk(value, path);
    }
  };
  walk(file.document, []);
  return unknown.map(
    (path) => `${file.path}:${lineOf(file.text, path)}: ${nameOf(path)} is not known to berth-lifecycle and has no effect`,
  );
}

/** As it is written in the file: `plugins."io.containerd.gc.v1.scheduler".schedule_delay`. */
function nameOf(path: KeyPath): string {
  return path.map((part) => (/^[\w-]+$/.test(part) ? part : `"${part}"`)).join('.');
}

function refuse({ path: name, text }: ConfigFile, path: KeyPath, message: string): EngineError {
  return new EngineError('InvalidArgument', `${name}:${lineOf(text, path)}: ${message}`, { layer: 'lifecycle' });
}
