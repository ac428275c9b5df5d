// Rules to classic BPF: a dispatch on the architecture, then for each a binary tree over ranges of system call numbers.
//
// Pure. Neighbouring numbers with one answer are one range, so Docker's profile is some hundred ranges and seven comparisons
// deep. Facts: linux/filter.h struct sock_filter, linux/seccomp.h struct seccomp_data {nr, arch, ip, args[6]}, little endian.
import { EngineError } from '@berth/errdefs/engine-error';
import { RETURN_KILL_THREAD } from './actions.ts';
import type { ArchitectureRules, Condition, Rule, Verdict } from './rules.ts';

const LOAD = 0x20;
const AND = 0x54;
const JUMP = 0x05;
const JUMP_EQ = 0x15;
const JUMP_GT = 0x25;
const JUMP_GE = 0x35;
const RETURN = 0x06;

const OFFSET_NR = 0;
const OFFSET_ARCH = 4;
const OFFSET_ARGS = 16;

const MAX_INSTRUCTIONS = 4096;
const MAX_JUMP = 255;
const INSTRUCTION_SIZE = 8;
/** A tracer that cancels a call sets its number to -1. */
const CANCELLED = 0xffffffff;

interface Instruction {
  code: number;
  /** Instructions to skip when the test holds, and when it does not. */
  jt?: number;
  jf?: number;
  k: number;
}

/** A run of instructions that is entered at its start and always ends in a return: pieces can be put side by side. */
type Piece = Instruction[];

/** struct sock_filter[] for rules of several architectures; other architectures get their thread killed, as with libseccomp. */
export function compile(sections: readonly ArchitectureRules[]): Uint8Array {
  const tokens = new Map<number, ArchitectureRules[]>();
  for (const section of sections) {
    const { auditToken } = section.architecture;
    tokens.set(auditToken, [...(tokens.get(auditToken) ?? []), section]);
  }
  let dispatch: Piece = [answer(RETURN_KILL_THREAD)];
  for (const [token, sharing] of tokens) {
    dispatch = branch(JUMP_EQ, token, [{ code: LOAD, k: OFFSET_NR }, ...syscallTree(sharing)], dispatch);
  }
  return encode([{ code: LOAD, k: OFFSET_ARCH }, ...dispatch]);
}

interface Range {
  first: number;
  verdict: Verdict;
}

/** Architectures that arrive with one token have numbers that do not overlap, so one tree serves all of them. */
function syscallTree(sections: readonly ArchitectureRules[]): Piece {
  const [section] = sections;
  if (section === undefined) throw new Error('no rules for this architecture');
  const { defaultValue } = section;
  const ranges = sections.flatMap((each) => rangesOf(each));
  for (const { syscallsEnd } of sections.map((each) => each.architecture)) {
    const isNamed = sections.some((each) => each.architecture.firstSyscall === syscallsEnd);
    if (syscallsEnd !== undefined && !isNamed) ranges.push({ first: syscallsEnd, verdict: RETURN_KILL_THREAD });
  }
  ranges.push({ first: CANCELLED, verdict: defaultValue });
  ranges.sort((one, other) => one.first - other.first);
  return tree(merged(ranges), defaultValue);
}

/** From each first number to the next range's: gaps have the default. */
function rangesOf({ architecture, verdicts, defaultValue, beyond }: ArchitectureRules): Range[] {
  const ranges: Range[] = [{ first: architecture.firstSyscall, verdict: defaultValue }];
  for (const [number, verdict] of verdicts) {
    ranges.push({ first: number, verdict });
    if (!verdicts.has(number + 1)) ranges.push({ first: number + 1, verdict: defaultValue });
  }
  // Sorting is stable: this comes after the default that begins at the same number, and wins in merged().
  if (beyond) ranges.push({ first: beyond.first, verdict: beyond.value });
  return ranges;
}

function merged(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  for (const range of ranges) {
    const last = result.at(-1);
    if (last?.first === range.first) result.pop();
    const previous = result.at(-1);
    if (previous === undefined || previous.verdict !== range.verdict) result.push(range);
  }
  return result;
}

function tree(ranges: readonly Range[], defaultValue: number): Piece {
  const [only] = ranges;
  if (ranges.length === 1 && only) return leaf(only.verdict, defaultValue);
  const middle = ranges.length >> 1;
  const right = ranges[middle];
  if (right === undefined) throw new Error('no ranges to search');
  return branch(JUMP_GE, right.first, tree(ranges.slice(middle), defaultValue), tree(ranges.slice(0, middle), defaultValue));
}

function leaf(verdict: Verdict, defaultValue: number): Piece {
  if (typeof verdict === 'number') return [answer(verdict)];
  return [...verdict.flatMap(ruleCode), answer(defaultValue)];
}

/** `then` when the accumulator passes the test. A jump of more than 255 instructions takes a hop. */
function branch(code: number, k: number, then: Piece, otherwise: Piece): Piece {
  if (otherwise.length <= MAX_JUMP) return [{ code, k, jt: otherwise.length, jf: 0 }, ...otherwise, ...then];
  return [{ code, k, jt: 0, jf: 1 }, { code: JUMP, k: otherwise.length }, ...otherwise, ...then];
}

function answer(value: number): Instruction {
  return { code: RETURN, k: value };
}

/** Where a test leads: on to the next instruction, past its own condition, or past the whole rule. */
type Target = 'next' | 'holds' | 'fails';
type Test = { code: number; k: number } | { code: number; k: number; yes: Target; no: Target };

function ruleCode({ conditions, value }: Rule): Piece {
  const blocks = conditions.map((condition) => conditionTests(condition));
  const length = blocks.reduce((sum, block) => sum + block.length, 0) + 1;
  const code: Piece = [];
  let end = 0;
  for (const block of blocks) {
    end += block.length;
    for (const test of block) {
      const after = code.length + 1;
      const skip = (target: Target) => (target === 'next' ? 0 : (target === 'holds' ? end : length) - after);
      code.push('yes' in test ? { code: test.code, k: test.k, jt: skip(test.yes), jf: skip(test.no) } : test);
    }
  }
  return [...code, answer(value)];
}

/** A 64-bit argument is compared high word first, then low word: BPF's accumulator has 32 bits. */
function conditionTests({ index, op, value, valueTwo, wide }: Condition): Test[] {
  const offset = OFFSET_ARGS + 8 * index;
  const low: Test = { code: LOAD, k: offset };
  const [valueHigh, valueLow] = words(value);
  const [wantedHigh, wantedLow] = words(valueTwo);
  const high = (...tests: Test[]): Test[] => (wide ? [{ code: LOAD, k: offset + 4 }, ...tests] : []);
  const ordered = (lowCode: number, holds: Target, fails: Target): Test[] => [
    ...high({ code: JUMP_GT, k: valueHigh, yes: holds, no: 'next' }, { code: JUMP_EQ, k: valueHigh, yes: 'next', no: fails }),
    low,
    { code: lowCode, k: valueLow, yes: holds, no: fails },
  ];
  switch (op) {
    case 'SCMP_CMP_EQ':
      return [
        ...high({ code: JUMP_EQ, k: valueHigh, yes: 'next', no: 'fails' }),
        low,
        { code: JUMP_EQ, k: valueLow, yes: 'holds', no: 'fails' },
      ];
    case 'SCMP_CMP_NE':
      return [
        ...high({ code: JUMP_EQ, k: valueHigh, yes: 'next', no: 'holds' }),
        low,
        { code: JUMP_EQ, k: valueLow, yes: 'fails', no: 'holds' },
      ];
    case 'SCMP_CMP_GT':
      return ordered(JUMP_GT, 'holds', 'fails');
    case 'SCMP_CMP_GE':
      return ordered(JUMP_GE, 'holds', 'fails');
    case 'SCMP_CMP_LE':
      return ordered(JUMP_GT, 'fails', 'holds');
    case 'SCMP_CMP_LT':
      return ordered(JUMP_GE, 'fails', 'holds');
    case 'SCMP_CMP_MASKED_EQ':
      return [
        ...high({ code: AND, k: valueHigh }, { code: JUMP_EQ, k: wantedHigh, yes: 'next', no: 'fails' }),
        low,
        { code: AND, k: valueLow },
        { code: JUMP_EQ, k: wantedLow, yes: 'holds', no: 'fails' },
      ];
  }
}

function words(value: bigint): [high: number, low: number] {
  return [Number(value >> 32n), Number(value & 0xffffffffn)];
}

function encode(program: readonly Instruction[]): Uint8Array {
  if (program.length > MAX_INSTRUCTIONS) {
    throw new EngineError(
      'InvalidArgument',
      `seccomp filter is too long: ${program.length} instructions, the kernel takes ${MAX_INSTRUCTIONS}`,
      {
        layer: 'runtime',
      },
    );
  }
  const bytes = new Uint8Array(program.length * INSTRUCTION_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, jt = 0, jf = 0, k }] of program.entries()) {
    const at = index * INSTRUCTION_SIZE;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, jt);
    view.setUint8(at + 3, jf);
    view.setUint32(at + 4, k, true);
  }
  return bytes;
}
