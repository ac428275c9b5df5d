// berthd's configuration file, dockerd's daemon.json: the same options under the same names as JSON. A directive that is given
// both here and as a flag is an error, as with dockerd: nobody could tell which one holds.
import { readFileSync } from 'node:fs';
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import { OPTIONS, type OptionName, type OptionRule, type OptionValue, type OptionValues } from './options.ts';

const BY_FILE_NAME = new Map<string, OptionName>(
  Object.entries<OptionRule>(OPTIONS).map(([name, rule]) => [rule.file ?? name, name as OptionName]),
);
/** Directives of dockerd that change nothing here. */
const IGNORED = new Set(['features', 'builder', 'metrics-addr', 'max-download-attempts', 'swarm-default-advertise-addr']);

/** Merges the file into the flags; a missing file counts only when it was named. */
export function mergeConfigFile(flags: OptionValues, path: string, named: boolean): OptionValues {
  const directives = readDirectives(path, named);
  const merged: OptionValues = { ...flags };
  const conflicts: string[] = [];
  for (const [key, value] of Object.entries(directives)) {
    const name = BY_FILE_NAME.get(key);
    if (!name) {
      if (IGNORED.has(key)) continue;
      throw unusable(path, `the following directives don't match any configuration option: ${key}`);
    }
    const given = flags[name];
    const rule: OptionRule = OPTIONS[name];
    if (given !== undefined && rule.kind !== 'list' && rule.kind !== 'pairs') conflicts.push(key);
    merged[name] = combine(path, key, rule, value, given);
  }
  if (conflicts.length > 0) {
    throw unusable(path, `the following directives are specified both as a flag and in the configuration file: ${conflicts.join(', ')}`);
  }
  return merged;
}

function readDirectives(path: string, named: boolean): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (!named && (error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw unusable(path, toEngineError(error).message);
  }
  if (text.trim() === '') return {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>;
  } catch (error) {
    throw unusable(path, (error as Error).message);
  }
  throw unusable(path, 'it must hold a JSON object');
}

function combine(path: string, key: string, rule: OptionRule, value: unknown, given: OptionValue | undefined): OptionValue {
  switch (rule.kind) {
    case 'flag':
      if (typeof value === 'boolean') return value;
      break;
    case 'text':
      if (typeof value === 'string') return value;
      break;
    case 'number':
      if (typeof value === 'number') return value;
      break;
    case 'list':
      if (Array.isArray(value)) return [...value.map(listItem), ...((given as string[] | undefined) ?? [])];
      break;
    case 'pairs':
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
        const pairs = Object.entries(value).map(([name, one]) => [name, pairValue(one)] as const);
        return { ...Object.fromEntries(pairs), ...(given as Record<string, string> | undefined) };
      }
  }
  throw unusable(path, `${key} must be a ${rule.kind === 'flag' ? 'boolean' : rule.kind === 'pairs' ? 'JSON object' : rule.kind}`);
}

/** `{"base":"10.0.0.0/8","size":24}` in the file is `base=10.0.0.0/8,size=24` on the command line. */
function listItem(item: unknown): string {
  if (typeof item !== 'object' || item === null) return String(item);
  return Object.entries(item)
    .map(([key, value]) => `${key.toLowerCase()}=${value}`)
    .join(',');
}

/** Runtimes are `{"path": …}` or `{"runtimeType": …}`, ulimits `{"Name","Soft","Hard"}`; anything else is a plain value. */
function pairValue(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const fields = value as Record<string, unknown>;
  const path = fields.path ?? fields.runtimeType;
  if (path !== undefined) return String(path);
  return `${fields.Soft}:${fields.Hard}`;
}

function unusable(path: string, reason: string): EngineError {
  return new EngineError('InvalidArgument', `unable to configure the daemon with file ${path}: ${reason}`, { layer: 'daemon' });
}
