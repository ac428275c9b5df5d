// The child of an exec as a list of system calls (sys/syscall-program.ts): what `live` of exec.ts does in a fork, for the ordinary case.
//
// Worked out in the parent, run by a child that shares the parent's memory. It has no wording for what fails and nobody to ask:
// whenever it does not get to the program's execve the fork does it all over, and finds the words.
import { fstatSync } from 'node:fs';
import { CLONE } from '@berth/sys/namespace';
import { O } from '@berth/sys/path';
import { PR } from '@berth/sys/process';
import { SYSCALL } from '@berth/sys/syscall-numbers';
import { SyscallProgram } from '@berth/sys/syscall-program';
import { canRunPrograms } from '@berth/sys/syscall-walker';
import type { Affinity } from './cpu-affinity.ts';
import { isNullDevice, pathCandidates } from './init/become-program.ts';
import type { ProcessPlan } from './plan.ts';
import { bytesOf, defaultSignals, loadFilter, prctl, unblockSignals } from './program-steps.ts';

/** What an exec'd process joins before it is prepared. */
export interface ExecPlace {
  /** Init's pidfd, and the namespaces to join by it. */
  init: number;
  namespaces: number;
  /** Files of v1 hierarchies to write 0 to. */
  taskFiles: readonly string[];
  affinity: Affinity;
  oomScore: number | undefined;
}

const AT_FDCWD = -100;
const AT_EACCESS = 0x200;
const X_OK = 1;
const F_SETFD = 2;
const CLOSE_RANGE_CLOEXEC = 4;
const RESOLVE_NO_MAGICLINKS = 2;
const CAPABILITY_VERSION_3 = 0x20080522;
const IGNORE = { onErrorSkip: 0 };

/**
 * The one place that decides. A fork is needed where the child has something to tell (a terminal's master, a filter's supervisor), where
 * it must wait for its parent or another process (user namespaces), where the kernel refuses a process that shares its memory (the
 * clock's namespace), where the container's files say what the environment will be (HOME), and for what is too rare to be here.
 */
export function suitsProgram(plan: ProcessPlan, place: ExecPlace): boolean {
  const { process: spec, stdio } = plan;
  return (
    canRunPrograms() &&
    process.geteuid?.() === 0 &&
    'stdin' in stdio &&
    [stdio.stdin, stdio.stdout, stdio.stderr].every((fd, index) => fd === index || fd > 2) &&
    !plan.filter?.notify &&
    !plan.setgroupsDenied &&
    (place.namespaces & (CLONE.NEWUSER | CLONE.NEWTIME)) === 0 &&
    plan.env.some((entry) => entry.startsWith('HOME=')) &&
    !spec.scheduler &&
    !spec.ioPriority &&
    !plan.linux?.personality &&
    !plan.linux?.memoryPolicy
  );
}

/** The order is that of exec.ts and become-program.ts, except that a filter comes as late as privileges allow. */
export function execProgram(plan: ProcessPlan, place: ExecPlace): SyscallProgram {
  const program = new SyscallProgram();
  join(program, place);
  takeStreams(program, plan);
  enterDirectory(program, plan.process.cwd);
  restrain(program, plan);
  if (plan.filter && !plan.process.noNewPrivileges) loadFilter(program, plan.filter);
  becomeUser(program, plan);
  if (plan.process.noNewPrivileges) {
    prctl(program, PR.SET_NO_NEW_PRIVS, 1);
    if (plan.filter) loadFilter(program, plan.filter);
  }
  execute(program, plan);
  return program;
}

function join(program: SyscallProgram, { init, namespaces, taskFiles, oomScore, affinity }: ExecPlace): void {
  // Before setns: these paths are the host's. A child of vfork has an OOM score of its own, though its memory is shared.
  if (oomScore !== undefined) writeFile(program, '/proc/self/oom_score_adj', String(oomScore));
  if (affinity.beforeCgroup) setAffinity(program, affinity.beforeCgroup);
  for (const path of taskFiles) writeFile(program, path, '0');
  if (affinity.inCgroup) setAffinity(program, affinity.inCgroup);
  if (namespaces) program.call(SYSCALL.setns, [init, namespaces]);
  program.call(SYSCALL.setsid, []);
}

function takeStreams(program: SyscallProgram, plan: ProcessPlan): void {
  if (!('stdin' in plan.stdio)) return;
  const uid = plan.process.user?.uid ?? 0;
  const { stdin, stdout, stderr } = plan.stdio;
  for (const [index, fd] of [stdin, stdout, stderr].entries()) {
    if (fd === index) program.call(SYSCALL.fcntl, [index, F_SETFD, 0]);
    else program.call(SYSCALL.dup3, [fd, index, 0]);
    if (isToBeGiven(fd, uid)) program.call(SYSCALL.fchown, [index, uid, -1], IGNORE);
  }
  const first = 3 + plan.preserveFds;
  program.call(SYSCALL.closeRange, [first, 0xffffffff, CLOSE_RANGE_CLOEXEC]);
  for (let fd = 3; fd < first; fd++) program.call(SYSCALL.fcntl, [fd, F_SETFD, 0]);
}

function isToBeGiven(fd: number, uid: number): boolean {
  try {
    return fstatSync(fd).uid !== uid && !isNullDevice(fd);
  } catch {
    // No descriptor: its dup3 says so.
    return false;
  }
}

/**
 * A path without /proc's magic links cannot lead out of the root that setns has given, by whatever descriptor was left open
 * (CVE-2024-21626). One that only its user can enter, or that has such a link, is for the fork.
 */
function enterDirectory(program: SyscallProgram, path: string): void {
  const how = new BigUint64Array([BigInt(O.PATH | O.DIRECTORY | O.CLOEXEC), 0n, BigInt(RESOLVE_NO_MAGICLINKS)]);
  const directory = program.call(SYSCALL.openat2, [AT_FDCWD, path, bytesOf(how), how.byteLength]);
  program.call(SYSCALL.fchdir, [directory]);
}

/** Limits, umask, dispositions of signals and the bounding set: what needs privileges or does not mind having them. */
function restrain(program: SyscallProgram, plan: ProcessPlan): void {
  if (plan.capabilities) {
    for (let capability = 0; capability <= plan.lastCapability; capability++) {
      if (!((plan.capabilities.bounding >> BigInt(capability)) & 1n)) prctl(program, PR.CAPBSET_DROP, capability);
    }
  }
  for (const { resource, soft, hard } of plan.rlimits)
    program.call(SYSCALL.prlimit, [0, resource, bytesOf(new BigUint64Array([soft, hard])), 0]);
  program.call(SYSCALL.umask, [plan.process.user?.umask ?? 0o022]);
  // Handlers are gone already.
  defaultSignals(program);
}

function becomeUser(program: SyscallProgram, plan: ProcessPlan): void {
  const { uid, gid, additionalGids = [] } = { uid: 0, gid: 0, ...plan.process.user };
  prctl(program, PR.SET_KEEPCAPS, 1);
  program.call(SYSCALL.setgroups, [additionalGids.length, bytesOf(Uint32Array.from(additionalGids))]);
  program.call(SYSCALL.setresgid, [gid, gid, gid]);
  program.call(SYSCALL.setresuid, [uid, uid, uid]);
  // The kernel has just made it what fs.suid_dumpable says.
  prctl(program, PR.SET_DUMPABLE, 0);
  prctl(program, PR.SET_KEEPCAPS, 0);
  if (!plan.capabilities) return;
  const { effective, permitted, inheritable, ambient } = plan.capabilities;
  const sets = [effective, permitted, inheritable];
  const low = sets.map((mask) => Number(mask & 0xffffffffn));
  const high = sets.map((mask) => Number(mask >> 32n));
  program.call(SYSCALL.capset, [bytesOf(Uint32Array.of(CAPABILITY_VERSION_3, 0)), bytesOf(Uint32Array.from([...low, ...high]))]);
  prctl(program, PR.CAP_AMBIENT, PR.CAP_AMBIENT_CLEAR_ALL);
  const held = permitted & inheritable;
  for (const capability of ambient) if ((held >> BigInt(capability)) & 1n) prctl(program, PR.CAP_AMBIENT, PR.CAP_AMBIENT_RAISE, capability);
}

/** The first candidate that may be executed is: what comes of it, the next ones are not tried. */
function execute(program: SyscallProgram, plan: ProcessPlan): void {
  unblockSignals(program);
  const args = program.address([...plan.args, 0]);
  const env = program.address([...plan.env, 0]);
  for (const candidate of pathCandidates(plan.args[0] ?? '', plan.env)) {
    const path = program.address(candidate);
    program.call(SYSCALL.faccessat2, [AT_FDCWD, path, X_OK, AT_EACCESS], { onErrorSkip: 1 });
    program.call(SYSCALL.execve, [path, args, env]);
  }
}

function writeFile(program: SyscallProgram, path: string, text: string): void {
  const fd = program.call(SYSCALL.openat, [AT_FDCWD, path, O.WRONLY | O.CLOEXEC]);
  program.call(SYSCALL.write, [fd, text, text.length]);
  program.call(SYSCALL.close, [fd]);
}

function setAffinity(program: SyscallProgram, mask: Uint8Array): void {
  program.call(SYSCALL.schedSetaffinity, [0, mask.length, mask]);
}
