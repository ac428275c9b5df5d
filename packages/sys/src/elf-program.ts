// Programs of a few instructions as ELF files (elf(5)): one segment with everything, no libraries. For what must be a program of its own and
// has no use for a language's runtime; the host needs no compiler for it.

const ELF_HEADER = 64;
const PROGRAM_HEADER = 56;
const HEADERS = ELF_HEADER + PROGRAM_HEADER;
const BASE = 0x400000n;
/** The largest that an arm64 kernel may have. */
const PAGE = 0x10000n;
const ET_EXEC = 2;
/** e_machine of an architecture, by Node's name. */
const MACHINES: Partial<Record<NodeJS.Architecture, number>> = { x64: 62, arm64: 183 };
const PT_LOAD = 1;
const READABLE_EXECUTABLE = 5;

/** `code` may lie anywhere, and is entered at its first byte with the stack as execve(2) leaves it: argc, argv, envp. It cannot write to itself. */
export function elfProgram(code: Uint8Array, arch: NodeJS.Architecture = process.arch): Buffer {
  const file = Buffer.alloc(HEADERS + code.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1], 0); // 64 bits, little endian, version 1
  file.writeUInt16LE(ET_EXEC, 16);
  file.writeUInt16LE(MACHINES[arch] ?? 0, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BASE + BigInt(HEADERS), 24); // where it is entered
  file.writeBigUInt64LE(BigInt(ELF_HEADER), 32); // where the program header is
  file.writeUInt16LE(ELF_HEADER, 52);
  file.writeUInt16LE(PROGRAM_HEADER, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(PT_LOAD, 64);
  file.writeUInt32LE(READABLE_EXECUTABLE, 68);
  file.writeBigUInt64LE(BASE, 80);
  file.writeBigUInt64LE(BASE, 88);
  file.writeBigUInt64LE(BigInt(file.length), 96);
  file.writeBigUInt64LE(BigInt(file.length), 104);
  file.writeBigUInt64LE(PAGE, 112);
  file.set(code, HEADERS);
  return file;
}

/** The bytes of a listing: each line is white space, the bytes in hexadecimal, white space and what they mean. */
export function machineCode(listing: string): Buffer {
  return Buffer.from([...listing.matchAll(/^ +([0-9a-f]+)/gm)].map(([, hex]) => hex).join(''), 'hex');
}
