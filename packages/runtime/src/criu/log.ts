// What criu's log says about a failure. Runs in the caller.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';

/** What the last lines of a log say is why criu gave up; the first are of things that it tried and can do without. */
const SHOWN = 3;

/** `error` with the log's last errors, and the log's place. */
export function withLog(error: unknown, directory: string, file: string): unknown {
  if (!(error instanceof EngineError)) return error;
  const path = join(directory, file);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    // It failed before it began to write.
    return error;
  }
  const errors = text.split('\n').filter((line) => /\bError \(/.test(line) && !line.endsWith('FAILED.'));
  const said = errors.slice(-SHOWN).map((line) => `\n  ${line.replace(/^\([\d.]+\)\s*/, '').trim()}`);
  return new EngineError(error.kind, `${error.message}${said.join('')}\nlog file: ${path}`, { layer: 'runtime', cause: error });
}
