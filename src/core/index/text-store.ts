/**
 * Many small texts that are all kept for as long as any of them: they lie one
 * behind the other in a few large pieces of memory, since a piece for every
 * text or two costs more than what is put into it.
 */
export class TextStore {
  private room: Buffer = Buffer.alloc(0);
  private at = 0;

  /**
   * The bytes of a text as UTF-8.
   *
   * @param isAscii whether the text is known to be ASCII, of which the bytes are had much sooner.
   */
  keep(text: string, isAscii = false): Buffer {
    // A character of JavaScript is three bytes at most.
    this.makeRoom(isAscii ? text.length : text.length * 3);
    return this.taken(this.room.write(text, this.at, isAscii ? 'latin1' : 'utf8'));
  }

  copy(bytes: Buffer): Buffer {
    this.makeRoom(bytes.length);
    bytes.copy(this.room, this.at);
    return this.taken(bytes.length);
  }

  /** What was kept is no longer needed: its room is used again. */
  forget(): void {
    this.at = 0;
  }

  private taken(length: number): Buffer {
    const { at } = this;
    this.at += length;
    return this.room.subarray(at, this.at);
  }

  /** The first pieces are small: who keeps one text has little more than that. */
  private makeRoom(length: number): void {
    if (this.room.length - this.at >= length) return;
    this.room = Buffer.allocUnsafeSlow(Math.max(length, Math.min(LARGEST, Math.max(SMALLEST, 2 * this.room.length))));
    this.at = 0;
  }
}

const SMALLEST = 16 * 1024;
const LARGEST = 1024 * 1024;
