// Which resource controllers this host has, for `info`: cgroup v2's, or v1's where they are mounted.
import { existsSync, readFileSync } from 'node:fs';

export class HostCgroups {
  /** As the Engine API writes it. */
  readonly version: '1' | '2';
  readonly controllers: ReadonlySet<string>;
  readonly limitsSwap: boolean;

  constructor() {
    const unified = '/sys/fs/cgroup/cgroup.controllers';
    this.version = existsSync(unified) ? '2' : '1';
    this.controllers = new Set(this.version === '2' ? readFileSync(unified, 'utf8').trim().split(/\s+/) : mountedV1());
    this.limitsSwap =
      this.version === '2' ? this.controllers.has('memory') : existsSync('/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes');
  }
}

function mountedV1(): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, , type, options = ''] = line.split(' ');
      return type === 'cgroup' ? options.split(',') : [];
    });
}
