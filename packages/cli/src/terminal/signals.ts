// Signals that the user sends to `berth run` or `berth attach` go on to the container, as --sig-proxy says.
import { killContainer } from '@berth/client/containers/kill';
import type { Engine } from '@berth/client/engine';

const FORWARDED: NodeJS.Signals[] = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGTERM', 'SIGCONT', 'SIGWINCH'];

/** Forwards until disposed. SIGWINCH is the terminal's own (resize.ts) when there is one. */
export function forwardSignals(engine: Engine, id: string): Disposable {
  const handlers = FORWARDED.filter((signal) => signal !== 'SIGWINCH').map((signal) => {
    const handler = () => {
      killContainer(engine, id, signal.slice(3)).catch(() => {
        // It may have exited in between; the exit is reported by the wait.
      });
    };
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  return {
    [Symbol.dispose]() {
      for (const [signal, handler] of handlers) process.off(signal, handler);
    },
  };
}
