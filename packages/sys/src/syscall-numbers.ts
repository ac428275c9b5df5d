// Numbers of the system calls that the C library has no wrapper for, or whose wrapper must not be used here (fork, set*id:
// glibc's versions signal threads that a forked child does not have), or that are made without it (syscall-program.ts).
// From the kernel's asm/unistd_64.h and asm-generic/unistd.h.

/** The architecture has no such call. */
export const NONE = -1;

/** Below 424 each architecture numbers for itself. */
const X64 = {
  read: 0,
  write: 1,
  close: 3,
  poll: 7,
  munmap: 11,
  rtSigaction: 13,
  rtSigprocmask: 14,
  writev: 20,
  execve: 59,
  fcntl: 72,
  fchdir: 81,
  fchown: 93,
  umask: 95,
  kill: 62,
  setsid: 112,
  setgroups: 116,
  setresuid: 117,
  setresgid: 119,
  capset: 126,
  personality: 135,
  pivotRoot: 155,
  prctl: 157,
  exitGroup: 231,
  keyctl: 250,
  schedSetaffinity: 203,
  ioprioSet: 251,
  openat: 257,
  unshare: 272,
  ppoll: 271,
  dup3: 292,
  prlimit: 302,
  setns: 308,
  schedSetattr: 314,
  setMempolicy: 238,
  seccomp: 317,
  bpf: 321,
};
const ARM64: typeof X64 = {
  read: 63,
  write: 64,
  close: 57,
  poll: NONE,
  munmap: 215,
  rtSigaction: 134,
  rtSigprocmask: 135,
  writev: 66,
  execve: 221,
  fcntl: 25,
  fchdir: 50,
  fchown: 55,
  umask: 166,
  setsid: 157,
  kill: 129,
  setgroups: 159,
  setresuid: 147,
  setresgid: 149,
  capset: 91,
  personality: 92,
  pivotRoot: 41,
  prctl: 167,
  exitGroup: 94,
  keyctl: 219,
  schedSetaffinity: 122,
  ioprioSet: 30,
  openat: 56,
  unshare: 97,
  ppoll: 73,
  dup3: 24,
  prlimit: 261,
  setns: 268,
  schedSetattr: 274,
  setMempolicy: 237,
  seccomp: 277,
  bpf: 280,
};

/** From 424 on all architectures share one numbering. */
const SHARED = {
  openTree: 428,
  moveMount: 429,
  pidfdSendSignal: 424,
  pidfdOpen: 434,
  clone3: 435,
  closeRange: 436,
  openat2: 437,
  pidfdGetfd: 438,
  faccessat2: 439,
  mountSetattr: 442,
};

/** The numbers by our own names for the calls: the kernel's, in camel case. */
export function syscallNumbers(arch: NodeJS.Architecture) {
  return { ...(arch === 'arm64' ? ARM64 : X64), ...SHARED };
}

/** Of this process' architecture. */
export const SYSCALL = syscallNumbers(process.arch);
