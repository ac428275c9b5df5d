// `POST /containers/{id}/wait`: not-running, next-exit or removed. Whoever waits is registered before the answer's headers leave,
// so that a start which follows at once cannot be missed.
import type { ContainerWaitResponse } from '@berth/api/container';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Container, ExitStatus } from './container.ts';

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

/** '' is not-running. Throws InvalidArgument. */
export function parseCondition(text: string): WaitCondition {
  switch (text) {
    case '':
    case 'not-running':
      return 'not-running';
    case 'next-exit':
    case 'removed':
      return text;
    default:
      throw new EngineError('InvalidArgument', `invalid condition: "${text}"`, { layer: 'daemon' });
  }
}

/** Never resolves when `signal` is aborted before. */
export function waitFor(container: Container, condition: WaitCondition, signal: AbortSignal): Promise<ContainerWaitResponse> {
  if (condition === 'not-running' && !container.running && !container.restarting) return Promise.resolve(answer(container.exit));
  return new Promise((resolve) => {
    const event = condition === 'removed' ? 'removed' : 'exit';
    const settle = (status: ExitStatus) => {
      stop();
      resolve(answer(status));
    };
    const stop = () => {
      container.signals.off(event, settle);
      signal.removeEventListener('abort', stop);
    };
    container.signals.on(event, settle);
    signal.addEventListener('abort', stop, { once: true });
  });
}

function answer(status: ExitStatus): ContainerWaitResponse {
  return status.error ? { StatusCode: status.code, Error: { Message: status.error } } : { StatusCode: status.code };
}
