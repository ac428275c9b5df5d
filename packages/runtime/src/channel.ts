// The typed messages between a container's parent and the child that becomes init or an exec'd process, over a socket pair that keeps
// message borders. Both ends block; the end of the stream means that the other process is gone, or has executed its program.
import { closeSync } from 'node:fs';
import { EngineError, SysError, toEngineError } from '@berth/errdefs/engine-error';
import type { ErrorKind } from '@berth/errdefs/kind';
import { receiveWithFds, sendWithFds, socketPair } from '@berth/sys/fd-passing';
import type { Order } from './prepared-init.ts';

/** [name, start, end] in nanoseconds of CLOCK_MONOTONIC: spans that the child timed. */
export type Timing = readonly [name: string, startNs: number, endNs: number];

/** child → parent. */
export type ChildMessage =
  /** The mounts are made: run the hooks that see the runtime's namespaces, then answer. */
  | { type: 'hooks' }
  /** The filter is loaded, and its supervisor's descriptor comes along: whoever answers must have it before the next system call. */
  | { type: 'listener' }
  /** Everything is set up. The terminal's master comes along, if there is one. */
  | { type: 'ready'; timings: Timing[] }
  | { type: 'error'; kind: ErrorKind; message: string; code?: string }
  /** From the process between parent and init, or from a prepared init: init's pid in the parent's pid namespace. */
  | { type: 'forked'; pid: number };

/** parent → child. */
export type ParentMessage =
  | { type: 'go' }
  /** To a prepared init: its container is known. */
  | Order
  /** And it may become that container's init: its cgroup is there. The directory in the v2 hierarchy comes along. */
  | { type: 'birth' };

const LARGEST = 16384;

export class Channel {
  readonly fd: number;
  constructor(fd: number) {
    this.fd = fd;
  }

  static pair(): [parent: Channel, child: Channel] {
    const [parent, child] = socketPair('packet');
    return [new Channel(parent), new Channel(child)];
  }

  send(message: ChildMessage | ParentMessage, fds: readonly number[] = []): void {
    sendWithFds(this.fd, Buffer.from(JSON.stringify(message)), fds);
  }

  /** Undefined at the end of the stream. */
  receive<M extends ChildMessage | ParentMessage>(largest = LARGEST): { message: M; fds: number[] } | undefined {
    const { data, fds } = receiveWithFds(this.fd, largest);
    return data.length === 0 ? undefined : { message: JSON.parse(data.toString()) as M, fds };
  }

  /** In the child: waits until the parent says go; the parent's death ends the child. */
  awaitGo(): void {
    if (!this.receive<ParentMessage>()) throw new EngineError('Aborted', 'the runtime went away', { layer: 'runtime' });
  }

  /** In the child: all is set up. The master is the parent's from here on. */
  sendReady(timings: Timing[], master: number | undefined): void {
    this.send({ type: 'ready', timings }, master === undefined ? [] : [master]);
    if (master !== undefined) closeSync(master);
  }

  /** In the child. The message is one sendmsg(2): any other system call may already wait for the supervisor. */
  sendListener(listener: number): void {
    this.send({ type: 'listener' }, [listener]);
    closeSync(listener);
  }

  sendError(thrown: unknown): void {
    const error = toEngineError(thrown, 'Internal');
    const message: ChildMessage = { type: 'error', kind: error.kind, message: error.message.slice(0, 8000) };
    if (error instanceof SysError) message.code = error.code;
    this.send(message);
  }

  close(): void {
    closeSync(this.fd);
  }
}
