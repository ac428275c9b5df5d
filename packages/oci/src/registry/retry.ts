// Repeats what failed for a passing reason, with exponential delays and jitter, or after the time that the registry asked for.
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '@berth/errdefs/engine-error';
import { isTransientStatus } from './registry-error.ts';
import { isConnectionFailure } from './transport.ts';

/** As often as dockerd. */
export const ATTEMPTS = 5;
const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 30_000;

/** `attempt` counts from 0. */
export async function retrying<T>(body: (attempt: number) => Promise<T>, signal?: AbortSignal, attempts = ATTEMPTS): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await body(attempt);
    } catch (error) {
      if (signal?.aborted || attempt + 1 >= attempts || !isPassing(error)) throw error;
      await sleep(delayBefore(attempt, error), undefined, signal ? { signal } : {});
    }
  }
}

export function isPassing(error: unknown): boolean {
  if (isConnectionFailure(error)) return true;
  const status = error instanceof EngineError ? error.details.status : undefined;
  return typeof status === 'number' && isTransientStatus(status);
}

function delayBefore(attempt: number, error: unknown): number {
  const asked = error instanceof EngineError ? error.details.retryAfterMs : undefined;
  if (typeof asked === 'number') return Math.min(asked, LONGEST_DELAY_MS);
  return Math.min(FIRST_DELAY_MS * 2 ** attempt * (0.5 + Math.random()), LONGEST_DELAY_MS);
}
