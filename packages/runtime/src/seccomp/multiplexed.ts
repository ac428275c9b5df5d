// 32-bit x86 has two doors to one room: `socket` is a call of its own and also call 1 of `socketcall`; likewise `shmat` and `ipc`.
// A rule for the one has to hold for the other, or the filter could be walked around.
//
// Read by the compiler. Facts: linux/net.h SYS_*, linux/ipc.h; libseccomp adds the same rules, but for the version of `ipc`, and for rules with
// conditions on arguments, which it takes for the multiplexer's.
import type { Condition } from './rules.ts';

const SOCKETCALL =
  'socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg'.split(
    ' ',
  );

const IPC: Record<string, number> = {
  semop: 1,
  semget: 2,
  semctl: 3,
  semtimedop: 4,
  msgsnd: 11,
  msgrcv: 12,
  msgget: 13,
  msgctl: 14,
  shmat: 21,
  shmdt: 22,
  shmget: 23,
  shmctl: 24,
};

const FIRST = { index: 0, wide: false };

/** The other door of a 32-bit x86 call: its name, and what its first argument has to be. */
export function multiplexedCall(name: string): { via: 'socketcall' | 'ipc'; condition: Condition } | undefined {
  const socket = SOCKETCALL.indexOf(name);
  if (socket >= 0) return { via: 'socketcall', condition: { ...FIRST, op: 'SCMP_CMP_EQ', value: BigInt(socket + 1), valueTwo: 0n } };
  const ipc = IPC[name];
  // The upper half is the version of the call's own arguments, and anybody's choice.
  return ipc === undefined
    ? undefined
    : { via: 'ipc', condition: { ...FIRST, op: 'SCMP_CMP_MASKED_EQ', value: 0xffffn, valueTwo: BigInt(ipc) } };
}
