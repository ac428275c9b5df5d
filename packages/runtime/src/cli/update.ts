// berth-runtime update: new limits for a container, from flags or as LinuxResources JSON from a file or standard input.
import { readFileSync } from 'node:fs';
import type { LinuxResources } from '@berth/oci/runtime-spec';
import { parseDocument } from '../bundle.ts';
import { loadContainer } from '../container.ts';
import type { RdtSchemas } from '../resource-director.ts';
import { type Arguments, numberOf, onlyId, sizeOf, textOf } from './arguments.ts';
import type { Command } from './command.ts';

export const update: Command = {
  usage: '[options] ID',
  help: 'change the limits of a container',
  flags: {
    resources: { kind: 'value', short: 'r', help: 'JSON file of resources, - for standard input' },
    'blkio-weight': { kind: 'value', help: 'share of block I/O, 10 to 1000' },
    'cpu-period': { kind: 'value', help: 'period of the CPU limit in microseconds' },
    'cpu-quota': { kind: 'value', help: 'CPU time in a period, in microseconds' },
    'cpu-burst': { kind: 'value', help: 'CPU time that may be saved up, in microseconds' },
    'cpu-share': { kind: 'value', help: 'share of CPU time' },
    'cpu-rt-period': { kind: 'value', help: 'period of the real-time limit in microseconds' },
    'cpu-rt-runtime': { kind: 'value', help: 'real-time CPU time in a period, in microseconds' },
    'cpu-idle': { kind: 'value', help: '1: only when nobody else wants the CPU' },
    'cpuset-cpus': { kind: 'value', help: 'CPUs to use' },
    'cpuset-mems': { kind: 'value', help: 'memory nodes to use' },
    'kernel-memory': { kind: 'value', help: 'taken for compatibility' },
    'kernel-memory-tcp': { kind: 'value', help: 'taken for compatibility' },
    memory: { kind: 'value', help: 'memory limit in bytes' },
    'memory-reservation': { kind: 'value', help: 'soft memory limit in bytes' },
    'memory-swap': { kind: 'value', help: 'memory and swap in bytes, -1 for no limit' },
    'pids-limit': { kind: 'value', help: 'number of processes' },
    'l3-cache-schema': { kind: 'value', help: 'shares of the L3 cache (Intel RDT), as `L3:0=f;1=f0`' },
    'mem-bw-schema': { kind: 'value', help: 'shares of the memory bandwidth (Intel RDT), as `MB:0=20;1=70`' },
  },
  permute: true,
  run(parsed, { root }) {
    const container = loadContainer(root, onlyId(parsed, 'update'));
    const file = textOf(parsed, 'resources');
    if (file === undefined) container.update(fromFlags(parsed), sharesOf(parsed));
    else container.update(fromFile(file));
    return 0;
  },
};

function fromFile(file: string): LinuxResources {
  const [source, name] = file === '-' ? [0, 'standard input'] : [file, file];
  return parseDocument(readFileSync(source, 'utf8'), name) as LinuxResources;
}

function sharesOf(parsed: Arguments): RdtSchemas {
  const [l3CacheSchema, memBwSchema] = [textOf(parsed, 'l3-cache-schema'), textOf(parsed, 'mem-bw-schema')];
  return { ...(l3CacheSchema ? { l3CacheSchema } : {}), ...(memBwSchema ? { memBwSchema } : {}) };
}

function fromFlags(parsed: Arguments): LinuxResources {
  const number = (name: string) => numberOf(parsed, name);
  const defined = <T extends object>(object: T) =>
    Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
  const memory = defined({
    limit: sizeOf(parsed, 'memory'),
    reservation: sizeOf(parsed, 'memory-reservation'),
    swap: sizeOf(parsed, 'memory-swap'),
  });
  const cpu = defined({
    shares: number('cpu-share'),
    quota: number('cpu-quota'),
    period: number('cpu-period'),
    burst: number('cpu-burst'),
    idle: number('cpu-idle'),
    realtimeRuntime: number('cpu-rt-runtime'),
    realtimePeriod: number('cpu-rt-period'),
    cpus: textOf(parsed, 'cpuset-cpus'),
    mems: textOf(parsed, 'cpuset-mems'),
  });
  const resources: LinuxResources = {};
  if (Object.keys(memory).length) resources.memory = memory;
  if (Object.keys(cpu).length) resources.cpu = cpu;
  const pids = number('pids-limit');
  if (pids !== undefined) resources.pids = { limit: pids };
  const weight = number('blkio-weight');
  if (weight !== undefined) resources.blockIO = { weight };
  return resources;
}
