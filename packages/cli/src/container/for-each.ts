// Verbs that take several containers do what they can: each success prints the name as it was given, each failure its error, and
// the exit code is 1 when there was any failure.
import type { Context } from '../context.ts';
import { daemonText } from '../exit.ts';

interface ForEachOptions {
  /** An error that is told, and is no failure. */
  harmless?: (error: unknown) => boolean;
  /** What is said last when there were failures. */
  summary?: (failed: readonly string[]) => string;
}

export async function forEach(
  context: Context,
  names: readonly string[],
  action: (name: string) => Promise<unknown>,
  { harmless, summary }: ForEachOptions = {},
): Promise<number> {
  const outcomes = await Promise.allSettled(names.map((name) => action(name)));
  const failed: string[] = [];
  outcomes.forEach((outcome, at) => {
    if (outcome.status === 'fulfilled') context.print(typeof outcome.value === 'string' ? outcome.value : (names[at] as string));
    else {
      if (!harmless?.(outcome.reason)) failed.push(names[at] as string);
      context.warn(daemonText(outcome.reason));
    }
  });
  if (summary && failed.length > 0) context.warn(summary(failed));
  return failed.length > 0 ? 1 : 0;
}
