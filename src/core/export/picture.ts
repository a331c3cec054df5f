import * as path from 'node:path';

import type { Deps } from '../deps';
import { isSystemError } from '../errors';
import { withFile } from '../files/open-file';
import type { Location } from '../location/location';

/** A picture that can stand in a page. */
export interface Picture {
  type: string;
  /** Bytes of it. */
  size: number;
  /** `data:…`, whole. */
  url: string;
}

const DATA_URL = /^data:image\/(png|jpeg|jpg|gif|webp|avif);base64,([A-Za-z0-9+/\s]*={0,2})$/i;

/** The picture that an address itself holds; undefined for any other address. Only kinds that hold no script. */
export function pictureInUrl(url: string): Picture | undefined {
  const match = DATA_URL.exec(url);
  if (!match) return undefined;
  const type = match[1].toLowerCase();
  return {
    type,
    size: Math.floor((match[2].length * 3) / 4),
    url: `data:image/${type};base64,${match[2].replace(/\s/g, '')}`,
  };
}

const MAX_BYTES = 8 * 1024 * 1024;
/** Of a directory of attachments' name so much is of the session's id. */
const ID_LENGTH = 120;

/**
 * The picture in a file that was attached to a session of the store: only one
 * in the session's own directory of attachments, since a transcript may name
 * any file. Undefined for everything else.
 */
export function attachedPicture(location: Location, id: string, file: string, deps: Deps): Picture | undefined {
  try {
    const dir = deps.fs.realpathSync(path.join(location.attachmentsDir.value, id.slice(0, ID_LENGTH)));
    const real = deps.fs.realpathSync(file);
    if (!real.startsWith(dir + path.sep)) return undefined;
    return withFile(deps.fs, real, ({ source, stamp }) => {
      const size = Number(stamp.size);
      if (size > MAX_BYTES) return undefined;
      const bytes = Buffer.alloc(size);
      let filled = 0;
      for (let n = 0; filled < size && (n = source.read(bytes, filled, size - filled, filled)) > 0;) filled += n;
      const type = kindOf(bytes.subarray(0, filled));
      if (type === undefined) return undefined;
      return { type, size, url: `data:image/${type};base64,${bytes.toString('base64', 0, filled)}` };
    });
  } catch (error) {
    if (isSystemError(error) || (error as { code?: unknown }).code === 'IO_ERROR') return undefined;
    throw error;
  }
}

/** What a file's first bytes say it is. */
function kindOf(bytes: Buffer): string | undefined {
  const starts = (text: string, at = 0): boolean => bytes.toString('latin1', at, at + text.length) === text;
  if (starts('\x89PNG\r\n\x1a\n')) return 'png';
  if (starts('\xff\xd8\xff')) return 'jpeg';
  if (starts('GIF8')) return 'gif';
  if (starts('RIFF') && starts('WEBP', 8)) return 'webp';
  return starts('ftypavif', 4) ? 'avif' : undefined;
}
