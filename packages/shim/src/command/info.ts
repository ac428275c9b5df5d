// `-v` and `-info`: who this shim is, and what its runtime can do. The lifecycle service asks for the same without starting a program.
import { writeSync } from 'node:fs';
import { FEATURES_TYPE, packJson } from '@berth/rpc/any';
import { RuntimeInfo } from '@berth/rpc/gen/containerd/types/introspection';
import type { Init } from '@berth/rpc/wire/message';
import { features } from '@berth/runtime/features';

const NAME = 'io.containerd.berth.v1';
const VERSION = '0.1.0';
const STDOUT = 1;

export function shimInfo(): Init<RuntimeInfo> {
  return { name: NAME, version: { version: VERSION }, features: packJson(FEATURES_TYPE, features()) };
}

export function printVersion(): void {
  writeSync(STDOUT, `containerd-shim-berth-v1:\n  Version:  ${VERSION}\n`);
}

/** A protobuf message on standard output, as containerd asks for it. */
export function printInfo(): void {
  writeSync(STDOUT, RuntimeInfo.encode(shimInfo()));
}
