// The smallest program a container can run: reads a byte from its input, says "warm", ends with 0. An ELF file of one segment
// (elf(5)) and some twelve instructions, so that a warm-up needs nothing from the host's file system.

const HEADERS = 64 + 56;
const BASE = 0x400000n;
const EM_X86_64 = 62;
const EM_AARCH64 = 183;

/** read(0, sp, 1); write(1, "warm\n", 5); exit(0) */
const X64 = [
  [0x31, 0xc0], // xor eax, eax: read
  [0x31, 0xff], // xor edi, edi
  [0x48, 0x89, 0xe6], // mov rsi, rsp
  [0xba, 0x01, 0x00, 0x00, 0x00], // mov edx, 1
  [0x0f, 0x05], // syscall
  [0xb8, 0x01, 0x00, 0x00, 0x00], // mov eax, 1: write
  [0x89, 0xc7], // mov edi, eax
  [0x48, 0x8d, 0x35, 0x10, 0x00, 0x00, 0x00], // lea rsi, [rip + 16]: the text
  [0xba, 0x05, 0x00, 0x00, 0x00], // mov edx, 5
  [0x0f, 0x05], // syscall
  [0xb8, 0x3c, 0x00, 0x00, 0x00], // mov eax, 60: exit
  [0x31, 0xff], // xor edi, edi
  [0x0f, 0x05], // syscall
].flat();

const ARM64 = [
  0xd28007e8, // mov x8, 63: read
  0xd2800000, // mov x0, 0
  0x910003e1, // mov x1, sp
  0xd2800022, // mov x2, 1
  0xd4000001, // svc 0
  0xd2800808, // mov x8, 64: write
  0xd2800020, // mov x0, 1
  0x100000c1, // adr x1, 24 bytes on: the text
  0xd28000a2, // mov x2, 5
  0xd4000001, // svc 0
  0xd2800ba8, // mov x8, 93: exit
  0xd2800000, // mov x0, 0
  0xd4000001, // svc 0
].flatMap((instruction) => [instruction & 255, (instruction >> 8) & 255, (instruction >> 16) & 255, instruction >>> 24]);

export function tinyProgram(): Buffer {
  const code = Buffer.concat([Buffer.from(process.arch === 'arm64' ? ARM64 : X64), Buffer.from('warm\n')]);
  const file = Buffer.alloc(HEADERS + code.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1], 0); // 64 bits, little endian, version 1
  file.writeUInt16LE(2, 16); // an executable
  file.writeUInt16LE(process.arch === 'arm64' ? EM_AARCH64 : EM_X86_64, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BASE + BigInt(HEADERS), 24); // entry
  file.writeBigUInt64LE(64n, 32); // program headers
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64); // PT_LOAD
  file.writeUInt32LE(5, 68); // readable, executable
  file.writeBigUInt64LE(BASE, 80);
  file.writeBigUInt64LE(BASE, 88);
  file.writeBigUInt64LE(BigInt(file.length), 96);
  file.writeBigUInt64LE(BigInt(file.length), 104);
  file.writeBigUInt64LE(0x1000n, 112);
  file.set(code, HEADERS);
  return file;
}
