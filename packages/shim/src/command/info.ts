// `-v` and `-info`: who this shim is.
import { writeSync } from 'node:fs';
import { RuntimeInfo } from '@berth/rpc/gen/containerd/types/introspection';

const NAME = 'io.containerd.berth.v1';
const VERSION = '0.1.0';
const STDOUT = 1;

export function printVersion(): void {
  writeSync(STDOUT, `containerd-shim-berth-v1:\n  Version:  ${VERSION}\n`);
}

/** A protobuf message on standard output, as containerd asks for it. */
export function printInfo(): void {
  writeSync(STDOUT, RuntimeInfo.encode({ name: NAME, version: { version: VERSION } }));
}
