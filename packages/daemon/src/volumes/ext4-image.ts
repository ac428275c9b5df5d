// An empty ext4 in a sparse file: the room of a volume with a size, where the file system below has no project quota. Written here, so
// that no mkfs need be installed; layout by the kernel's Documentation/filesystems/ext4. It has 4 KiB blocks, extents and a journal, and no
// checksums of group descriptors: those allow inode tables to be holes of the file, which read as the zeros that they must be.
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';

const BLOCK = 4096;
const GROUP = 8 * BLOCK;
const INODE = 256;
const INODES_A_BLOCK = BLOCK / INODE;
const DESCRIPTOR = 32;
/** One inode for so many bytes, as mke2fs. */
const BYTES_AN_INODE = 16_384;
const RESERVED_INODES = 10;
const ROOT = 2;
const JOURNAL = 8;
/** Group numbers are 32 bits of blocks. */
const LARGEST = 2 ** 44;

const COMPATIBLE = { journal: 0x4, xattr: 0x8, dirIndex: 0x20 };
const INCOMPATIBLE = { fileType: 0x2, extents: 0x40 };
const READ_COMPATIBLE = { sparseSuper: 0x1, largeFile: 0x2, hugeFile: 0x8, dirNlink: 0x20, extraIsize: 0x40 };
const sum = (flags: Readonly<Record<string, number>>) => Object.values(flags).reduce((total, flag) => total | flag, 0);

interface Layout {
  readonly blocks: number;
  readonly groups: number;
  readonly inodesPerGroup: number;
  readonly tableBlocks: number;
  readonly descriptorBlocks: number;
  readonly journalBlocks: number;
}

/** Writes a file system with room for `bytes` of files at `path`, which must not exist. */
export function writeExt4Image(path: string, bytes: number): void {
  if (bytes > LARGEST)
    throw new EngineError('InvalidArgument', `a volume of ${bytes} bytes is too large: at most 16 TiB`, { layer: 'daemon' });
  const layout = layoutFor(bytes);
  const fd = openSync(path, 'wx', 0o600);
  try {
    ftruncateSync(fd, layout.blocks * BLOCK);
    const write = (buffer: Buffer, block: number, offset = 0) => writeSync(fd, buffer, 0, buffer.length, block * BLOCK + offset);
    const uuid = randomBytes(16);
    const firstJournal = groupOverhead(layout, 0);
    const rootBlock = firstJournal + layout.journalBlocks;
    const used = (group: number) => groupOverhead(layout, group) + (group === 0 ? layout.journalBlocks + 1 : 0);
    const descriptors = Buffer.alloc(layout.descriptorBlocks * BLOCK);
    let free = 0;
    for (let group = 0; group < layout.groups; group++) {
      const start = group * GROUP;
      const size = Math.min(GROUP, layout.blocks - start);
      const bitmaps = start + copies(layout, group);
      const taken = group === 0 ? RESERVED_INODES : 0;
      write(bitmap(used(group), size), bitmaps);
      write(bitmap(taken, layout.inodesPerGroup), bitmaps + 1);
      const at = group * DESCRIPTOR;
      for (const [index, block] of [bitmaps, bitmaps + 1, bitmaps + 2].entries()) descriptors.writeUInt32LE(block, at + 4 * index);
      descriptors.writeUInt16LE(size - used(group), at + 12);
      descriptors.writeUInt16LE(layout.inodesPerGroup - taken, at + 14);
      descriptors.writeUInt16LE(group === 0 ? 1 : 0, at + 16);
      free += size - used(group);
    }
    for (let group = 0; group < layout.groups; group++) {
      if (!hasCopies(group)) continue;
      write(superblock(layout, free, uuid, group), group * GROUP, group === 0 ? 1024 : 0);
      write(descriptors, group * GROUP + 1);
    }
    const table = copies(layout, 0) + 2;
    write(inode({ mode: 0o40755, links: 2, blocks: 1, first: rootBlock }), table, (ROOT - 1) * INODE);
    write(inode({ mode: 0o100600, links: 1, blocks: layout.journalBlocks, first: firstJournal }), table, (JOURNAL - 1) * INODE);
    write(journalSuperblock(layout.journalBlocks, uuid), firstJournal);
    write(emptyDirectory(), rootBlock);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** What is asked for is room for files: the file system's own needs come on top. */
function layoutFor(bytes: number): Layout {
  const wanted = Math.max(Math.ceil(bytes / BLOCK), 64);
  const journalBlocks = wanted < 2 ** 17 ? 1024 : wanted < 2 ** 23 ? 8192 : 16_384;
  for (let blocks = wanted; ; ) {
    const groups = Math.ceil(blocks / GROUP);
    const inodes = Math.ceil((wanted * BLOCK) / BYTES_AN_INODE / groups) + RESERVED_INODES;
    const inodesPerGroup = Math.min(Math.ceil(inodes / INODES_A_BLOCK) * INODES_A_BLOCK, GROUP);
    const descriptorBlocks = Math.ceil((groups * DESCRIPTOR) / BLOCK);
    const layout = { blocks, groups, inodesPerGroup, tableBlocks: inodesPerGroup / INODES_A_BLOCK, descriptorBlocks, journalBlocks };
    // The kernel keeps a fiftieth back, for itself.
    let overhead = journalBlocks + 1 + Math.min(Math.ceil(blocks / 50), 4096);
    for (let group = 0; group < groups; group++) overhead += groupOverhead(layout, group);
    if (blocks - overhead >= wanted) {
      // A last group that holds little but its own tables is no use: it gets larger.
      const last = blocks - (groups - 1) * GROUP;
      const least = groupOverhead(layout, groups - 1) + (groups === 1 ? journalBlocks + 1 : 0) + 64;
      if (last >= least) return layout;
      blocks += least - last;
    } else {
      blocks += wanted + overhead - blocks;
    }
  }
}

/** Copies of the superblock are in groups 0, 1 and the powers of 3, 5 and 7. */
function hasCopies(group: number): boolean {
  if (group <= 1) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}

function copies(layout: Layout, group: number): number {
  return hasCopies(group) ? 1 + layout.descriptorBlocks : 0;
}

function groupOverhead(layout: Layout, group: number): number {
  return copies(layout, group) + 2 + layout.tableBlocks;
}

/** The first `used` of `size` bits are set, and those that stand for nothing. */
function bitmap(used: number, size: number): Buffer {
  const bits = Buffer.alloc(BLOCK);
  const set = (from: number, to: number) => {
    for (let bit = from; bit < to; ) {
      if (bit % 8 === 0 && bit + 8 <= to) {
        bits[bit >> 3] = 0xff;
        bit += 8;
      } else {
        bits[bit >> 3] = (bits[bit >> 3] as number) | (1 << (bit & 7));
        bit++;
      }
    }
  };
  set(0, used);
  set(size, GROUP);
  return bits;
}

function superblock(layout: Layout, freeBlocks: number, uuid: Buffer, group: number): Buffer {
  const block = Buffer.alloc(1024);
  const inodes = layout.groups * layout.inodesPerGroup;
  const now = Math.floor(Date.now() / 1000);
  const words: Readonly<Record<number, number>> = {
    0: inodes,
    4: layout.blocks,
    12: freeBlocks,
    16: inodes - RESERVED_INODES,
    24: 2,
    28: 2,
    32: GROUP,
    36: GROUP,
    40: layout.inodesPerGroup,
    48: now,
    64: now,
    76: 1,
    84: RESERVED_INODES + 1,
    92: sum(COMPATIBLE),
    96: sum(INCOMPATIBLE),
    100: sum(READ_COMPATIBLE),
    224: JOURNAL,
    264: now,
    352: 1,
  };
  for (const [offset, value] of Object.entries(words)) block.writeUInt32LE(value, Number(offset));
  // Mounts until a check: never; magic; clean; errors remount read-only.
  const halves: Readonly<Record<number, number>> = { 54: 0xffff, 56: 0xef53, 58: 1, 60: 2, 88: INODE, 90: group, 348: 32, 350: 32 };
  for (const [offset, value] of Object.entries(halves)) block.writeUInt16LE(value, Number(offset));
  uuid.copy(block, 104);
  randomBytes(16).copy(block, 236);
  block[252] = 1;
  return block;
}

/** A file of one extent. */
function inode({ mode, links, blocks, first }: { mode: number; links: number; blocks: number; first: number }): Buffer {
  const raw = Buffer.alloc(INODE);
  const now = Math.floor(Date.now() / 1000);
  raw.writeUInt16LE(mode, 0);
  raw.writeUInt32LE(blocks * BLOCK, 4);
  for (const offset of [8, 12, 16]) raw.writeUInt32LE(now, offset);
  raw.writeUInt16LE(links, 26);
  raw.writeUInt32LE((blocks * BLOCK) / 512, 28);
  raw.writeUInt32LE(0x80000, 32);
  // Extent header (magic, one of four, depth 0), then the extent.
  raw.writeUInt16LE(0xf30a, 40);
  raw.writeUInt16LE(1, 42);
  raw.writeUInt16LE(4, 44);
  raw.writeUInt16LE(blocks, 56);
  raw.writeUInt32LE(first, 60);
  raw.writeUInt16LE(32, 128);
  return raw;
}

/** Big-endian, unlike everything else: an empty log. */
function journalSuperblock(blocks: number, uuid: Buffer): Buffer {
  const block = Buffer.alloc(BLOCK);
  for (const [index, word] of [0xc03b3998, 4, 0, BLOCK, blocks, 1, 1, 0].entries()) block.writeUInt32BE(word, 4 * index);
  uuid.copy(block, 48);
  block.writeUInt32BE(1, 64);
  return block;
}

/** `.` and `..`, and no lost+found: programs want an empty directory for their data. */
function emptyDirectory(): Buffer {
  const block = Buffer.alloc(BLOCK);
  const entry = (at: number, length: number, name: string) => {
    block.writeUInt32LE(ROOT, at);
    block.writeUInt16LE(length, at + 4);
    block[at + 6] = name.length;
    block[at + 7] = 2;
    block.write(name, at + 8);
  };
  entry(0, 12, '.');
  entry(12, BLOCK - 12, '..');
  return block;
}
