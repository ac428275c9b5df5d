// TOML as containerd's files use it (hosts.toml, config.toml): parsed by a library, with errors that name the file and the line.
import { EngineError } from '@berth/errdefs/engine-error';
import { parse, TomlError, type TomlTable, type TomlValue } from 'smol-toml';

export type { TomlTable, TomlValue };

/** `source` names the file in errors. InvalidArgument for what is no TOML. */
export function parseToml(text: string, source: string): TomlTable {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [reason = ''] = error.message.replace(/^Invalid TOML document: /, '').split('\n');
    throw new EngineError('InvalidArgument', `${source}:${error.line}: ${reason}`, { cause: error });
  }
}

export function isTable(value: TomlValue | undefined): value is TomlTable {
  return typeof value === 'object' && !Array.isArray(value) && !(value instanceof Date);
}

/** The line, from 1, on which a key of a valid document is set: the first one at which the document, cut there, has it. */
export function lineOf(text: string, path: readonly string[]): number {
  const lines = text.split('\n');
  for (let count = 1; count < lines.length; count++) {
    if (has(lines.slice(0, count).join('\n'), path)) return count;
  }
  return lines.length;
}

function has(text: string, path: readonly string[]): boolean {
  let value: TomlValue | undefined;
  try {
    value = parse(text);
  } catch {
    // Cut in the middle of a value of several lines.
    return false;
  }
  for (const name of path) value = isTable(value) ? value[name] : undefined;
  return value !== undefined;
}
