// Archives in cpio's "newc" format, of which the kernel makes its first root file system (driver-api/early-userspace/buffer-format.rst).
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface Member {
  name: string;
  /** With the type, as st_mode. */
  mode: number;
  /** A symbolic link's is its target. */
  body?: Buffer;
}

export const executable = (name: string, body: Buffer): Member => ({ name, mode: 0o100755, body });
export const file = (name: string, body: Buffer | string): Member => ({ name, mode: 0o100644, body: Buffer.from(body) });
export const directory = (name: string): Member => ({ name, mode: 0o40755 });
export const link = (name: string, target: string): Member => ({ name, mode: 0o120777, body: Buffer.from(target) });

/** What Node loads of a package's directory. */
export function modules(directory: string, name: string): Member[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).flatMap((path) => {
    const full = join(directory, path);
    return statSync(full).isFile() && /\.(js|cjs|mjs|json|node)$/.test(path) ? [executable(join(name, path), readFileSync(full))] : [];
  });
}

/** Parent directories are made on the way. */
export function cpio(members: readonly Member[]): Buffer {
  const parts: Buffer[] = [];
  const made = new Set<string>();
  let inode = 1;
  const add = ({ name, mode, body = Buffer.alloc(0) }: Member) => {
    const fields = [inode++, mode, 0, 0, 1, 0, body.length, 0, 0, 0, 0, name.length + 1, 0];
    const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`);
    parts.push(padded(header), padded(body));
    made.add(name);
  };
  for (const member of members) {
    const steps = member.name.split('/').slice(0, -1);
    for (const [index] of steps.entries()) {
      const parent = steps.slice(0, index + 1).join('/');
      if (!made.has(parent)) add({ name: parent, mode: 0o40755 });
    }
    if (!made.has(member.name)) add(member);
  }
  add({ name: 'TRAILER!!!', mode: 0 });
  return Buffer.concat(parts);
}

function padded(bytes: Buffer): Buffer {
  return bytes.length % 4 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - (bytes.length % 4))]);
}
