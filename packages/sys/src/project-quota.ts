// How much room a directory's files may take together: a project of the file system's quota (xfs with pquota, ext4 with prjquota; xfs_quota(8),
// quotactl(2)). A directory that carries a project's number passes it on to what is made in it (FS_XFLAG_PROJINHERIT).
import { closeSync, openSync } from 'node:fs';
import { bind, check } from './libc.ts';
import { O } from './path.ts';

const cIoctl = bind('int ioctl(int, unsigned long, void*)');
const cQuotactlFd = bind('long syscall(long, unsigned int, unsigned int, unsigned int, void*)');

/** Linux 5.14; before it a quota needs the path of a device. */
const SYS_QUOTACTL_FD = 443;
const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
/** struct fsxattr: flags, extent size, extents, project, … */
const FSXATTR_SIZE = 28;
const XFLAGS = 0;
const PROJECT = 12;
const FS_XFLAG_PROJINHERIT = 0x200;

const PROJECT_QUOTA = 2;
const command = (number: number) => (((0x5800 + number) << 8) | PROJECT_QUOTA) >>> 0;
const Q_XGETQUOTA = command(3);
const Q_XSETQLIM = command(4);
const Q_XGETQSTAT = command(5);
const ENFORCED = 1 << 5;
/** struct fs_disk_quota (linux/dqblk_xfs.h); limits and use count blocks of 512 bytes. */
const QUOTA_SIZE = 112;
const BLOCK = 512;
const LIMIT_FIELDS = (1 << 2) | (1 << 3);
const [HARD, SOFT, USED] = [8, 16, 40];

/** Numbers below are for those who give them out by hand (/etc/projects). */
const FIRST_PROJECT = 1 << 20;

/** Whether the file system under `path` keeps projects to their limits. */
export function enforcesProjects(path: string): boolean {
  const state = Buffer.alloc(80);
  return withFile(path, (fd) => cQuotactlFd(SYS_QUOTACTL_FD, fd, Q_XGETQSTAT, 0, state) === 0 && (state.readUInt16LE(2) & ENFORCED) !== 0);
}

/** A number that nobody in the file system uses, limited to `bytes`. */
export function makeProject(path: string, bytes: number): number {
  return withFile(path, (fd) => {
    let project = FIRST_PROJECT;
    while (isTaken(fd, project)) project++;
    setLimit(fd, project, bytes);
    return project;
  });
}

/** Takes the limit away: the number can be given out again once the files are gone. */
export function dropProject(path: string, project: number): void {
  withFile(path, (fd) => setLimit(fd, project, 0));
}

/** A directory and what will be made in it, or one file that is there already, count for the project. */
export function assignProject(path: string, project: number): void {
  withFile(path, (fd) => {
    const attributes = Buffer.alloc(FSXATTR_SIZE);
    check(cIoctl(fd, FS_IOC_FSGETXATTR, attributes), 'ioctl', 'FS_IOC_FSGETXATTR', path);
    attributes.writeUInt32LE(attributes.readUInt32LE(XFLAGS) | FS_XFLAG_PROJINHERIT, XFLAGS);
    attributes.writeUInt32LE(project, PROJECT);
    check(cIoctl(fd, FS_IOC_FSSETXATTR, attributes), 'ioctl', 'FS_IOC_FSSETXATTR', path);
  });
}

function isTaken(fd: number, project: number): boolean {
  const quota = Buffer.alloc(QUOTA_SIZE);
  if (cQuotactlFd(SYS_QUOTACTL_FD, fd, Q_XGETQUOTA, project, quota) !== 0) return false;
  return quota.readBigUInt64LE(HARD) > 0n || quota.readBigUInt64LE(USED) > 0n;
}

function setLimit(fd: number, project: number, bytes: number): void {
  const quota = Buffer.alloc(QUOTA_SIZE);
  quota.writeInt8(1, 0);
  quota.writeInt8(PROJECT_QUOTA, 1);
  quota.writeUInt16LE(LIMIT_FIELDS, 2);
  quota.writeUInt32LE(project, 4);
  const blocks = BigInt(Math.floor(bytes / BLOCK));
  quota.writeBigUInt64LE(blocks, HARD);
  quota.writeBigUInt64LE(blocks, SOFT);
  check(cQuotactlFd(SYS_QUOTACTL_FD, fd, Q_XSETQLIM, project, quota), 'quotactl', `project ${project}`, bytes);
}

function withFile<T>(path: string, body: (fd: number) => T): T {
  const fd = openSync(path, O.RDONLY | O.NOFOLLOW | O.CLOEXEC | O.NONBLOCK);
  try {
    return body(fd);
  } finally {
    closeSync(fd);
  }
}
