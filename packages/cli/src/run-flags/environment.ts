// `-e`, `--env-file`, `-l` and `--label-file`: KEY=value, or KEY alone, which takes the client's own value of that variable.
import { readFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';

/** Variables in the order given: files first, so that -e wins. A KEY without a value that is not set here is left out. */
export function environmentOf(flags: readonly string[], files: readonly string[], environment: NodeJS.ProcessEnv): string[] {
  const lines = [...files.flatMap((file) => linesOf(file, 'env')), ...flags];
  return lines.flatMap((line) => {
    const cut = line.indexOf('=');
    if (cut === 0 || line === '') throw new EngineError('InvalidArgument', `invalid environment variable: ${line}`, { layer: 'cli' });
    if (cut > 0) return [line];
    const own = environment[line];
    return own === undefined ? [] : [`${line}=${own}`];
  });
}

export function labelsOf(flags: readonly string[], files: readonly string[] = []): Record<string, string> {
  const lines = [...files.flatMap((file) => linesOf(file, 'label')), ...flags];
  return Object.fromEntries(lines.map((line) => pair(line)));
}

/** `key=value` → its two halves; a bare key has an empty value. */
export function pair(line: string, separator: '=' | ':' = '='): [string, string] {
  const cut = line.indexOf(separator);
  return cut < 0 ? [line, ''] : [line.slice(0, cut), line.slice(cut + 1)];
}

/** What reading a file failed with, as Go words it: clients match on that. */
export function fileErrorText(error: unknown, file: string): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' ? `open ${file}: no such file or directory` : message;
}

function linesOf(file: string, what: string): string[] {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    throw new EngineError('NotFound', fileErrorText(error, file), { layer: 'cli', cause: error });
  }
  return content.split('\n').flatMap((raw) => {
    const line = raw.replace(/^\s+/, '').replace(/\r$/, '');
    if (line === '' || line.startsWith('#')) return [];
    const key = pair(line)[0];
    if (/\s/.test(key))
      throw new EngineError('InvalidArgument', `invalid ${what} file (${file}): variable '${key}' contains whitespaces`, { layer: 'cli' });
    return [line];
  });
}
