// A process that goes on as another one: a new child of its parent, in new namespaces and in a cgroup that it could not move to for as
// little, with all of its memory. Fork copies page tables, and each page that either side writes; here nobody is left to share with.
//
// clone3 with CLONE_VM gives the memory to a child, and the process that called it ends at the next instruction, before it could write to
// the stack that both have. That takes machine code; where there is none, canBeReborn() says so.
import { codePage } from './code-page.ts';
import { machineCode } from './elf-program.ts';
import { bindAddress, memoryAddress, sysError } from './libc.ts';
import { CLONE } from './namespace.ts';

/** long rebirth(struct clone_args *arguments): 0 in the child, -errno where there is none. Whoever made one ends. */
const MACHINES: Partial<Record<string, string>> = {
  x64: `
    f30f1efa           endbr64
    be58000000         mov   esi, 88
    b8b3010000         mov   eax, 435          clone3(arguments, 88)
    0f05               syscall
    4885c0             test  rax, rax
    7f01               jg    exit
    c3                 ret
    31ff         exit: xor   edi, edi
    b8e7000000         mov   eax, 231          exit_group(0)
    0f05               syscall`,
  arm64: `
    010b80d2              mov   x1, 88
    683680d2              mov   x8, 435             clone3(arguments, 88)
    010000d4              svc   0
    1f0000f1              cmp   x0, 0
    4c000054              b.gt  exit
    c0035fd6              ret
    000080d2        exit: mov   x0, 0
    c80b80d2              mov   x8, 94              exit_group(0)
    010000d4              svc   0`,
};

const CLONE_VM = 0x100n;
const CLONE_PARENT_SETTID = 0x100000n;
const CLONE_INTO_CGROUP = 0x200000000n;
/** struct clone_args up to `cgroup`, and behind it the place for the pid. */
const CLONE_ARGUMENTS = 88;
const PID = CLONE_ARGUMENTS;

/** Whether there is code for this machine. */
export function canBeReborn(): boolean {
  return MACHINES[process.arch] !== undefined;
}

let code: ((cloneArguments: number) => number) | undefined;

/** Before the moment comes, what can be done before. */
export function readyForRebirth(): void {
  code ??= bindAddress(codePage([machineCode(MACHINES[process.arch] ?? '')]).addresses[0] ?? 0, 'int64_t berth_rebirth(uint64_t)');
}

/**
 * Returns in the new process, with its pid in the namespace of the old one. `flags` of CLONE; `cgroup` is a directory of the v2 hierarchy. The
 * caller has one thread, has blocked all signals and is a forked child itself: its parent gets another child, and the end of this one.
 */
export function rebirth(flags: number, options: { cgroup?: number } = {}): number {
  readyForRebirth();
  const args = Buffer.alloc(CLONE_ARGUMENTS + 8);
  const into = options.cgroup === undefined ? 0n : CLONE_INTO_CGROUP;
  args.writeBigUInt64LE(BigInt(flags | CLONE.PARENT) | CLONE_VM | CLONE_PARENT_SETTID | into, 0);
  const address = memoryAddress(args);
  args.writeBigUInt64LE(BigInt(address + PID), 24);
  args.writeBigUInt64LE(BigInt(options.cgroup ?? 0), 80);
  const result = code?.(address) ?? 0;
  if (result < 0) throw sysError('clone3', ['CLONE_VM', `0x${flags.toString(16)}`], -result);
  return args.readInt32LE(PID);
}
