// Numbers of the system calls that the C library has no wrapper for, or whose wrapper must not be used here (fork, set*id:
// glibc's versions signal threads that a forked child does not have). From the kernel's asm/unistd_64.h and asm-generic/unistd.h.

/** Below 424 each architecture numbers for itself. */
const X64 = {
  setgroups: 116,
  setresuid: 117,
  setresgid: 119,
  capset: 126,
  personality: 135,
  pivotRoot: 155,
  keyctl: 250,
  ioprioSet: 251,
  unshare: 272,
  schedSetattr: 314,
  setMempolicy: 238,
  seccomp: 317,
  bpf: 321,
};
const ARM64: typeof X64 = {
  setgroups: 159,
  setresuid: 147,
  setresgid: 149,
  capset: 91,
  personality: 92,
  pivotRoot: 41,
  keyctl: 219,
  ioprioSet: 30,
  unshare: 97,
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
  mountSetattr: 442,
};

export const SYSCALL = { ...(process.arch === 'arm64' ? ARM64 : X64), ...SHARED };
