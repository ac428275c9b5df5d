// How a process' input and output pass between its shim and the daemon: by the attach socket of Berth's shim, or by FIFOs, where the
// daemon stands in for a shim that has no such sockets.
import { StandInStdio } from '../../io/stand-in-stdio.ts';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { runtimeOf } from './runtime.ts';
import { type StdioUris, stdioUris } from './stdio.ts';

export interface TaskIo {
  /** For the Create or Exec request. */
  readonly names: StdioUris;
  /** The shim has taken the names. */
  taken(): void;
  /** The process has exited: resolves when its output is complete. */
  exited(): Promise<void>;
  /** Gives everything back. */
  close(): void;
  /** The daemon ends, the process does not. */
  leave(): void;
}

interface ProcessOptions {
  execId: string;
  terminal: boolean;
  running?: boolean;
}

/** `uris` are the names for Berth's shim; another gets FIFOs. */
export function openTaskIo(context: ContainerContext, container: Container, uris: StdioUris, options: ProcessOptions): TaskIo {
  if (runtimeOf(context, container).attaches) return { names: uris, taken() {}, exited: async () => {}, close() {}, leave() {} };
  const { execId, terminal, running = false } = options;
  return new StandInStdio(uris, {
    terminal,
    running,
    closeInput: () => void context.lifecycle.tasks.closeIO({ containerId: container.id, execId, stdin: true }).catch(() => {}),
    complain: (message) => context.log.error({ container: container.id }, message),
  });
}

/** After the daemon's own start: takes up the FIFOs of containers that run. */
export function recoverTaskIo(context: ContainerContext): void {
  for (const container of context.store.all()) {
    if (!container.running) continue;
    try {
      container.io = openTaskIo(context, container, stdioUris(context.config, container), {
        execId: '',
        terminal: container.terminal,
        running: true,
      });
    } catch (error) {
      context.log.warn({ container: container.id, err: error }, 'the output of a running container cannot be read');
    }
  }
}

/** Before the daemon's end. */
export function leaveTaskIo(context: ContainerContext): void {
  for (const container of context.store.all()) {
    container.io?.leave();
    for (const exec of container.execs.values()) exec.io?.leave();
  }
}
