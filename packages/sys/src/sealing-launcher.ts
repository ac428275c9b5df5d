// dist/sealed PROGRAM ARGUMENT…: executes a program in such a way that whoever sees it as /proc/PID/exe cannot write to it (CVE-2019-5736).
// bin/berth-runtime starts Node by it: by the time Node could do the same, it would have to start a second time, which takes some 30 ms
// where this takes half of one.
//
// The program is executed from a read-only bind mount of its file (open_tree(2), mount_setattr(2)) that no mount namespace has: the running
// process alone holds it, so nobody can make it writable again. Where the caller may make no mounts the program is executed as it
// is; sealed-program.ts finds that out, and does what else can be done.
import { elfProgram, machineCode } from './elf-program.ts';

/** The numbers of the system calls are in syscall-numbers.ts; 127 is a shell's code for what could not be executed. */
const CODE: Record<'x64' | 'arm64', string> = {
  x64: `
    4c8b2424                  mov  r12, [rsp]              argc
    4c8d6c2410                lea  r13, [rsp + 16]         the program's argv: from our own argv[1] on
    4e8d74e410                lea  r14, [rsp + r12*8 + 16] envp
    b8ac010000                mov  eax, 428                open_tree(AT_FDCWD, argv[1], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
    bf9cffffff                mov  edi, -100
    498b7500                  mov  rsi, [r13]
    ba01000800                mov  edx, 0x80001
    0f05                      syscall
    85c0                      test eax, eax
    7844                      js   plain
    89c5                      mov  ebp, eax
    b8ba010000                mov  eax, 442                mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, 32)
    89ef                      mov  edi, ebp
    488d3559000000            lea  rsi, [attributes + 8]
    ba00100000                mov  edx, 0x1000
    4c8d1545000000            lea  r10, [attributes]
    41b820000000              mov  r8d, 32
    0f05                      syscall
    85c0                      test eax, eax
    751c                      jnz  plain
    b842010000                mov  eax, 322                execveat(tree, "", argv, envp, AT_EMPTY_PATH)
    89ef                      mov  edi, ebp
    488d3533000000            lea  rsi, [attributes + 8]
    4c89ea                    mov  rdx, r13
    4d89f2                    mov  r10, r14
    41b800100000              mov  r8d, 0x1000
    0f05                      syscall
    b83b000000         plain: mov  eax, 59                 execve(argv[1], argv, envp)
    498b7d00                  mov  rdi, [r13]
    4c89ee                    mov  rsi, r13
    4c89f2                    mov  rdx, r14
    0f05                      syscall
    b83c000000                mov  eax, 60                 exit(127)
    bf7f000000                mov  edi, 127
    0f05                      syscall
    0100000000000000   attributes: attr_set = MOUNT_ATTR_RDONLY
    000000000000000000000000000000000000000000000000   attr_clr, propagation, userns_fd; and an empty string`,
  arm64: `
    f30340f9                  ldr  x19, [sp]               argc
    f4430091                  add  x20, sp, 16             the program's argv
    950e138b                  add  x21, x20, x19, lsl 3    envp
    883580d2                  mov  x8, 428                 open_tree
    600c8092                  mov  x0, -100
    810240f9                  ldr  x1, [x20]
    220080d2                  mov  x2, 1
    0201a0f2                  movk x2, 8, lsl 16
    010000d4                  svc  0
    0002f8b7                  tbnz x0, 63, plain
    f60300aa                  mov  x22, x0
    483780d2                  mov  x8, 442                 mount_setattr
    e1020010                  adr  x1, attributes + 8
    020082d2                  mov  x2, 0x1000
    63020010                  adr  x3, attributes
    040480d2                  mov  x4, 32
    010000d4                  svc  0
    000100b5                  cbnz x0, plain
    282380d2                  mov  x8, 281                 execveat
    e00316aa                  mov  x0, x22
    e1010010                  adr  x1, attributes + 8
    e20314aa                  mov  x2, x20
    e30315aa                  mov  x3, x21
    040082d2                  mov  x4, 0x1000
    010000d4                  svc  0
    a81b80d2           plain: mov  x8, 221                 execve
    800240f9                  ldr  x0, [x20]
    e10314aa                  mov  x1, x20
    e20315aa                  mov  x2, x21
    010000d4                  svc  0
    a80b80d2                  mov  x8, 93                  exit
    e00f80d2                  mov  x0, 127
    010000d4                  svc  0
    0100000000000000   attributes: attr_set = MOUNT_ATTR_RDONLY
    000000000000000000000000000000000000000000000000   attr_clr, propagation, userns_fd; and an empty string`,
};

/** The file's bytes. */
export function sealingLauncher(arch: NodeJS.Architecture = process.arch): Buffer {
  return elfProgram(machineCode(CODE[arch === 'arm64' ? 'arm64' : 'x64']), arch);
}
