// What a process is before it executes a program: identity, capabilities, limits, signals, name. Called in forked children, so
// nothing here goes through the C library's thread-wide wrappers (set*id there signals threads that a forked child does not have).
import { bind, check, errno, errnoName, sysError } from './libc.ts';
import { SYSCALL } from './syscall-numbers.ts';

const cSyscall3 = bind('long syscall(long, unsigned long, unsigned long, unsigned long)');
const cSetgroups = bind('long syscall(long, unsigned long, void*)');
const cCapset = bind('long syscall(long, void*, void*)');
const cPrctl = bind('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)');
const cPrctlName = bind('int prctl(int, const char*, unsigned long, unsigned long, unsigned long)');
const cSetrlimit = bind('int setrlimit(int, void*)');
const cGetrlimit = bind('int getrlimit(int, void*)');
const cPrlimit = bind('int prlimit(int, int, void*, void*)');
const cSethostname = bind('int sethostname(const char*, size_t)');
const cSetdomainname = bind('int setdomainname(const char*, size_t)');
const cUmask = bind('unsigned int umask(unsigned int)');
const cSetsid = bind('int setsid()');
const cExecve = bind('int execve(const char*, const char**, const char**)');
const cCloseRange = bind('long syscall(long, unsigned int, unsigned int, unsigned int)');
const cKeyctlJoin = bind('long syscall(long, int, const char*)');
const cSigprocmask = bind('int sigprocmask(int, void*, void*)');
const cSigaction = bind('int sigaction(int, void*, void*)');
const cPersonality = bind('int personality(unsigned long)');
const cSchedSetaffinity = bind('int sched_setaffinity(int, size_t, void*)');
const cSetMempolicy = bind('long syscall(long, int, void*, unsigned long)');
const cSchedSetattr = bind('long syscall(long, int, void*, unsigned int)');

/** Of prctl(2). */
export const PR = {
  GET_DUMPABLE: 3,
  SET_DUMPABLE: 4,
  SET_KEEPCAPS: 8,
  SET_NAME: 15,
  CAPBSET_DROP: 24,
  SET_CHILD_SUBREAPER: 36,
  SET_NO_NEW_PRIVS: 38,
  CAP_AMBIENT: 47,
  CAP_AMBIENT_RAISE: 2,
  CAP_AMBIENT_CLEAR_ALL: 4,
} as const;
const CAPABILITY_VERSION_3 = 0x20080522;
const KEYCTL_JOIN_SESSION_KEYRING = 1;
const CLOSE_RANGE_CLOEXEC = 4;
const SIG_BLOCK = 0;
const SIG_SETMASK = 2;
/** struct sigaction of glibc: handler, mask, flags, restorer. All zero is SIG_DFL. */
const SIGACTION_SIZE = 152;

/** From here on no execve gives more rights (set-user-id bits, file capabilities); for good, and for all descendants. */
export function setNoNewPrivileges(): void {
  check(cPrctl(PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0), 'prctl', 'PR_SET_NO_NEW_PRIVS');
}

/** Without it /proc/<pid> belongs to root and no process of a namespace that is joined may look into this one. */
export function setDumpable(on: boolean): void {
  check(cPrctl(PR.SET_DUMPABLE, on ? 1 : 0, 0, 0, 0), 'prctl', 'PR_SET_DUMPABLE');
}

/** Not dumpable until disposed of; then what it was before. Of the memory: whoever shares it, is concerned by it. */
export function undumpable(): Disposable {
  const before = check(cPrctl(PR.GET_DUMPABLE, 0, 0, 0, 0), 'prctl', 'PR_GET_DUMPABLE');
  setDumpable(false);
  // 2, "by root only", can be had from the kernel but not be asked for; 0 is closer to it.
  return { [Symbol.dispose]: () => setDumpable(before === 1) };
}

/** Capabilities survive the change from user 0 to another. */
export function setKeepCapabilities(on: boolean): void {
  check(cPrctl(PR.SET_KEEPCAPS, on ? 1 : 0, 0, 0, 0), 'prctl', 'PR_SET_KEEPCAPS');
}

/** Orphaned descendants become children of this process. */
export function setChildSubreaper(on: boolean): void {
  check(cPrctl(PR.SET_CHILD_SUBREAPER, on ? 1 : 0, 0, 0, 0), 'prctl', 'PR_SET_CHILD_SUBREAPER');
}

/** The thread's name in ps; 15 bytes are kept. */
export function setProcessName(name: string): void {
  check(cPrctlName(PR.SET_NAME, name, 0, 0, 0), 'prctl', 'PR_SET_NAME');
}

/** Real, effective and saved user id. Capabilities go with user 0, unless setKeepCapabilities was called. */
export function setUid(uid: number): void {
  check(cSyscall3(SYSCALL.setresuid, uid, uid, uid), 'setresuid', uid);
}

/** Real, effective and saved group id. */
export function setGid(gid: number): void {
  check(cSyscall3(SYSCALL.setresgid, gid, gid, gid), 'setresgid', gid);
}

/** The supplementary groups, and no others. EPERM in a user namespace that denies setgroups. */
export function setGroups(gids: readonly number[]): void {
  check(cSetgroups(SYSCALL.setgroups, gids.length, Uint32Array.from(gids)), 'setgroups', gids.join(','));
}

/** Capability sets as bit masks. */
export interface CapabilityMasks {
  effective: bigint;
  permitted: bigint;
  inheritable: bigint;
}

/** capset(2) of the calling thread; EPERM for what it does not have. */
export function setCapabilities(masks: CapabilityMasks): void {
  const header = new Uint32Array([CAPABILITY_VERSION_3, 0]);
  const data = new Uint32Array(6);
  const sets = [masks.effective, masks.permitted, masks.inheritable];
  for (const [index, mask] of sets.entries()) {
    data[index] = Number(mask & 0xffffffffn);
    data[index + 3] = Number(mask >> 32n);
  }
  check(cCapset(SYSCALL.capset, header, data), 'capset');
}

/** Drops one capability from the bounding set; false when the kernel does not know it. */
export function dropBoundingCapability(capability: number): boolean {
  if (cPrctl(PR.CAPBSET_DROP, capability, 0, 0, 0) === 0) return true;
  if (errnoName(errno()) === 'EINVAL') return false;
  throw sysError('prctl', ['PR_CAPBSET_DROP', capability]);
}

/** No capability survives an execve by an ordinary user. */
export function clearAmbientCapabilities(): void {
  check(cPrctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), 'prctl', 'PR_CAP_AMBIENT');
}

/** The capability survives an execve by an ordinary user; it must be permitted and inheritable. */
export function raiseAmbientCapability(capability: number): void {
  check(cPrctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_RAISE, capability, 0, 0), 'prctl', 'PR_CAP_AMBIENT', capability);
}

export const RLIM_INFINITY = 0xffffffffffffffffn;

/** Of getrlimit(2). */
export const RLIMIT = {
  CPU: 0,
  FSIZE: 1,
  DATA: 2,
  STACK: 3,
  CORE: 4,
  RSS: 5,
  NPROC: 6,
  NOFILE: 7,
  MEMLOCK: 8,
  AS: 9,
  LOCKS: 10,
  SIGPENDING: 11,
  MSGQUEUE: 12,
  NICE: 13,
  RTPRIO: 14,
  RTTIME: 15,
} as const;

/** setrlimit(2). `resource` of RLIMIT, values in its unit (bytes, seconds, a count), RLIM_INFINITY for none. */
export function setRlimit(resource: number, soft: bigint, hard: bigint): void {
  check(cSetrlimit(resource, new BigUint64Array([soft, hard])), 'setrlimit', resource, soft, hard);
}

/** getrlimit(2), in the units of setRlimit. */
export function getRlimit(resource: number): { soft: bigint; hard: bigint } {
  const raw = new BigUint64Array(2);
  check(cGetrlimit(resource, raw), 'getrlimit', resource);
  return { soft: raw[0] ?? 0n, hard: raw[1] ?? 0n };
}

/** Of the caller's UTS namespace; 64 bytes at most. */
export function setHostname(name: string): void {
  check(cSethostname(name, Buffer.byteLength(name)), 'sethostname', name);
}

/** The NIS domain name of the caller's UTS namespace; 64 bytes at most. */
export function setDomainname(name: string): void {
  check(cSetdomainname(name, Buffer.byteLength(name)), 'setdomainname', name);
}

/** Sets the mask and returns the former one. */
export function umask(mask: number): number {
  return cUmask(mask);
}

/** A session and process group of the caller's own, without a terminal. EPERM when it leads a group already. */
export function setsid(): void {
  check(cSetsid(), 'setsid');
}

/** Replaces the program; returns only by throwing. */
export function execve(path: string, args: readonly string[], env: readonly string[]): never {
  cExecve(path, [...args, null], [...env, null]);
  throw sysError('execve', [path]);
}

/** Every descriptor from `first` on is closed by the next execve. */
export function closeOnExecFrom(first: number): void {
  check(cCloseRange(SYSCALL.closeRange, first, 0xffffffff, CLOSE_RANGE_CLOEXEC), 'close_range', first);
}

/** Closes every descriptor from `first` on but one. */
export function closeFrom(first: number, except: number): void {
  const close = (from: number, to: number) => {
    if (from <= to) check(cCloseRange(SYSCALL.closeRange, from, to, 0), 'close_range', from);
  };
  close(first, Math.max(first, except) - 1);
  close(Math.max(first, except + 1), 0xffffffff);
}

/** A session keyring of its own; false where the kernel has no keys or the user none to give. */
export function joinSessionKeyring(name: string): boolean {
  return cKeyctlJoin(SYSCALL.keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) >= 0;
}

const ALL_SIGNALS = new BigUint64Array(16).fill(0xffffffffffffffffn);
const NO_SIGNALS = new BigUint64Array(16);

/** Blocks all signals; the returned function sets the former mask again. */
export function blockSignals(): () => void {
  const before = new BigUint64Array(16);
  check(cSigprocmask(SIG_BLOCK, ALL_SIGNALS, before), 'sigprocmask');
  return () => void check(cSigprocmask(SIG_SETMASK, before, null), 'sigprocmask');
}

/** Also undoes what blockSignals did in a parent: a mask is inherited over fork and execve. */
export function unblockAllSignals(): void {
  check(cSigprocmask(SIG_SETMASK, NO_SIGNALS, null), 'sigprocmask');
}

/** SIG_DFL for these signals. execve does it for caught ones, ignored ones would stay ignored. */
export function defaultSignals(signals: readonly number[]): void {
  const action = Buffer.alloc(SIGACTION_SIZE);
  for (const signal of signals) cSigaction(signal, action, null);
}

/** SIG_IGN; for SIGCHLD it means that children leave no zombies. */
export function ignoreSignal(signal: number): void {
  const SIG_IGN = 1n;
  const action = Buffer.alloc(SIGACTION_SIZE);
  action.writeBigUInt64LE(SIG_IGN, 0);
  check(cSigaction(signal, action, null), 'sigaction', signal);
}

/** personality(2): the execution domain of the caller and what it executes (PER_LINUX32 …). */
export function setPersonality(persona: number): void {
  check(cPersonality(persona), 'personality', persona);
}

/** Of the caller. A bit a CPU, in whole eight bytes; CPUs that are not there, or that its cpuset has not, are left out. */
export function setAffinity(mask: Uint8Array): void {
  check(cSchedSetaffinity(0, mask.length, mask), 'sched_setaffinity');
}

/** Of the caller; survives execve. A bit a NUMA node, in whole eight bytes. */
export function setMemoryPolicy(mode: number, nodes: Uint8Array): void {
  check(cSetMempolicy(SYSCALL.setMempolicy, mode, nodes, nodes.length * 8), 'set_mempolicy', mode);
}

/** ioprio_set(2) of the caller: class in the bits from 13 on, priority 0 to 7 below. */
export function setIoPriority(value: number): void {
  const IOPRIO_WHO_PROCESS = 1;
  check(cSyscall3(SYSCALL.ioprioSet, IOPRIO_WHO_PROCESS, 0, value), 'ioprio_set', value);
}

/** `attributes` is struct sched_attr (sched_setattr(2)). */
export function setScheduler(attributes: Uint8Array): void {
  check(cSchedSetattr(SYSCALL.schedSetattr, 0, attributes, 0), 'sched_setattr');
}

/** Sets a limit of another process. Raising a hard limit needs CAP_SYS_RESOURCE. */
export function setRlimitOf(pid: number, resource: number, soft: bigint, hard: bigint): void {
  check(cPrlimit(pid, resource, new BigUint64Array([soft, hard]), null), 'prlimit', pid, resource, soft, hard);
}
