// An overlay's options fit into one page (mount(2)), and an image may have more layers than their absolute paths leave room for:
// then the lower directories are named relative to what they have in common, which has to be the working directory meanwhile.

/** Room for the text and its closing zero. */
const PAGE_SIZE = 4096;

export interface OverlayOptions {
  data: string;
  /** Where the mount call is to be made. */
  workingDirectory: string | undefined;
}

export function fitOverlayOptions(data: string): OverlayOptions {
  if (Buffer.byteLength(data) < PAGE_SIZE) return { data, workingDirectory: undefined };
  const options = data.split(',');
  const at = options.findIndex((option) => option.startsWith('lowerdir='));
  const lower = options[at]?.slice('lowerdir='.length).split(':') ?? [];
  const directory = commonDirectory(lower);
  if (directory === '') return { data, workingDirectory: undefined };
  options[at] = `lowerdir=${lower.map((path) => path.slice(directory.length + 1)).join(':')}`;
  return { data: options.join(','), workingDirectory: directory };
}

/** '' when they share nothing but the root. */
function commonDirectory(paths: readonly string[]): string {
  let common = paths[0]?.slice(0, paths[0].lastIndexOf('/')) ?? '';
  for (const path of paths) {
    while (!path.startsWith(`${common}/`)) common = common.slice(0, common.lastIndexOf('/'));
  }
  return common;
}
