// The smallest program a container can run: reads a byte from its input, says "warm", ends with 0. Some twelve
// instructions, so that a warm-up needs nothing from the host's file system.
import { elfProgram } from './elf-program.ts';

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

/** An ELF file for this machine's processor. */
export function tinyProgram(): Buffer {
  return elfProgram(Buffer.concat([Buffer.from(process.arch === 'arm64' ? ARM64 : X64), Buffer.from('warm\n')]));
}
