// How `rmi` and `image prune` tell what was removed.
import type { ImageDeleteItem, ImagesPruneResponse } from '@berth/api/image';

export function deletedText(item: ImageDeleteItem): string {
  return 'Untagged' in item ? `Untagged: ${item.Untagged}` : `Deleted: ${item.Deleted}`;
}

/** For a list below a title, where each line begins small. */
export function prunedNames({ ImagesDeleted }: Pick<ImagesPruneResponse, 'ImagesDeleted'>): string[] {
  return (ImagesDeleted ?? []).map((item) => deletedText(item).replace(/^\w/, (letter) => letter.toLowerCase()));
}
