// tmpcopyup: a new tmpfs starts with what it hides. Files, directories and links with owner and mode; runs in init.
import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
} from 'node:fs';

/** From the directory that `hidden` names (an O_PATH descriptor taken before the mount) into the mount's root `top`. */
export function copyUp(hidden: number, top: number): void {
  copyDirectory(`/proc/self/fd/${hidden}`, `/proc/self/fd/${top}`);
}

function copyDirectory(from: string, to: string): void {
  for (const name of readdirSync(from)) {
    const source = `${from}/${name}`;
    const target = `${to}/${name}`;
    const status = lstatSync(source);
    if (status.isSymbolicLink()) {
      symlinkSync(readlinkSync(source), target);
      lchownSync(target, status.uid, status.gid);
      continue;
    }
    if (status.isDirectory()) {
      mkdirSync(target);
      copyDirectory(source, target);
    } else if (status.isFile()) copyFileSync(source, target, constants.COPYFILE_EXCL);
    else continue;
    chownSync(target, status.uid, status.gid);
    chmodSync(target, status.mode & 0o7777);
  }
}
