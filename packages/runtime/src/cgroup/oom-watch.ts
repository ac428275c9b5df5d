// Tells when memory runs out in a container's cgroup, while it runs. Needs an event loop: shims call it, the runtime's own processes
// do not. v1: an eventfd on memory.oom_control (cgroup-v1/memory.rst, "OOM Control"); v2: the kernel's modify notification for
// memory.events (cgroup-v2.rst, "Notification"), which also comes for what is no kill.
import { closeSync, constants, openSync, watch, writeSync } from 'node:fs';
import { type EventCounter, eventCounter } from '@berth/sys/eventfd';
import type { CgroupLocation } from './cgroup.ts';

/** `changed` is called when something may have been killed; v1 calls it a moment before the kernel does. */
export function watchOom({ version, paths }: CgroupLocation, changed: () => void): Disposable {
  if (version === 1) return watchV1(paths.memory, changed);
  const watcher = watch(`${paths['']}/memory.events`, { persistent: false }, changed);
  watcher.on('error', () => {});
  return { [Symbol.dispose]: () => watcher.close() };
}

/** A host without the controller has nothing to tell. */
function watchV1(directory: string | undefined, changed: () => void): Disposable {
  if (directory === undefined) return { [Symbol.dispose]: () => {} };
  const counter = eventCounter(changed);
  try {
    register(directory, counter);
  } catch (error) {
    counter[Symbol.dispose]();
    throw error;
  }
  return counter;
}

function register(directory: string, { fd }: EventCounter): void {
  const subject = openSync(`${directory}/memory.oom_control`, constants.O_RDONLY);
  try {
    const control = openSync(`${directory}/cgroup.event_control`, constants.O_WRONLY);
    try {
      writeSync(control, `${fd} ${subject}`);
    } finally {
      closeSync(control);
    }
  } finally {
    closeSync(subject);
  }
}
