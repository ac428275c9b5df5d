// bpf(2), as far as cgroup v2 devices need it: load a program, attach it to a cgroup, replace the one that was there.
//
// Called by the runtime's parent process. Facts: linux/bpf.h union bpf_attr; each command reads the leading part of it.
import { closeSync, constants, openSync } from 'node:fs';
import { koffi } from './koffi.ts';
import { bind, check, sysError } from './libc.ts';
import { SYSCALL } from './syscall-numbers.ts';

const PROG_LOAD = 5;
const PROG_ATTACH = 8;
const PROG_DETACH = 9;
const PROG_GET_FD_BY_ID = 13;
const PROG_QUERY = 16;
const CGROUP_DEVICE_PROGRAM = 15;
const CGROUP_DEVICE_HOOK = 6;
const ALLOW_MULTI = 2;
const MAX_ATTACHED = 64;
const INSTRUCTION_SIZE = 8;

koffi.struct('bpf_attr_load', {
  prog_type: 'uint32_t',
  insn_cnt: 'uint32_t',
  insns: 'void*',
  license: 'const char*',
  log_level: 'uint32_t',
  log_size: 'uint32_t',
  log_buf: 'void*',
  kern_version: 'uint32_t',
  prog_flags: 'uint32_t',
});
koffi.struct('bpf_attr_query', {
  target_fd: 'uint32_t',
  attach_type: 'uint32_t',
  query_flags: 'uint32_t',
  attach_flags: 'uint32_t',
  prog_ids: 'void*',
  prog_cnt: 'uint32_t',
});

const cLoad = bind('long syscall(long, int, const bpf_attr_load*, unsigned int)');
const cQuery = bind('long syscall(long, int, _Inout_ bpf_attr_query*, unsigned int)');
const cCommand = bind('long syscall(long, int, void*, unsigned int)');

/**
 * Makes `program` (struct bpf_insn[]) the one that decides over devices in a cgroup; undefined removes any, which allows
 * everything. Programs that were there are detached after the new one is in force.
 */
export function attachDeviceProgram(cgroup: string, program: Uint8Array | undefined): void {
  const directory = openSync(cgroup, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const before = attachedPrograms(directory, cgroup);
    if (program !== undefined) {
      const fd = loadProgram(program);
      try {
        command(PROG_ATTACH, 'BPF_PROG_ATTACH', [directory, fd, CGROUP_DEVICE_HOOK, ALLOW_MULTI], cgroup);
      } finally {
        closeSync(fd);
      }
    }
    for (const id of before) {
      const fd = command(PROG_GET_FD_BY_ID, 'BPF_PROG_GET_FD_BY_ID', [id], cgroup);
      try {
        command(PROG_DETACH, 'BPF_PROG_DETACH', [directory, fd, CGROUP_DEVICE_HOOK], cgroup);
      } finally {
        closeSync(fd);
      }
    }
  } finally {
    closeSync(directory);
  }
}

/** Loads and verifies; the descriptor is the caller's. */
function loadProgram(program: Uint8Array): number {
  const attributes = {
    prog_type: CGROUP_DEVICE_PROGRAM,
    insn_cnt: program.length / INSTRUCTION_SIZE,
    insns: program,
    license: 'GPL',
    log_level: 0,
    log_size: 0,
    log_buf: null,
    kern_version: 0,
    prog_flags: 0,
  };
  const fd = cLoad(SYSCALL.bpf, PROG_LOAD, attributes, koffi.sizeof('bpf_attr_load'));
  if (fd < 0) throw sysError('bpf', ['BPF_PROG_LOAD', `${attributes.insn_cnt} instructions`]);
  return fd;
}

function attachedPrograms(directory: number, cgroup: string): number[] {
  const ids = new Uint32Array(MAX_ATTACHED);
  const query = {
    target_fd: directory,
    attach_type: CGROUP_DEVICE_HOOK,
    query_flags: 0,
    attach_flags: 0,
    prog_ids: ids,
    prog_cnt: MAX_ATTACHED,
  };
  check(cQuery(SYSCALL.bpf, PROG_QUERY, query, koffi.sizeof('bpf_attr_query')), 'bpf', 'BPF_PROG_QUERY', cgroup);
  return [...ids.subarray(0, query.prog_cnt)];
}

function command(number: number, name: string, fields: readonly number[], cgroup: string): number {
  const attributes = Uint32Array.from(fields);
  return check(cCommand(SYSCALL.bpf, number, attributes, attributes.byteLength), 'bpf', name, cgroup);
}
