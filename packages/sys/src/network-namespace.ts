// Network namespaces of the calling thread (network_namespaces(7)). Unlike user and mount namespaces a thread of a
// multi-threaded process may change this one alone: a socket made meanwhile stays in it for life. JavaScript runs on one thread,
// so a visit that never awaits cannot be seen by anything else in the process.
import { closeSync, openSync } from 'node:fs';
import { bind, check } from './libc.ts';

const cSetns = bind('int setns(int, int)');
const cUnshare = bind('int unshare(int)');
const CLONE_NEWNET = 0x40000000;

/** The thread's own entry: /proc/self is the main thread's, which is where JavaScript runs unless in a worker. */
const OWN = '/proc/thread-self/ns/net';

/** A descriptor of a process' network namespace; it keeps the namespace alive. */
export function openNetworkNamespace(pid: number): number {
  return openSync(`/proc/${pid}/ns/net`, 'r');
}

/** Makes a network namespace that lives as long as the descriptor, or as a process in it, or a mount of it. */
export function createNetworkNamespace(): number {
  return returning(() => {
    check(cUnshare(CLONE_NEWNET), 'unshare', 'CLONE_NEWNET');
    return openSync(OWN, 'r');
  });
}

/** Runs `visit` inside the namespace of a descriptor. Synchronous only: an await would leave the daemon in there. */
export function inNetworkNamespace<T>(fd: number, visit: () => T): T {
  return returning(() => {
    enterNetworkNamespace(fd);
    return visit();
  });
}

/** Moves the calling thread into the namespace of a descriptor for good. */
export function enterNetworkNamespace(fd: number): void {
  check(cSetns(fd, CLONE_NEWNET), 'setns', fd, 'CLONE_NEWNET');
}

function returning<T>(visit: () => T): T {
  const home = openSync(OWN, 'r');
  try {
    return visit();
  } finally {
    // No way back means that every later socket of this process would be in a stranger's network.
    if (cSetns(home, CLONE_NEWNET) < 0) process.abort();
    closeSync(home);
  }
}
