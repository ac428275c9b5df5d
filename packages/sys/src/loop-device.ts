// Files as block devices (loop(4)): LOOP_CONFIGURE attaches one in a single step (Linux 5.8), and the kernel detaches it by itself with
// its last user (LO_FLAGS_AUTOCLEAR), so that a crash leaves none behind.
import { closeSync, openSync } from 'node:fs';
import { bind, check, sysError } from './libc.ts';
import { O } from './path.ts';

const cIoctl = bind('int ioctl(int, unsigned long, long)');
const cIoctlBytes = bind('int ioctl(int, unsigned long, void*)');

const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;
const LO_FLAGS_AUTOCLEAR = 4;
/** struct loop_config: fd, block size, then struct loop_info64 (232 bytes) with its flags at 52, then 64 reserved bytes. */
const CONFIG_SIZE = 8 + 232 + 64;
const FLAGS_OFFSET = 8 + 52;
const NAME_OFFSET = 8 + 56;
const NAME_SIZE = 63;
/** Somebody else may take the free device first. */
const ATTEMPTS = 16;

export interface LoopDevice extends Disposable {
  /** `/dev/loop3` */
  readonly path: string;
}

/** The device lives until this is disposed of and nothing has it mounted. */
export function attachLoop(file: string): LoopDevice {
  const backing = openSync(file, 'r+');
  const control = openSync('/dev/loop-control', 'r+');
  try {
    for (let attempt = 0; ; attempt++) {
      const path = `/dev/loop${check(cIoctl(control, LOOP_CTL_GET_FREE, 0), 'ioctl', 'LOOP_CTL_GET_FREE')}`;
      const device = openSync(path, O.RDWR | O.CLOEXEC);
      if (cIoctlBytes(device, LOOP_CONFIGURE, configuration(backing, file)) === 0)
        return { path, [Symbol.dispose]: () => closeSync(device) };
      const error = sysError('ioctl', [path, 'LOOP_CONFIGURE', file]);
      closeSync(device);
      if (error.code !== 'EBUSY' || attempt === ATTEMPTS) throw error;
    }
  } finally {
    closeSync(control);
    closeSync(backing);
  }
}

function configuration(backing: number, file: string): Buffer {
  const config = Buffer.alloc(CONFIG_SIZE);
  config.writeUInt32LE(backing, 0);
  config.writeUInt32LE(LO_FLAGS_AUTOCLEAR, FLAGS_OFFSET);
  Buffer.from(file).subarray(0, NAME_SIZE).copy(config, NAME_OFFSET);
  return config;
}
