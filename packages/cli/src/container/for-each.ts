// Verbs that take several containers do what they can: each success prints the name as it was given, each failure its error, and
// the exit code is 1 when there was any failure.
import { toEngineError } from '@berth/errdefs/engine-error';
import type { Context } from '../context.ts';

export async function forEach(context: Context, names: readonly string[], action: (name: string) => Promise<unknown>): Promise<number> {
  const outcomes = await Promise.allSettled(names.map((name) => action(name)));
  let failed = false;
  outcomes.forEach((outcome, at) => {
    if (outcome.status === 'fulfilled') context.print(typeof outcome.value === 'string' ? outcome.value : (names[at] as string));
    else {
      failed = true;
      const error = toEngineError(outcome.reason);
      context.warn(`${error.details.status === undefined ? '' : 'Error response from daemon: '}${error.message}`);
    }
  });
  return failed ? 1 : 0;
}
