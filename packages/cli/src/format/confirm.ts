// The question before a prune: `y` goes on, anything else does not.
import { createInterface } from 'node:readline/promises';
import type { Context } from '../context.ts';

export async function confirmed(context: Context, warning: string, separator = '\n'): Promise<boolean> {
  const reader = createInterface({ input: context.stdin, output: context.stdout });
  try {
    const answer = await reader.question(`${warning}${separator}Are you sure you want to continue? [y/N] `);
    return answer.trim().toLowerCase() === 'y';
  } finally {
    reader.close();
  }
}
