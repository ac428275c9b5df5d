// eventfd(2): a counter that the kernel raises and that can be waited for as a pipe can.
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { bind, check } from './libc.ts';
import { createPipe, duplicateTo } from './pipe.ts';

const cEventfd = bind('int eventfd(unsigned int, int)');

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

export interface EventCounter extends Disposable {
  /** For whoever is to raise it. */
  readonly fd: number;
}

/** Calls `raised` from the event loop whenever the counter is above zero, and takes it back to that. It keeps no process alive. */
export function eventCounter(raised: () => void): EventCounter {
  const [place, writer] = createPipe();
  closeSync(writer);
  const onread = {
    buffer: Buffer.alloc(8),
    callback: () => {
      raised();
      return true;
    },
  };
  const socket = new Socket({ fd: place, readable: true, writable: false, onread } as ConstructorParameters<typeof Socket>[0]);
  // Node reads from pipes, sockets and terminals alone, and looks what a descriptor is when it is handed over: a moment later the counter
  // takes the pipe's place, before the event loop has waited for it.
  const counter = check(cEventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd');
  duplicateTo(counter, place);
  closeSync(counter);
  socket.on('error', () => {});
  socket.unref();
  return { fd: place, [Symbol.dispose]: () => socket.destroy() };
}
