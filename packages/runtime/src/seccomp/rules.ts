// A profile's rules, sorted by system call number for one architecture. This is where the meaning of a profile is decided;
// compile.ts only makes it fast.
//
// Pure. The meaning is libseccomp's, through runc: unknown names are skipped; a rule that says what the default says is no
// rule; a rule without conditions beats those with; two conditions on one argument are alternatives, on different ones a conjunction.
import { EngineError } from '@berth/errdefs/engine-error';
import type { LinuxSeccomp, SeccompAction, SeccompOperator, SeccompSyscall } from '@berth/oci/runtime-spec';
import type { Architecture } from '@berth/sys/architecture';
import { isNotify, isPermissive, isStronger, RETURN_ENOSYS, returnValue } from './actions.ts';
import { multiplexedCall } from './multiplexed.ts';

export interface Condition {
  /** Argument 0 … 5. */
  index: number;
  op: SeccompOperator;
  /** Unsigned 64 bit; the mask of MASKED_EQ. */
  value: bigint;
  /** What the masked argument has to be. */
  valueTwo: bigint;
  /** All 64 bits are compared, or the low 32. */
  wide: boolean;
}

/** All conditions hold → `value` (SECCOMP_RET_*). */
export interface Rule {
  conditions: Condition[];
  value: number;
}

/** Either one answer, or rules of which the first that fits counts, and the profile's default if none does. */
export type Verdict = number | Rule[];

export interface ArchitectureRules {
  architecture: Architecture;
  verdicts: Map<number, Verdict>;
  defaultValue: number;
  /** The answer to numbers above every one that the profile names: calls that it was written before. */
  beyond: { first: number; value: number } | undefined;
}

/** What a profile may name. */
export const SECCOMP_OPERATORS: readonly SeccompOperator[] = [
  'SCMP_CMP_NE',
  'SCMP_CMP_LT',
  'SCMP_CMP_LE',
  'SCMP_CMP_EQ',
  'SCMP_CMP_GE',
  'SCMP_CMP_GT',
  'SCMP_CMP_MASKED_EQ',
];
const UINT64 = 1n << 64n;

export function rulesFor(seccomp: LinuxSeccomp, architecture: Architecture): ArchitectureRules {
  const defaultValue = returnValue(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const verdicts = new Map<number, Verdict>();
  let highest = -1;
  for (const entry of seccomp.syscalls ?? []) {
    const value = returnValue(entry.action, entry.errnoRet);
    const alternatives = conditionsOf(entry, architecture.wide);
    for (const name of entry.names) {
      const number = architecture.syscalls.get(name);
      if (number !== undefined) highest = Math.max(highest, number);
      if (value === defaultValue) continue;
      if (number !== undefined) {
        for (const conditions of alternatives) add(verdicts, number, { conditions, value });
      }
      const other = architecture.multiplexes ? multiplexedCall(name) : undefined;
      const via = other && architecture.syscalls.get(other.via);
      // The arguments themselves are behind a pointer there. What is denied with some is denied with all; what is allowed with some is not allowed.
      if (other && via !== undefined && (!entry.args?.length || isStronger(value, defaultValue)))
        add(verdicts, via, { conditions: [other.condition], value });
    }
  }
  const stub = !isPermissive(seccomp.defaultAction) && highest >= 0 && defaultValue !== RETURN_ENOSYS;
  return { architecture, verdicts, defaultValue, beyond: stub ? { first: highest + 1, value: RETURN_ENOSYS } : undefined };
}

function add(verdicts: Map<number, Verdict>, number: number, rule: Rule): void {
  const existing = verdicts.get(number);
  if (typeof existing === 'number') return;
  if (rule.conditions.length === 0) verdicts.set(number, rule.value);
  else if (existing === undefined) verdicts.set(number, [rule]);
  else existing.push(rule);
}

/** The conjunctions that an entry stands for: usually one. */
function conditionsOf(entry: SeccompSyscall, wide: boolean): Condition[][] {
  const conditions = (entry.args ?? []).map((argument): Condition => {
    if (!Number.isInteger(argument.index) || argument.index < 0 || argument.index > 5) {
      throw invalid(`seccomp rule for ${entry.names[0]}: there is no argument ${argument.index}, arguments are 0 to 5`);
    }
    if (!SECCOMP_OPERATORS.includes(argument.op)) throw invalid(`string ${argument.op} is not a valid operator for seccomp`);
    return { index: argument.index, op: argument.op, value: uint64(argument.value), valueTwo: uint64(argument.valueTwo ?? 0), wide };
  });
  const repeated = new Set(conditions.map(({ index }) => index)).size < conditions.length;
  return repeated ? conditions.map((condition) => [condition]) : [conditions];
}

/** JSON numbers are doubles: the largest uint64 arrives as 2^64. */
function uint64(value: number): bigint {
  const wide = BigInt(Math.trunc(value));
  return wide >= UINT64 ? UINT64 - 1n : BigInt.asUintN(64, wide);
}

/** Whether a call gets through whatever its arguments are. */
export function allows({ defaultAction, syscalls = [] }: LinuxSeccomp, name: string): boolean {
  const isCarriedOut = (action: SeccompAction) => action === 'SCMP_ACT_ALLOW' || action === 'SCMP_ACT_LOG';
  const rules = syscalls.filter(({ names }) => names.includes(name));
  return rules.every(({ action }) => isCarriedOut(action)) && (isCarriedOut(defaultAction) || rules.some(({ args }) => !args?.length));
}

/** A supervisor cannot answer for everything: it would be asked about its own messages. */
export function checkNotify(seccomp: LinuxSeccomp): boolean {
  if (seccomp.defaultAction === 'SCMP_ACT_NOTIFY') throw invalid('SCMP_ACT_NOTIFY cannot be used as default action');
  const notified = (seccomp.syscalls ?? []).filter((entry) => isNotify(returnValue(entry.action, entry.errnoRet)));
  if (notified.some((entry) => entry.names.includes('write'))) throw invalid('SCMP_ACT_NOTIFY cannot be used for the write syscall');
  return notified.length > 0;
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'runtime' });
}
