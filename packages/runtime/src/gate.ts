// The gate between create and start: exec.fifo in the state directory. Init holds its reading end, close-on-exec, and waits; whoever
// starts the container, also another process than the creator, writes a byte. The reading end disappears when init executes the
// user's program or dies. Runs in the parent.
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { POLLERR, poll } from '@berth/sys/namespace';
import { O } from '@berth/sys/path';

/** With `awaitProgram` it returns when init has executed the program, or died in the attempt; else while it is about to. */
export function openGate(fifo: string, options: { awaitProgram: boolean }): void {
  let fd: number;
  try {
    fd = openSync(fifo, O.WRONLY | O.NONBLOCK | O.CLOEXEC);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENXIO')
      throw new EngineError('FailedPrecondition', 'cannot start a container that has stopped', { layer: 'runtime', cause });
    if (code === 'ENOENT')
      throw new EngineError('FailedPrecondition', 'cannot start an already running container', { layer: 'runtime', cause });
    throw cause;
  }
  try {
    // Of two that start at once, one removes the fifo.
    try {
      unlinkSync(fifo);
    } catch (cause) {
      throw new EngineError('FailedPrecondition', 'cannot start an already running container', { layer: 'runtime', cause });
    }
    writeSync(fd, '\0');
    while (options.awaitProgram && !(poll(fd, 0, -1) & POLLERR));
  } finally {
    closeSync(fd);
  }
}
