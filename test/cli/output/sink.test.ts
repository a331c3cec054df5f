import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { OutputClosed, Sink } from '../../../src/cli/output/sink';
import { HermesctlError } from '../../../src/core/errors';

type Step = number | 'EAGAIN' | 'EPIPE' | 'ENOSPC';

const systemError = (code: string): Error =>
  Object.assign(new Error(`${code}: the system says no, write`), { code, syscall: 'write' });

/**
 * A file descriptor that does as it is told: each step takes so many bytes or
 * fails; after the last step it takes everything.
 */
function descriptor(steps: Step[] = []) {
  const got: Buffer[] = [];
  const state = { calls: 0, fds: new Set<number>() };
  const write = (fd: number, bytes: Uint8Array, offset: number, length: number): number => {
    state.calls++;
    state.fds.add(fd);
    const step = steps.shift() ?? length;
    if (typeof step === 'string') throw systemError(step);
    const n = Math.min(step, length);
    got.push(Buffer.from(bytes.subarray(offset, offset + n)));
    return n;
  };
  return { write, state, text: () => Buffer.concat(got).toString(), bytes: () => Buffer.concat(got) };
}

function thrown(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('Sink', () => {
  it('writes all bytes once and in order, however few the descriptor takes and however often it is full', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.string({ unit: 'grapheme' }),
            fc.uint8Array({ maxLength: 20 }),
            fc.record({ put: fc.string({ unit: 'grapheme' }) }),
            fc.record({ copied: fc.uint8Array({ maxLength: 20 }) }),
          ),
          { maxLength: 8 },
        ),
        fc.array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constant<Step>('EAGAIN')), { maxLength: 6 }),
        (pieces, steps) => {
          const fd = descriptor([...steps]);
          const sink = new Sink(7, fd.write);
          for (const piece of pieces) {
            if (typeof piece === 'string') sink.write(piece);
            else if ('put' in piece) sink.put(piece.put);
            else if ('copied' in piece) sink.putBytes(Buffer.from([7, ...piece.copied, 7]), 1, piece.copied.length + 1);
            else sink.writeBytes(piece);
          }
          sink.flush();
          const bytesOf = (piece: (typeof pieces)[number]): Buffer => {
            if (typeof piece === 'string') return Buffer.from(piece);
            return 'put' in piece ? Buffer.from(piece.put) : Buffer.from('copied' in piece ? piece.copied : piece);
          };
          expect(fd.bytes()).toEqual(Buffer.concat(pieces.map(bytesOf)));
          expect([...fd.state.fds].filter((n) => n !== 7)).toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('waits for a full pipe and then goes on', () => {
    const fd = descriptor(['EAGAIN', 2, 'EAGAIN', 'EAGAIN']);
    const sink = new Sink(1, fd.write);
    sink.write('hello');
    sink.flush();
    expect(fd.text()).toBe('hello');
  });

  it('gathers small writes into one, and does not let them pile up', () => {
    const fd = descriptor();
    const sink = new Sink(1, fd.write);
    for (let i = 0; i < 100; i++) sink.write('row\n');
    expect(fd.state.calls).toBe(0);
    sink.flush();
    expect(fd.state.calls).toBe(1);
    sink.write('x'.repeat(100_000));
    expect(fd.text().length).toBe(100_400);
    sink.flush();
    expect(fd.state.calls).toBe(2);
    for (let i = 0; i < 20_000; i++) sink.put('row\n');
    sink.put('é'.repeat(100_000));
    sink.flush();
    expect(fd.bytes().length).toBe(100_400 + 80_000 + 200_000);
    expect(fd.state.calls).toBeLessThan(8);
  });

  it('says that the reader has gone, at once and for good, and writes no more', () => {
    const fd = descriptor([3, 'EPIPE']);
    const sink = new Sink(1, fd.write);
    sink.write('hello');
    expect(thrown(() => sink.flush())).toBeInstanceOf(OutputClosed);
    sink.write('more');
    expect(thrown(() => sink.flush())).toBeInstanceOf(OutputClosed);
    expect(thrown(() => sink.writeBytes(Buffer.from('more')))).toBeInstanceOf(OutputClosed);
    expect(fd.text()).toBe('hel');
    expect(fd.state.calls).toBe(2);
  });

  it('gives any other failure its name, once', () => {
    const fd = descriptor(['ENOSPC']);
    const sink = new Sink(1, fd.write);
    sink.write('hello');
    const error = thrown(() => sink.flush());
    expect(error).toBeInstanceOf(HermesctlError);
    expect(error).toMatchObject({ code: 'IO_ERROR', exit: 1 });
    expect((error as HermesctlError).message).toContain('ENOSPC');
    sink.write('the failure, in words');
    expect(thrown(() => sink.flush())).toBeInstanceOf(OutputClosed);
    expect(fd.text()).toBe('');
  });

  it('lets a bug be a bug', () => {
    const sink = new Sink(1, () => {
      throw new TypeError('a bug');
    });
    sink.write('x');
    expect(thrown(() => sink.flush())).toBeInstanceOf(TypeError);
  });
});
