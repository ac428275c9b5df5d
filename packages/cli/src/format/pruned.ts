// What the prune commands print: the names of what went, and how much room that made.
import { humanSize } from '@berth/api/units';
import type { Context } from '../context.ts';

/** Prints `title` and the names below it; nothing where there are none. */
export function printDeleted(context: Context, title: string, names: readonly string[] | null): void {
  if (names?.length) context.print(`${title}:\n${names.join('\n')}\n`);
}

export function printReclaimed(context: Context, bytes: number): void {
  context.print(`Total reclaimed space: ${humanSize(bytes, 4)}`);
}
