// Which of the kernel's settings belong to a namespace, so that a container may have its own: what is not here would change the host.

/** proc_sys_kernel(5): System V's IPC, one set for each IPC namespace. */
const IPC_SYSCTLS = new Set([
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
]);

/** `name` with dots, as sysctl(8) prints it. */
export function isIpcSysctl(name: string): boolean {
  return IPC_SYSCTLS.has(name) || name.startsWith('fs.mqueue.');
}
