// cgroup v2 has no device files: a BPF program answers instead. This file compiles a DevicePolicy to eBPF instructions.
//
// Pure; the result is loaded and attached by sys/bpf.ts. Facts: linux/bpf.h struct bpf_cgroup_dev_ctx {access_type, major, minor},
// access_type = access << 16 | type; the instruction format is Documentation/bpf/standardization/instruction-set.rst.
import type { DeviceException, DevicePolicy } from './device-rules.ts';

const TYPE = { b: 1, c: 2 } as const;
const ACCESS: Record<string, number> = { m: 1, r: 2, w: 4 };
const EVERY_ACCESS = 7;

const R0 = 0;
const R1 = 1;
const TYPE_REG = 2;
const ACCESS_REG = 3;
const MAJOR_REG = 4;
const MINOR_REG = 5;

const LDX_W = 0x61;
const MOV32_REG = 0xbc;
const MOV32_IMM = 0xb4;
const AND32_IMM = 0x54;
const RSH32_IMM = 0x74;
const JNE32_IMM = 0x56;
const JNE32_REG = 0x5e;
const JEQ32_IMM = 0x16;
const EXIT = 0x95;

interface Instruction {
  code: number;
  dst?: number;
  src?: number;
  offset?: number;
  imm?: number;
}

/** struct bpf_insn[]: 8 bytes each. The program returns 1 for "allowed" and 0 for EPERM. */
export function compileDeviceProgram(policy: DevicePolicy): Uint8Array {
  const fallthrough = policy.default === 'allow' ? 1 : 0;
  const program: Instruction[] = [
    { code: LDX_W, dst: TYPE_REG, src: R1, offset: 0 },
    { code: MOV32_REG, dst: ACCESS_REG, src: TYPE_REG },
    { code: AND32_IMM, dst: TYPE_REG, imm: 0xffff },
    { code: RSH32_IMM, dst: ACCESS_REG, imm: 16 },
    { code: LDX_W, dst: MAJOR_REG, src: R1, offset: 4 },
    { code: LDX_W, dst: MINOR_REG, src: R1, offset: 8 },
    ...policy.exceptions.flatMap((exception) => block(exception, policy.default)),
    { code: MOV32_IMM, dst: R0, imm: fallthrough },
    { code: EXIT },
  ];
  return encode(program);
}

/** One exception: tests that jump over the rest of the block when they fail, then the verdict that is not the default. */
function block(exception: DeviceException, byDefault: DevicePolicy['default']): Instruction[] {
  const bits = [...exception.access].reduce((sum, letter) => sum | (ACCESS[letter] ?? 0), 0);
  const tests: Instruction[] = [{ code: JNE32_IMM, dst: TYPE_REG, imm: TYPE[exception.type] }];
  if (byDefault === 'deny') {
    // Allowed when nothing beyond these letters is asked for.
    if (bits !== EVERY_ACCESS) {
      tests.push({ code: MOV32_REG, dst: R1, src: ACCESS_REG }, { code: AND32_IMM, dst: R1, imm: bits });
      tests.push({ code: JNE32_REG, dst: R1, src: ACCESS_REG });
    }
  } else {
    // Denied when any of these letters is asked for.
    tests.push({ code: MOV32_REG, dst: R1, src: ACCESS_REG }, { code: AND32_IMM, dst: R1, imm: bits });
    tests.push({ code: JEQ32_IMM, dst: R1, imm: 0 });
  }
  if (exception.major >= 0) tests.push({ code: JNE32_IMM, dst: MAJOR_REG, imm: exception.major });
  if (exception.minor >= 0) tests.push({ code: JNE32_IMM, dst: MINOR_REG, imm: exception.minor });
  const verdict: Instruction[] = [{ code: MOV32_IMM, dst: R0, imm: byDefault === 'deny' ? 1 : 0 }, { code: EXIT }];
  const length = tests.length + verdict.length;
  return [...tests.map((test, index) => (isJump(test) ? { ...test, offset: length - index - 1 } : test)), ...verdict];
}

function isJump({ code }: Instruction): boolean {
  return code === JNE32_IMM || code === JNE32_REG || code === JEQ32_IMM;
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, dst = 0, src = 0, offset = 0, imm = 0 }] of program.entries()) {
    view.setUint8(index * 8, code);
    view.setUint8(index * 8 + 1, (src << 4) | dst);
    view.setInt16(index * 8 + 2, offset, true);
    view.setInt32(index * 8 + 4, imm, true);
  }
  return bytes;
}
