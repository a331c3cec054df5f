/** Follows tokens and tells where in the value the current one stands. */
export class PathTracker {
  private readonly frames: { array: boolean; index: number; key: string; expectKey: boolean }[] = [];

  step(token: string): void {
    const top = this.frames.at(-1);
    switch (token) {
      case '{':
      case '[':
        this.frames.push({ array: token === '[', index: 0, key: '""', expectKey: token === '{' });
        return;
      case '}':
      case ']':
        this.frames.pop();
        return;
      case ',':
        if (top?.array) top.index++;
        else if (top) top.expectKey = true;
        return;
      case ':':
        if (top) top.expectKey = false;
        return;
      default:
        if (top?.expectKey) top.key = token;
    }
  }

  toString(): string {
    return this.frames
      .map((frame) => (frame.array ? `[${frame.index}]` : `.${JSON.parse(frame.key) as string}`))
      .join('');
  }
}
