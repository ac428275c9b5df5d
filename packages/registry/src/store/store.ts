// The registry's store on a file system: the parts that share one root directory.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Blobs } from './blobs.ts';
import { entriesOf, removeFile } from './durable.ts';
import { Layout } from './layout.ts';
import { Repositories } from './repositories.ts';
import { Trash } from './trash.ts';
import { Uploads } from './uploads.ts';

export class Store {
  readonly layout: Layout;
  readonly trash: Trash;
  readonly blobs: Blobs;
  readonly uploads: Uploads;
  readonly repositories: Repositories;

  private constructor(layout: Layout) {
    this.layout = layout;
    this.trash = new Trash(layout);
    this.blobs = new Blobs(layout, this.trash);
    this.uploads = new Uploads(layout, this.blobs);
    this.repositories = new Repositories(this);
  }

  static async open(root: string, options: { create: boolean }): Promise<Store> {
    const store = new Store(await Layout.open(root, options));
    await store.trash.recover();
    return store;
  }

  /** Removes uploads and temporary files that nobody has written to since `cutoff`; answers how many. */
  async expire(cutoff: number, options: { dryRun?: boolean } = {}): Promise<number> {
    let count = await this.uploads.expire(cutoff, options);
    for (const name of await entriesOf(this.layout.temporary)) {
      const path = join(this.layout.temporary, name);
      const touched = await stat(path).catch(() => undefined);
      if (touched === undefined || touched.mtimeMs >= cutoff) continue;
      if (!options.dryRun) await removeFile(path);
      count++;
    }
    return count;
  }
}
