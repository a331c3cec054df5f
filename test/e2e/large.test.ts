import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { expect, it } from 'vitest';

import { bareEnvironment, BIN, ROOT } from '../support/cli';
import { makeStore, type TestStore } from '../support/store';

/*
 * A session of a gigabyte is shown within 200 MB of memory. The gigabyte takes
 * most of a minute, so it is asked for with HERMESCTL_LARGE=1; a third of it
 * tells a stream from a pile just as well.
 */

const MEGABYTE = 1_000_000;
const SIZE = (process.env['HERMESCTL_LARGE'] === '1' ? 1_024 : 300) * MEGABYTE;
const MEMORY_LIMIT_KB = 200_000;
const DISK_NEEDED = 3_000 * MEGABYTE;

const ID = 'large0000001';
const MESSAGE = JSON.stringify({
  role: 'assistant',
  content: 'Words, "quoted" words and 日本語, a line\n'.repeat(4_500),
  timestamp: 1777000010,
});

/** How many bytes of disk are free where the store would be. */
function free(): number {
  const { bavail, bsize } = fs.statfsSync(os.tmpdir());
  return bavail * bsize;
}

/** Writes the session a hundred messages at a time, and gives how many it has. */
function writeLargeSession(store: TestStore): number {
  const fd = fs.openSync(path.join(store.sessionsDir, `${ID}.json`), 'w');
  const hundred = Buffer.from(`${MESSAGE},\n`.repeat(100));
  let count = 0;
  try {
    fs.writeSync(fd, `{"session_id":"${ID}","title":"Large","created_at":1.5,"updated_at":2.5,"messages":[\n`);
    for (let size = 0; size < SIZE; size += hundred.length, count += 100) fs.writeFileSync(fd, hundred);
    fs.writeSync(fd, '{"role":"user","content":"The end.","timestamp":1777000020}]}');
  } finally {
    fs.closeSync(fd);
  }
  return count + 1;
}

interface Shown {
  code: number | null;
  bytes: number;
  /** The last piece of the output. */
  tail: string;
  stderr: string;
  /** The most memory that the process ever had resident. */
  peakKb: number;
}

/** Runs the program, counts and forgets its output, and looks at its memory as it runs. */
function show(args: string[], store: TestStore): Promise<Shown> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BIN, 'show', ID, ...args], {
      env: bareEnvironment(store.env),
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const shown: Shown = { code: null, bytes: 0, tail: '', stderr: '', peakKb: 0 };
    let tail = Buffer.alloc(0);
    let looked = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      shown.bytes += chunk.length;
      tail = Buffer.concat([tail, chunk]).subarray(-200);
      // The kernel keeps the peak itself: the last look before the end has it.
      if (shown.bytes - looked < MEGABYTE) return;
      looked = shown.bytes;
      shown.peakKb = Math.max(shown.peakKb, peakOf(child.pid!));
    });
    child.stderr.on('data', (chunk: Buffer) => (shown.stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...shown, code, tail: tail.toString() }));
  });
}

function peakOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0; // ended
  }
}

const can = fs.existsSync('/proc/self/status') && free() > DISK_NEEDED;

it.runIf(can)(
  `shows a session of ${SIZE / MEGABYTE} MB within 200 MB of memory (needs /proc and 3 GB of free disk)`,
  { timeout: 600_000 },
  async () => {
    const store = makeStore();
    const count = writeLargeSession(store);
    const [json, human] = await Promise.all([show(['--json'], store), show([], store)]);

    expect({ code: json.code, stderr: json.stderr }).toEqual({ code: 0, stderr: '' });
    expect(json.bytes).toBeGreaterThan(SIZE);
    expect(json.tail).toMatch(/"content":"The end\."[^]*\],"warnings":\[\]\}\n$/);

    expect({ code: human.code, stderr: human.stderr }).toEqual({ code: 0, stderr: '' });
    expect(human.bytes).toBeGreaterThan(SIZE * 0.9);
    expect(human.tail).toMatch(/The end\.\n\n$/);

    expect(count).toBeGreaterThan(SIZE / 250_000);
    for (const { peakKb } of [json, human]) {
      expect(peakKb).toBeGreaterThan(20_000); // it was measured
      expect(peakKb).toBeLessThan(MEMORY_LIMIT_KB);
    }
  },
);
