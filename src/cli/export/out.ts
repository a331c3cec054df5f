import type { Deps } from '../../core/deps';
import { CutShort } from '../../core/export/cut-short';
import { OutputFile } from '../../core/files/output-file';
import type { Sink } from '../output/sink';

/** Where an export goes, piece by piece. What fails here ends the export. */
export interface Out {
  /** Text, or bytes that are written before this returns. */
  write(piece: string | Uint8Array): void;
}

/** Standard output. */
export class StreamOut implements Out {
  constructor(private readonly sink: Sink) {}

  write(piece: string | Uint8Array): void {
    cutShort(() => (typeof piece === 'string' ? this.sink.write(piece) : this.sink.writeBytes(piece)));
  }
}

const BUFFER = 64 * 1024;

/** A file, which has its name only when all is in it. */
export class FileOut implements Out {
  readonly file: OutputFile;
  private pending = '';

  /** @throws HermesctlError `ALREADY_EXISTS`, `REFUSED`, `IO_ERROR` */
  constructor(path: string, replace: boolean, deps: Deps) {
    this.file = new OutputFile(path, replace, deps);
  }

  write(piece: string | Uint8Array): void {
    if (typeof piece === 'string') {
      this.pending += piece;
      if (this.pending.length >= BUFFER) this.flush();
    } else {
      this.flush();
      cutShort(() => this.file.write(piece));
    }
  }

  finish(): void {
    this.flush();
    this.file.finish();
  }

  private flush(): void {
    const { pending } = this;
    this.pending = '';
    if (pending !== '') cutShort(() => this.file.write(Buffer.from(pending, 'utf8')));
  }
}

function cutShort(write: () => void): void {
  try {
    write();
  } catch (error) {
    throw new CutShort(error);
  }
}
