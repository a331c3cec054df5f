import { describe, expect, it } from 'vitest';

import { type FailureFace, presentFailure } from '../../src/cli/failure';
import { JsonDocument, Renderer } from '../../src/cli/output/document';
import { OutputClosed, Sink } from '../../src/cli/output/sink';
import { Interrupted } from '../../src/cli/signals';
import { HermesctlError } from '../../src/core/errors';

/** A sink that keeps what it is given, or fails every write with this errno. */
function sink(errno?: string): { sink: Sink; text: () => string } {
  let written = '';
  const write = (_fd: number, bytes: Uint8Array, offset: number, length: number): number => {
    if (errno !== undefined) throw Object.assign(new Error(`${errno}: no`), { code: errno, syscall: 'write' });
    written += Buffer.from(bytes.subarray(offset, offset + length)).toString();
    return length;
  };
  return { sink: new Sink(-1, write), text: () => written };
}

function face(stdoutErrno?: string, stderrErrno?: string): { face: FailureFace; out: () => string; err: () => string } {
  const stdout = sink(stdoutErrno);
  const stderr = sink(stderrErrno);
  const document = new JsonDocument(stdout.sink, new Renderer(() => undefined));
  const common = { ndjson: false, verbose: false, warnings: [] };
  return {
    face: { stdout: stdout.sink, stderr: stderr.sink, document, ...common },
    out: stdout.text,
    err: stderr.text,
  };
}

const notFound = new HermesctlError('SESSION_NOT_FOUND', 'There is no session x.');

describe('presentFailure', () => {
  it('puts the error into the document', () => {
    const { face: json, out, err } = face();
    expect(presentFailure(notFound, json)).toBe(5);
    expect(JSON.parse(out())).toMatchObject({ error: { code: 'SESSION_NOT_FOUND' }, warnings: [] });
    expect(err()).toBe('');
  });

  it('says on standard error what the document could not carry', () => {
    const { face: json, err } = face('ENOSPC');
    expect(presentFailure(notFound, json)).toBe(1);
    expect(JSON.parse(err())).toMatchObject({ error: { code: 'IO_ERROR', exit: 1 } });
  });

  it('gives an exit code where nothing can be said at all', () => {
    expect(presentFailure(notFound, face('ENOSPC', 'EIO').face)).toBe(1);
  });

  it('keeps the exit code where the reader has gone away', () => {
    expect(presentFailure(notFound, face('EPIPE').face)).toBe(5);
    expect(presentFailure(new OutputClosed(), face('EPIPE').face)).toBe(0);
    // Ctrl-C ends every program of a pipeline.
    expect(presentFailure(new Interrupted('SIGINT'), face('EPIPE').face)).toBe(130);
    expect(presentFailure(new Interrupted('SIGTERM'), face('EPIPE').face)).toBe(143);
  });
});
