// What every `inspect` does: looks objects up one by one, prints those that are there as one JSON array (or each by a template), and
// tells those that are not.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Flags } from '../command.ts';
import type { Context } from '../context.ts';
import { daemonText, ExitError } from '../exit.ts';
import { compileTemplate, goJson } from '../format/template.ts';

export const INSPECT_FLAGS: Flags = {
  format: { type: 'string', alias: 'f', description: "Format output: 'json' or a Go template" },
};

export async function inspectObjects(
  context: Context,
  names: readonly string[],
  format: string | undefined,
  lookUp: (name: string) => Promise<unknown>,
  /** Before each error that has no such word itself. */
  mark = 'Error: ',
): Promise<number> {
  const found: unknown[] = [];
  const errors: string[] = [];
  for (const name of names) {
    try {
      found.push(await lookUp(name));
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind === 'Unavailable') throw error;
      errors.push(daemonText(error));
    }
  }
  if (!format) context.print(found.length === 0 ? '[]' : JSON.stringify(found, null, 4));
  else if (format === 'json') context.print(goJson(found));
  else {
    const render = compiled(format);
    for (const value of found) context.print(render(value));
  }
  if (errors.length > 0) throw new ExitError(1, errors.map((text) => (text.startsWith('Error') ? text : `${mark}${text}`)).join('\n'));
  return 0;
}

/** docker's exit code for a template that is none. */
const EXIT_TEMPLATE = 64;

function compiled(format: string): (value: unknown) => string {
  const failure = (error: unknown, exitCode: number) =>
    new ExitError(exitCode, `template parsing error: ${(error as Error).message}`, error);
  try {
    const render = compileTemplate(format, { strict: true });
    return (value) => {
      try {
        return render(value);
      } catch (error) {
        throw failure(error, 1);
      }
    };
  } catch (error) {
    throw failure(error, EXIT_TEMPLATE);
  }
}
