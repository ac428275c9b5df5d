// How an ordinary init waits for its start: as a list of system calls (sys/syscall-program.ts) that ends in the execve of the user's
// program. The memory of the process that it was forked from is given back before it waits, so a container that was created holds next
// to nothing, and its start need not wait until execve has torn all that down (docs/adr/0009-init-waits-without-memory.md).
import { PR } from '@berth/sys/process';
import { SYSCALL } from '@berth/sys/syscall-numbers';
import { SyscallProgram } from '@berth/sys/syscall-program';
import { canRunPrograms } from '@berth/sys/syscall-walker';
import type { InitPlan } from '../plan.ts';
import { defaultSignals, loadFilter, prctl, unblockSignals, waitForInput } from '../program-steps.ts';
import { needsRoom } from './become-program.ts';

const STDERR = 2;

/** Hooks, and limits that hold for what is still to be done, need the process as it is. */
export function canWaitAsProgram(plan: InitPlan): boolean {
  return canRunPrograms() && plan.hooks.startContainer.length === 0 && !needsRoom(plan);
}

/** What runInit does from the gate on. Never returns; an error is told on the container's own standard error. */
export function waitAsProgram(plan: InitPlan, path: string): never {
  return waitingProgram(plan, path).become();
}

export function waitingProgram(plan: InitPlan, path: string): SyscallProgram {
  const program = new SyscallProgram();
  // Not before: V8 may still want to wake an event loop that it no more has, and ends the process where it cannot.
  closeDescriptors(program, 3 + plan.preserveFds, plan);
  waitForInput(program, plan.gate);
  if (plan.process.noNewPrivileges) {
    prctl(program, PR.SET_NO_NEW_PRIVS, 1);
    if (plan.filter && !plan.filter.notify) loadFilter(program, plan.filter);
  }
  defaultSignals(program);
  unblockSignals(program);
  const executed = program.call(SYSCALL.execve, [path, [...plan.args, 0], [...plan.env, 0]]);
  program.tellError(executed, STDERR, `exec ${path}: `);
  return program;
}

function closeDescriptors(program: SyscallProgram, first: number, { gate, closesUpTo }: InitPlan): void {
  if (closesUpTo === undefined) {
    if (gate > first) program.call(SYSCALL.closeRange, [first, gate - 1, 0]);
    program.call(SYSCALL.closeRange, [Math.max(first, gate + 1), 0xffffffff, 0]);
    return;
  }
  for (let fd = first; fd <= closesUpTo; fd++) if (fd !== gate) program.call(SYSCALL.close, [fd], { onErrorSkip: 0 });
}
